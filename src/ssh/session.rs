//! One connection to one node: an ssh master in the background, and the [`openssh`] session that uses it.
//!
//! The master is started by the `ssh` program itself, so that everything the user's configuration says is in force. It
//! ends by itself a few seconds after the last client of its socket is gone; homeprov holds one such client open
//! for as long as it lives. So a master outlives neither a homeprov that was killed nor one that forgot it, and the
//! end of that client tells at once that the connection is lost.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use openssh::Session;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::task::JoinHandle;

use crate::bounded;

use super::classify::{self, Failure};
use super::directory::{self, Directory};
use super::host_key;
use super::look;
use super::target::Target;
use super::transport::TransportError;

/// How long a master lives without a client.
const PERSIST: &str = "ControlPersist=5s";
/// Kinds of host keys, in ssh's order, tried one by one for a pinned fingerprint that says nothing of its kind.
const KINDS: [&str; 3] =
    ["ssh-ed25519", "ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521", "rsa-sha2-512,rsa-sha2-256"];

/// Where connections keep their files and what they have in common.
#[derive(Debug)]
pub(super) struct Ground {
    /// Path of the private directory, which is removed with this.
    pub directory: PathBuf,
    /// The generated `ssh_config`.
    pub config: PathBuf,
    /// For one TCP connection.
    pub connect_timeout: Duration,
    _private: Directory,
}

impl Ground {
    pub(super) fn new(private: Directory, config: PathBuf, connect_timeout: Duration) -> Self {
        Self { directory: private.path().to_path_buf(), config, connect_timeout, _private: private }
    }
}

/// Why a connection was not made.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The host key was refused; this is the one offered.
    Key(Failure),
    /// A jump host's key was refused.
    JumpKey(look::Look),
    /// It was cut off before the login; worth another try.
    CutOff(TransportError),
    /// The rest.
    Error(TransportError),
}

/// A connection.
pub(super) struct Link {
    /// To run things with.
    pub session: Session,
    socket: PathBuf,
    alive: Arc<AtomicBool>,
    hold: JoinHandle<()>,
}

impl Link {
    /// Connects. `name` is the socket's name in the private directory.
    pub(super) async fn open(
        ground: &Ground,
        target: &Target,
        name: &str,
        kinds: Option<&str>,
    ) -> Result<Self, Refusal> {
        target.check().map_err(Refusal::Error)?;
        let socket = ground.directory.join(name);
        start_master(ground, target, &socket, kinds).await?;
        let client = UnixStream::connect(&socket)
            .await
            .map_err(|error| local(format!("the ssh master is not there: {error}")))?;
        let alive = Arc::new(AtomicBool::new(true));
        let hold = tokio::spawn(hold(client, Arc::clone(&alive)));
        let session = Session::resume_mux(socket.clone().into_boxed_path(), None);
        Ok(Self { session, socket, alive, hold })
    }

    /// The path for another socket of this connection.
    pub(super) fn beside(&self, extension: &str) -> PathBuf {
        self.socket.with_extension(extension)
    }

    /// Whether the master still lives, as far as is known without asking.
    pub(super) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    /// Asks the master whether it lives.
    pub(super) async fn check(&self) -> bool {
        let check = tokio::time::timeout(Duration::from_secs(5), self.session.check());
        matches!(check.await, Ok(Ok(()))) && self.is_alive()
    }

    /// Ends the master, and with it everything that goes over it.
    pub(super) async fn end(&self) {
        self.hold.abort();
        // From now on nobody is to take it for a connection, whether the master has ended yet or not.
        if self.alive.swap(false, Ordering::AcqRel) {
            let socket = self.socket.clone();
            // A master that does not listen ends for want of clients.
            let _ = tokio::task::spawn_blocking(move || directory::end_master(&socket)).await;
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.hold.abort();
    }
}

/// Keeps a client of the master open until the master ends.
async fn hold(mut client: UnixStream, alive: Arc<AtomicBool>) {
    let mut piece = [0; 256];
    while matches!(client.read(&mut piece).await, Ok(count) if count > 0) {}
    alive.store(false, Ordering::Release);
}

fn local(text: String) -> Refusal {
    Refusal::Error(TransportError::Local(text))
}

/// Starts the master and waits until it has logged in and gone to the background.
async fn start_master(ground: &Ground, target: &Target, socket: &Path, kinds: Option<&str>) -> Result<(), Refusal> {
    let log = socket.with_extension("log");
    let log_file =
        std::fs::File::create(&log).map_err(|error| local(format!("cannot write {}: {error}", log.display())))?;
    let mut command = Command::new("ssh");
    command
        .arg("-E")
        .arg(&log)
        .arg("-S")
        .arg(socket)
        .args(["-M", "-f", "-N", "-o", PERSIST])
        .args(host_key::pin_arguments(target, &ground.directory).map_err(Refusal::Error)?)
        .args(kinds.map(|kinds| format!("-oHostKeyAlgorithms={kinds}")))
        .args(target.arguments(&ground.config))
        .args(target.destination())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log_file)
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => local("the ssh program is missing".into()),
        _ => local(format!("ssh cannot be run: {error}")),
    })?;
    // ssh's own limit covers the TCP connection and the key exchange, for a jump host and the node each.
    let limit = ground.connect_timeout * 2 + Duration::from_secs(20);
    let status = match tokio::time::timeout(limit, child.wait()).await {
        Ok(status) => status.map_err(|error| local(format!("ssh was lost: {error}")))?,
        Err(_) => {
            return Err(Refusal::Error(TransportError::HostDown {
                host: target.shown(),
                detail: format!("the login was not through after {} s", limit.as_secs()),
            }));
        }
    };
    if status.success() {
        return Ok(());
    }
    let said = bounded::end_of_log(&log);
    Err(understand(ground, target, &said).await)
}

/// Turns ssh's log into the reason, with a second look where the log alone does not tell.
async fn understand(ground: &Ground, target: &Target, said: &str) -> Refusal {
    let first = classify::failure(said, target);
    let cut_at_jump = matches!(first, Failure::CutOff(_)) && said.contains("UNKNOWN");
    let mut failure = first;
    if cut_at_jump {
        // A jump host's own words do not reach the log of a master.
        if let Ok(look) = look(ground, target, &[]).await
            && look.line.is_none()
        {
            failure = classify::failure(&look.log, target);
            if matches!(failure, Failure::UnknownKey | Failure::ChangedKey { .. }) {
                return Refusal::JumpKey(look);
            }
        }
    }
    match failure {
        Failure::Other(error) => Refusal::Error(error),
        Failure::CutOff(said) => Refusal::CutOff(TransportError::Lost {
            host: target.shown(),
            detail: format!("it was cut off before the login: {said}"),
        }),
        key => Refusal::Key(key),
    }
}

/// A second look, with room for a slow jump host.
pub(super) async fn look(ground: &Ground, target: &Target, extra: &[OsString]) -> Result<look::Look, TransportError> {
    let limit = ground.connect_timeout * 2 + Duration::from_secs(5);
    look::look(target, &ground.config, &ground.directory, extra, limit).await
}

/// The kinds of keys to ask for so that the host offers the one whose fingerprint is pinned, if it has it at all.
pub(super) async fn kinds_of_pin(ground: &Ground, target: &Target) -> Option<&'static str> {
    for kinds in KINDS {
        let extra = [OsString::from(format!("-oHostKeyAlgorithms={kinds}"))];
        if let Ok(look) = look(ground, target, &extra).await
            && let Some(line) = look.line
            && host_key::matches_pin(target, &line).await
        {
            return Some(kinds);
        }
    }
    None
}
