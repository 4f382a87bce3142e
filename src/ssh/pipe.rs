//! A program on a node with bytes going in and out of it, however many: a dump, an archive of files.
//!
//! What is run travels in the command line, in Base64, since standard input is the program's own: it holds no secret.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssh::Stdio;
use secrecy::ExposeSecret;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::sleep;

use crate::bounded;
use crate::engine::event::Event;
use crate::error::chain;

use super::node::{Node, token};
use super::openssh::Shared;
use super::sudo::{Password, Rise};
use super::transport::{PipeEnd, Purpose, TransportError};

/// Bytes moved at a time.
const PIECE: usize = 64 * 1024;
/// What is kept of standard error.
const SAID_MAX: usize = 256 * 1024;
/// What a login shell may print before the program begins.
const BEFORE_MAX: usize = 1024 * 1024;
/// How long the beginning of a command and, after its streams have ended, its status may take.
const OPEN: Duration = Duration::from_secs(60);

impl Rise {
    /// The remote command for a program with bytes of its own on standard input and output. As root it says `token-go` on a
    /// line of its own and becomes the program. It is written for any login shell, as [`Rise::command`] is.
    pub(super) fn pipe(self, token: &str, argv: &[String]) -> String {
        let words = shlex::try_join(argv.iter().map(String::as_str)).unwrap_or_default();
        let program = STANDARD.encode(format!("exec {words}"));
        let go = format!("\"echo {token}-go; $P\"");
        let rise = match self {
            Self::Quiet => format!("exec sudo -n -H /bin/sh -c {go}"),
            Self::Ask => format!("exec sudo -S -H -p {token}-prompt /bin/sh -c {go}"),
            Self::Never => format!("echo {token}-user"),
        };
        format!(
            "sh -c 'LC_ALL=C; export LC_ALL; P=$(echo {program} | base64 -d); if [ \"$(id -u)\" = 0 ]; then exec /bin/sh -c {go}; fi; {rise}'"
        )
    }
}

/// The state of the conversation.
struct Talk<'a> {
    go: Vec<u8>,
    prompt: Vec<u8>,
    password: Option<&'a Password>,
    /// What came on standard output before the program began.
    before: Vec<u8>,
    began: bool,
    said: Vec<u8>,
    asked: bool,
    pending: Vec<u8>,
    position: usize,
}

impl<'p> Talk<'p> {
    fn new(token: &str, password: Option<&'p Password>) -> Self {
        Self {
            go: format!("{token}-go\n").into_bytes(),
            prompt: format!("{token}-prompt").into_bytes(),
            password,
            before: Vec::new(),
            began: false,
            said: Vec::new(),
            asked: false,
            pending: Vec::new(),
            position: 0,
        }
    }

    /// Takes in a piece of standard output; what of it is the program's.
    fn heard<'b>(&mut self, piece: &'b [u8]) -> Option<std::borrow::Cow<'b, [u8]>> {
        if self.began {
            return Some(piece.into());
        }
        self.before.extend(piece);
        // What was looked through already needs no second look, but for a word cut in two.
        let from = (self.before.len() - piece.len()).saturating_sub(self.go.len());
        let at = from + self.before[from..].windows(self.go.len()).position(|window| window == self.go)?;
        self.began = true;
        // The password, if any, was read by sudo.
        self.pending.clear();
        self.position = 0;
        Some(self.before.split_off(at + self.go.len()).into())
    }

    fn heard_err(&mut self, piece: &[u8]) {
        if self.said.len() < SAID_MAX {
            self.said.extend(piece);
        }
        let prompted = self.said.windows(self.prompt.len()).any(|window| window == self.prompt);
        if !self.began && !self.asked && prompted {
            self.asked = true;
            let secret = self.password.map(|password| password.secret.expose_secret()).unwrap_or_default();
            self.pending = format!("{secret}\n").into_bytes();
            self.position = 0;
        }
    }
}

impl Node {
    /// Runs a program; see [`super::Transport::pipe`].
    pub(super) async fn pipe(
        &self,
        shared: &Shared,
        argv: &[String],
        input: &mut (dyn AsyncRead + Send + Unpin),
        output: &mut (dyn AsyncWrite + Send + Unpin),
        idle: Duration,
    ) -> Result<PipeEnd, TransportError> {
        let local = |error: std::io::Error| TransportError::Local(format!("on this machine: {error}"));
        let rise = self.rise();
        let password = if rise == Rise::Ask { shared.passwords.get(&self.target.node).await } else { None };
        let (wire, _channel) = self.channel(shared).await?;
        let token = token();
        let mut command = wire.session().raw_command(rise.pipe(&token, argv));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = Instant::now();
        let spawned = tokio::time::timeout(OPEN, command.spawn()).await;
        let spawned = spawned.map_err(|_| self.lost(format!("it began no command within {} s", OPEN.as_secs())))?;
        let mut child = spawned.map_err(|error| self.lost(chain(&error)))?;
        let mut stdin = child.stdin().take();
        let (Some(mut out), Some(mut err)) = (child.stdout().take(), child.stderr().take()) else {
            return Err(self.lost("the channel has no streams"));
        };
        let mut talk = Talk::new(&token, password.as_ref());
        let (mut out_open, mut err_open, mut input_open) = (true, true, true);
        let (mut out_piece, mut err_piece, mut in_piece) = (vec![0; PIECE], vec![0; 8 * 1024], vec![0; PIECE]);
        while out_open || err_open {
            if talk.began && !input_open && talk.pending.len() == talk.position {
                stdin = None;
            }
            let writable = stdin.is_some() && talk.pending.len() > talk.position;
            let readable = stdin.is_some() && talk.began && input_open && talk.pending.len() == talk.position;
            tokio::select! {
                read = out.read(&mut out_piece), if out_open => {
                    let read = read.unwrap_or(0);
                    out_open = read > 0;
                    if let Some(bytes) = talk.heard(&out_piece[..read]) {
                        output.write_all(&bytes).await.map_err(local)?;
                    } else if talk.before.len() > BEFORE_MAX {
                        let text = format!("its login shell printed more than {} MiB before the program began", BEFORE_MAX >> 20);
                        return Err(self.bad_answer(text));
                    }
                }
                read = err.read(&mut err_piece), if err_open => {
                    let read = read.unwrap_or(0);
                    err_open = read > 0;
                    talk.heard_err(&err_piece[..read]);
                }
                written = write(stdin.as_mut(), &talk.pending[talk.position..]), if writable => match written {
                    Ok(count) => talk.position += count,
                    // Whoever should read it is gone; what it said meanwhile tells why.
                    Err(_) => stdin = None,
                },
                read = input.read(&mut in_piece), if readable => {
                    let read = read.map_err(local)?;
                    input_open = read > 0;
                    talk.pending.clear();
                    talk.pending.extend_from_slice(&in_piece[..read]);
                    talk.position = 0;
                }
                () = sleep(idle) => {
                    return Err(self.bad_answer(format!("not a byte moved for {} s", idle.as_secs())));
                }
            }
        }
        output.flush().await.map_err(local)?;
        let status = tokio::time::timeout(OPEN, child.wait()).await;
        let status = status
            .map_err(|_| self.lost(format!("it did not say within {} s how the program ended", OPEN.as_secs())))?;
        let status = status.map_err(|error| self.lost(chain(&error)))?;
        let took = started.elapsed();
        shared.emit(Event::Executed { node: self.target.node.clone(), purpose: Purpose::Stream, took });
        let stderr = String::from_utf8_lossy(&talk.said).replace(&format!("{token}-prompt"), "");
        if !talk.began {
            let detail = bounded::line(
                stderr.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it ended without a word"),
            );
            return Err(self.bad_answer(format!("the program was not started: {detail}")));
        }
        Ok(PipeEnd { status: status.code().unwrap_or(255), stderr })
    }
}

async fn write(stdin: Option<&mut openssh::ChildStdin>, bytes: &[u8]) -> std::io::Result<usize> {
    match stdin {
        Some(stdin) => stdin.write(bytes).await,
        None => Err(std::io::ErrorKind::BrokenPipe.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_that_begins_is_found_across_pieces() {
        let mut talk = Talk::new("t0ken", None);
        assert_eq!(talk.heard(b"Welcome to nuc1\nt0k"), None);
        assert_eq!(talk.heard(b"e"), None);
        assert_eq!(talk.heard(b"n-go\nbytes").as_deref(), Some(&b"bytes"[..]));
        assert_eq!(talk.heard(b"t0ken-go\n").as_deref(), Some(&b"t0ken-go\n"[..]));
    }

    #[test]
    fn the_line_is_fit_for_any_login_shell() {
        let argv = ["sh", "-c", "echo 'it is'; exit 3\n", "a b"].map(str::to_owned);
        for rise in [Rise::Quiet, Rise::Ask, Rise::Never] {
            let line = rise.pipe("t0ken", &argv);
            assert_eq!(line.matches('\'').count(), 2, "{line}");
            assert!(!line.contains(['\\', '!', '\n']), "{line}");
        }
    }

    #[test]
    fn the_program_gets_its_words_and_its_input() {
        // As root, or where sudo asks for nothing; elsewhere there is nothing to try it on.
        let argv = ["sh", "-c", "cat; echo \"$1\" >&2; exit 3", "sh", "it's \"$HOME\""].map(str::to_owned);
        let line = Rise::Quiet.pipe("t0ken", &argv).replace("$(id -u)", "$(echo 0)");
        let mut child = std::process::Command::new("sh")
            .args(["-c", &line])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"\x00\xffbytes").unwrap();
        let done = child.wait_with_output().unwrap();
        assert_eq!(done.stdout, b"t0ken-go\n\x00\xffbytes");
        assert_eq!((done.stderr.as_slice(), done.status.code()), (b"it's \"$HOME\"\n".as_slice(), Some(3)));
    }
}
