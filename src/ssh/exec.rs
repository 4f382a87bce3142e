//! One exec over a node's connection: sends the script, answers sudo's prompt, and reads until the last frame.

use std::time::{Duration, Instant};

use openssh::{Session, Stdio};
use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::frame::{self, EXEC_MAX, Stream};
use super::sudo::{Password, Rise};

/// Until a channel is open: longer than ssh takes to find that the other end is gone.
const OPEN: Duration = Duration::from_secs(60);

/// What is sent.
pub(super) struct Exec<'a> {
    /// How it gets root's rights.
    pub rise: Rise,
    /// The word the remote command reports its stages with.
    pub token: String,
    /// The marker of the frames in `text`.
    pub marker: &'a str,
    /// The script.
    pub text: &'a str,
    /// The password for [`Rise::Ask`].
    pub password: Option<&'a Password>,
    /// After this it is given up.
    pub limit: Duration,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Outcome {
    pub stdout: Stream,
    pub stderr: Stream,
    /// When the script was sent.
    pub sent: (Instant, jiff::Timestamp),
    /// How it ended.
    pub end: End,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// Both streams came to their last frame.
    Complete,
    /// The channel was closed before.
    Closed,
    /// It took longer than its limit.
    Overdue,
    /// It printed more than is read.
    TooLarge,
    /// sudo asked a second time: the password was wrong.
    WrongPassword,
    /// sudo asked and there is no password.
    NoPassword,
}

/// Runs it. The error is that of opening the channel: then nothing has been run.
pub(super) async fn run(session: &Session, exec: &Exec<'_>) -> Result<Outcome, openssh::Error> {
    let mut command = session.raw_command(exec.rise.command(&exec.token));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let opened = tokio::time::timeout(OPEN, command.spawn()).await;
    let mut child = opened.map_err(|_| openssh::Error::Disconnected)??;
    let sent = (Instant::now(), jiff::Timestamp::now());
    let mut talk = Talk::new(exec);
    let mut stdin = child.stdin().take();
    let (Some(mut out), Some(mut err)) = (child.stdout().take(), child.stderr().take()) else {
        return Err(openssh::Error::Disconnected);
    };
    let deadline = tokio::time::Instant::now() + exec.limit;
    let mut out_piece = vec![0; 32 * 1024];
    let mut err_piece = vec![0; 8 * 1024];
    while talk.end.is_none() {
        if talk.sent_all() {
            stdin = None;
        }
        let writable = stdin.is_some() && !talk.pending().is_empty();
        tokio::select! {
            // Answers first: a full pipe the other way must not keep them from being read.
            biased;
            read = out.read(&mut out_piece), if !talk.out.closed => talk.heard_out(&out_piece[..read.unwrap_or(0)]),
            read = err.read(&mut err_piece), if !talk.err.closed => talk.heard_err(&err_piece[..read.unwrap_or(0)]),
            written = write(stdin.as_mut(), talk.pending()), if writable => match written {
                Ok(count) => talk.position += count,
                // Whoever should read it is gone; what it said meanwhile tells why.
                Err(_) => stdin = None,
            },
            () = tokio::time::sleep_until(deadline) => talk.end = Some(End::Overdue),
        }
    }
    drop(stdin);
    if talk.end == Some(End::Complete) {
        // The channel is closed a moment after the last line; until then it counts against the server's limit. Something
        // left running in the background may hold it open for long, and is not waited for.
        let _ = tokio::time::timeout(Duration::from_millis(250), child.wait()).await;
    }
    Ok(Outcome { stdout: talk.out.stream, stderr: talk.err.stream, sent, end: talk.end.unwrap_or(End::Closed) })
}

async fn write(stdin: Option<&mut openssh::ChildStdin>, bytes: &[u8]) -> std::io::Result<usize> {
    match stdin {
        Some(stdin) => stdin.write(bytes).await,
        None => Err(std::io::ErrorKind::BrokenPipe.into()),
    }
}

/// The state of the conversation.
struct Talk<'a> {
    exec: &'a Exec<'a>,
    out: Side,
    err: Side,
    done: Vec<u8>,
    prompt: Vec<u8>,
    ready: Vec<u8>,
    /// What is being sent, and how much of it has been.
    sending: Zeroizing<Vec<u8>>,
    position: usize,
    /// Whether `sending` is the script, after which there is nothing more.
    script: bool,
    prompts: usize,
    end: Option<End>,
}

#[derive(Default)]
struct Side {
    stream: Stream,
    done: bool,
    closed: bool,
}

impl<'a> Talk<'a> {
    fn new(exec: &'a Exec<'a>) -> Self {
        let waits = exec.rise == Rise::Ask;
        let text = if waits { "" } else { exec.text };
        Self {
            exec,
            out: Side::default(),
            err: Side::default(),
            done: frame::done_line(exec.marker),
            prompt: format!("{}-prompt", exec.token).into_bytes(),
            ready: format!("{}-root", exec.token).into_bytes(),
            sending: Zeroizing::new(text.as_bytes().to_vec()),
            position: 0,
            script: !waits,
            prompts: 0,
            end: None,
        }
    }

    fn pending(&self) -> &[u8] {
        &self.sending[self.position..]
    }

    fn sent_all(&self) -> bool {
        self.script && self.pending().is_empty()
    }

    fn send(&mut self, bytes: Vec<u8>) {
        self.sending = Zeroizing::new(bytes);
        self.position = 0;
    }

    fn heard_out(&mut self, piece: &[u8]) {
        if self.script {
            self.out.heard(piece, &self.done);
        } else {
            let ready = self.out.stream.push(piece, &self.ready);
            self.out.closed = piece.is_empty();
            if ready {
                self.script = true;
                self.send(self.exec.text.as_bytes().to_vec());
            }
        }
        self.judge();
    }

    fn heard_err(&mut self, piece: &[u8]) {
        let heard_before = self.err.stream.bytes.len();
        self.err.heard(piece, &self.done);
        let prompts = if self.script { 0 } else { self.err.count(&self.prompt, heard_before) };
        if prompts > 0 {
            self.prompts += prompts;
            match self.exec.password {
                None => self.end = Some(End::NoPassword),
                Some(_) if self.prompts > 1 => self.end = Some(End::WrongPassword),
                Some(password) => {
                    let mut line = password.secret.expose_secret().as_bytes().to_vec();
                    line.push(b'\n');
                    self.send(line);
                }
            }
        }
        self.judge();
    }

    fn judge(&mut self) {
        if self.end.is_some() {
            return;
        }
        let longest = self.out.stream.bytes.len().max(self.err.stream.bytes.len());
        if self.out.done && self.err.done {
            self.end = Some(End::Complete);
        } else if longest > EXEC_MAX {
            self.end = Some(End::TooLarge);
        } else if self.out.closed && self.err.closed {
            self.end = Some(End::Closed);
        }
    }
}

impl Side {
    fn heard(&mut self, piece: &[u8], done: &[u8]) {
        self.closed |= piece.is_empty();
        self.done |= self.stream.push(piece, done);
    }

    /// How often it is complete for the first time in what came after the first `before` bytes.
    fn count(&self, needle: &[u8], before: usize) -> usize {
        let from = (before + 1).saturating_sub(needle.len());
        self.stream.bytes[from..].windows(needle.len()).filter(|window| *window == needle).count()
    }
}
