//! One OpenSSH `ControlMaster`: started by us with our own options, spoken to through the `openssh` crate.
//!
//! The crate's own way to start a master knows neither pins nor keep-alive counts nor why a host key was refused.
//! Ours runs under a small shell that holds one end of a pipe: when this process ends, however it ends, the pipe
//! closes and the shell ends the master. So a killed homeprov leaves no connection behind.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use openssh::Session;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStdin};
use tokio::sync::watch;

use super::TransportError;
use super::target::program;

/// Starts ssh (`"$@"`), ends it when standard input closes. The copy of standard output that ssh holds is the only
/// one: it closes when ssh ends.
const GUARD: &str = r#""$@" </dev/null & p=$!; exec >/dev/null 2>&1; read -r x; kill "$p"; wait "$p""#;

/// How often the control socket is looked for while ssh connects.
const LOOK: Duration = Duration::from_millis(4);

/// A live connection.
#[derive(Debug)]
pub(super) struct Master {
    /// To run and forward through.
    pub(super) session: Arc<Session>,
    // Dropping it ends the master.
    pipe: std::sync::Mutex<Option<ChildStdin>>,
    guard: tokio::sync::Mutex<Child>,
    ended: watch::Receiver<bool>,
    socket: PathBuf,
    log: PathBuf,
}

impl Master {
    /// Connects: `arguments` lead to `destination`; `socket` is where the master listens. The error is what ssh said.
    pub(super) async fn start(
        arguments: Vec<OsString>,
        destination: &str,
        socket: PathBuf,
        timeout: Duration,
    ) -> Result<Self, StartError> {
        let log = socket.with_extension("log");
        let local =
            |error: std::io::Error| StartError::Local(TransportError::Local(format!("cannot start ssh: {error}")));
        remove(&socket);
        let file = File::create(&log).map_err(local)?;
        let mut child = program("sh")
            .args(["-c", GUARD, "sh", "ssh", "-M", "-N", "-S"])
            .arg(&socket)
            .args(["-o", "ControlPersist=no"])
            .args(arguments)
            .arg("--")
            .arg(destination)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file)
            // The guard must live to see its pipe close.
            .kill_on_drop(false)
            .spawn()
            .map_err(local)?;
        let pipe = child.stdin.take();
        let mut stdout = child.stdout.take().expect("piped above");
        let (tell, mut ended) = watch::channel(false);
        tokio::spawn(async move {
            let mut nothing = Vec::new();
            // Whatever it is, it is over.
            let _ = stdout.read_to_end(&mut nothing).await;
            tell.send_replace(true);
        });
        let up = async {
            while !socket.exists() {
                tokio::time::sleep(LOOK).await;
            }
        };
        let outcome = tokio::select! {
            biased;
            _ = ended.wait_for(|over| *over) => Err(StartError::Said(said(&log))),
            () = up => Ok(()),
            () = tokio::time::sleep(timeout) => Err(StartError::Said(format!(
                "{}\nno login within {} s: timed out",
                said(&log),
                timeout.as_secs()
            ))),
        };
        let master = Self {
            session: Arc::new(Session::resume_mux(socket.clone().into(), None)),
            pipe: std::sync::Mutex::new(pipe),
            guard: tokio::sync::Mutex::new(child),
            ended,
            socket,
            log,
        };
        match outcome {
            Ok(()) => Ok(master),
            Err(error) => {
                master.end().await;
                Err(error)
            }
        }
    }

    /// Whether the connection still stands, as far as this side knows.
    pub(super) async fn alive(&self) -> bool {
        !*self.ended.borrow() && self.session.check().await.is_ok()
    }

    /// Waits until the connection is gone.
    pub(super) async fn ended(&self) {
        // An error means the watcher is gone, and with it the connection.
        let _ = self.ended.clone().wait_for(|over| *over).await;
    }

    /// What ssh said last.
    pub(super) fn last_words(&self) -> Option<String> {
        let said = said(&self.log);
        said.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
    }

    /// Ends the connection now, without waiting.
    pub(super) fn hang_up(&self) {
        if let Ok(mut pipe) = self.pipe.lock() {
            pipe.take();
        }
    }

    /// Ends the connection and waits until it is gone.
    pub(super) async fn end(&self) {
        self.hang_up();
        let mut guard = self.guard.lock().await;
        // ssh ends at once when told to; waiting longer would help nobody.
        let _ = tokio::time::timeout(Duration::from_secs(3), guard.wait()).await;
        remove(&self.socket);
        remove(&self.log);
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        self.hang_up();
    }
}

/// Why no connection came about.
#[derive(Debug)]
pub(super) enum StartError {
    /// ssh ended, and said this.
    Said(String),
    /// It could not even be started.
    Local(TransportError),
}

fn said(log: &Path) -> String {
    fs::read(log).map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn remove(path: &Path) {
    // Absent is as good as removed.
    let _ = fs::remove_file(path);
}
