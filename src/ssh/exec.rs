//! One exec over a live connection: the script goes in, the answers come out.

use std::sync::Arc;
use std::time::Duration;

use openssh::{Child, ChildStderr, ChildStdin, ChildStdout, Session, Stdio};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use super::Script;
use super::frame::{self, Frames, RawAnswer};
use super::marker::Marker;
use super::prelude::{ASK, READY, REFUSED};

/// How much of standard error is kept.
const STDERR_BYTES: usize = 64 * 1024;

/// How long sudo may think about a password: PAM delays a refusal by some seconds.
const SUDO_PATIENCE: Duration = Duration::from_secs(20);

/// What became of an exec.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The answers, and the node's clock minus ours in seconds.
    Answered(Vec<RawAnswer>, Option<f64>),
    /// `sh -s` was not reached: what was said on standard error.
    Refused(String),
    /// The password was not accepted.
    WrongPassword,
    /// It ended without a complete answer.
    Ended {
        /// Exit status, when the node told one.
        status: Option<i32>,
        /// Whether our script had begun.
        began: bool,
        /// What was printed, standard error last.
        printed: String,
    },
    /// It is not an answer.
    Broken(String),
}

/// A running remote command.
pub(super) struct Exec {
    child: Child<Arc<Session>>,
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    stderr: Option<ChildStderr>,
    out: Vec<u8>,
    err: Vec<u8>,
}

/// Everything about an exec that is not the wire.
pub(super) struct Order<'a> {
    /// What is asked.
    pub(super) script: &'a Script,
    /// Its text.
    pub(super) text: &'a str,
    /// Its marker.
    pub(super) marker: &'a Marker,
    /// The password for sudo's prompt, where one is to be expected.
    pub(super) password: Option<&'a SecretString>,
}

impl Exec {
    /// Opens a channel and starts the remote command on it.
    pub(super) async fn open(session: Arc<Session>, command: &str) -> Result<Self, openssh::Error> {
        let mut child = session
            .arc_raw_command(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .await?;
        Ok(Self {
            stdin: child.stdin().take(),
            stdout: child.stdout().take().expect("piped above"),
            stderr: child.stderr().take(),
            child,
            out: Vec::new(),
            err: Vec::new(),
        })
    }

    /// Sends the script and waits for its answers.
    pub(super) async fn converse(mut self, order: &Order<'_>, started: Instant) -> Outcome {
        if let Some(password) = order.password
            && let Some(outcome) = self.log_in(password, order.marker).await
        {
            return outcome;
        }
        let mark = order.marker.whole();
        let mut sending = Some(Box::pin(send(self.stdin.take(), order.text)));
        let mut begun: Option<(Option<f64>, usize)> = None;
        let sent = Instant::now();
        loop {
            let open = tokio::select! {
                // A node that refuses does not read to the end; its refusal says more than the broken pipe.
                () = async { sending.as_mut().expect("checked").await }, if sending.is_some() => {
                    sending = None;
                    continue;
                }
                open = read(&mut self.stdout, &mut self.stderr, &mut self.out, &mut self.err) => open,
            };
            if begun.is_none()
                && let Some((clock, rest)) = frame::begin(&self.out, mark)
            {
                // The node read its clock between then and now.
                let since = if order.password.is_some() { sent } else { started };
                begun = Some((offset(clock, since.elapsed()), rest));
            }
            match begun {
                Some((clock, rest)) => match frame::answers(&self.out, rest, mark, order.script) {
                    Frames::Complete(answers) => {
                        // What the login shell still has to say interests nobody.
                        return Outcome::Answered(answers, clock);
                    }
                    Frames::Broken(why) => return Outcome::Broken(why),
                    Frames::Partial => {}
                },
                None if frame::word(&self.out, mark, REFUSED).is_some() => {
                    return self.refused().await;
                }
                None if frame::hopeless(&self.out) => {
                    return Outcome::Broken("nothing but noise".to_owned());
                }
                None => {}
            }
            if !open {
                drop(sending);
                return self.ended(begun.is_some()).await;
            }
        }
    }

    /// Waits until sudo asks, answers it, and waits for the shell behind it. `None`: the shell is there.
    async fn log_in(&mut self, password: &SecretString, marker: &Marker) -> Option<Outcome> {
        let mark = marker.whole();
        let ask = format!("{mark} {ASK}");
        let deadline = Instant::now() + SUDO_PATIENCE;
        let mut answered = 0;
        loop {
            if frame::word(&self.out, mark, READY).is_some() {
                return None;
            }
            if frame::word(&self.out, mark, REFUSED).is_some() {
                let text = String::from_utf8_lossy(&self.err).replace(&ask, "");
                return Some(if answered == 0 { Outcome::Refused(text) } else { Outcome::WrongPassword });
            }
            let asked = String::from_utf8_lossy(&self.err).matches(&ask).count();
            if asked > answered {
                answered = asked;
                if asked == 1 {
                    let mut line = password.expose_secret().as_bytes().to_vec();
                    line.push(b'\n');
                    if let Some(stdin) = &mut self.stdin {
                        // When it cannot be written the command has ended, and the next read says so.
                        let _ = stdin.write_all(&line).await;
                    }
                    line.fill(0);
                } else {
                    // One wrong password is enough: sudo gets no second one to count.
                    self.stdin = None;
                }
            }
            let next = read(&mut self.stdout, &mut self.stderr, &mut self.out, &mut self.err);
            match tokio::time::timeout_at(deadline, next).await {
                Ok(true) => {}
                Ok(false) => return Some(self.ended_mutably().await),
                Err(_) => {
                    return Some(Outcome::Refused(format!(
                        "it neither asked for a password nor went on within {} s: {}",
                        SUDO_PATIENCE.as_secs(),
                        String::from_utf8_lossy(&self.err).trim()
                    )));
                }
            }
        }
    }

    async fn refused(mut self) -> Outcome {
        self.drain().await;
        Outcome::Refused(String::from_utf8_lossy(&self.err).into_owned())
    }

    async fn ended(mut self, began: bool) -> Outcome {
        self.drain().await;
        let printed = self.printed();
        let waiting = tokio::time::timeout(Duration::from_secs(5), self.child.wait()).await;
        let status = match waiting {
            Ok(Ok(status)) => status.code(),
            // The crate reports 127 as an error of its own.
            Ok(Err(openssh::Error::Remote(_))) => Some(127),
            Ok(Err(_)) | Err(_) => None,
        };
        Outcome::Ended { status, began, printed }
    }

    /// As [`Self::ended`], while sudo is talked to: the status says nothing more there.
    async fn ended_mutably(&mut self) -> Outcome {
        self.drain().await;
        Outcome::Ended { status: None, began: false, printed: self.printed() }
    }

    fn printed(&self) -> String {
        let mut printed = String::from_utf8_lossy(&self.out).into_owned();
        printed.push_str(&String::from_utf8_lossy(&self.err));
        printed
    }

    /// Reads what is left of standard error once standard output is done with.
    async fn drain(&mut self) {
        if let Some(stderr) = &mut self.stderr {
            let mut rest = Vec::new();
            let mut limited = stderr.take(STDERR_BYTES as u64);
            let reading = limited.read_to_end(&mut rest);
            // Something in the background may hold it open.
            let _ = tokio::time::timeout(Duration::from_millis(500), reading).await;
            keep(&mut self.err, &rest);
        }
    }
}

/// Reads one piece of either stream; false once standard output has ended.
async fn read(
    stdout: &mut ChildStdout,
    stderr: &mut Option<ChildStderr>,
    out: &mut Vec<u8>,
    err: &mut Vec<u8>,
) -> bool {
    let mut piece = [0_u8; 8192];
    let from_stderr = async {
        match stderr {
            Some(stream) => stream.read(&mut piece).await.unwrap_or(0),
            None => std::future::pending().await,
        }
    };
    out.reserve(16 * 1024);
    tokio::select! {
        count = stdout.read_buf(out) => count.unwrap_or(0) > 0,
        count = from_stderr => {
            if count == 0 {
                *stderr = None;
            } else {
                keep(err, &piece[..count]);
            }
            true
        }
    }
}

/// Adds to the kept part of standard error: its end is what tells.
fn keep(kept: &mut Vec<u8>, piece: &[u8]) {
    kept.extend_from_slice(piece);
    let surplus = kept.len().saturating_sub(STDERR_BYTES);
    kept.drain(..surplus);
}

async fn send(stdin: Option<ChildStdin>, text: &str) {
    if let Some(mut stdin) = stdin {
        // A broken pipe shows in what is read, or rather not read, afterwards.
        let _ = stdin.write_all(text.as_bytes()).await;
        let _ = stdin.shutdown().await;
    }
}

/// The node's clock minus ours: it was read about half-way between asking and hearing.
fn offset(clock: &str, took: Duration) -> Option<f64> {
    let node: f64 = clock.parse().ok()?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(node - (now.as_secs_f64() - took.as_secs_f64() / 2.0))
}
