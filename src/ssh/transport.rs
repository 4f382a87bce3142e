//! The seam between homeprov and a machine: scripts in, answers out.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncWrite};

/// A connection: bytes go both ways over it.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Reaches the nodes of one inventory by name.
///
/// Implementations connect on first use, keep one connection per node, and run everything with root's rights.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Runs a script on a node and waits for every section's answer: one exec, whatever the number of sections.
    async fn run(&self, node: &str, script: &Script) -> Result<Answer, TransportError>;

    /// Starts a detached job that outlives the connection, or attaches to the one of the same id when it is
    /// already there. Never starts it twice.
    async fn start_job(&self, node: &str, job: &Job) -> Result<JobReport, TransportError>;

    /// What a job has printed since `offset` bytes of output, and its state. May wait up to about a second for news.
    async fn poll_job(&self, node: &str, id: &str, offset: u64) -> Result<JobReport, TransportError>;

    /// Ends a job's whole process group and forgets it, so that the same id may be started again.
    async fn end_job(&self, node: &str, id: &str) -> Result<(), TransportError>;

    /// A client of the Kubernetes API server on that node, through a forward; `kubeconfig` is the text of the
    /// node's own admin configuration.
    async fn kubernetes(&self, node: &str, kubeconfig: &SecretString) -> Result<kube::Client, TransportError>;

    /// A connection to `port` of `host` that the node makes for this machine, over a forward; the node resolves the name.
    /// A host that refuses shows as a connection that ends before a byte came back.
    async fn dial(&self, node: &str, host: &str, port: u16) -> Result<Box<dyn Stream>, TransportError>;

    /// Runs a program on a node with `input` on its standard input, and writes what it prints to `output`, byte by byte as
    /// it is and however much it is. Given up when no byte moves for `idle`. `argv` must hold no secret. The program may go on
    /// for a while where nobody waits for it any more.
    async fn pipe(
        &self,
        node: &str,
        argv: &[String],
        input: &mut (dyn AsyncRead + Send + Unpin),
        output: &mut (dyn AsyncWrite + Send + Unpin),
        idle: Duration,
    ) -> Result<PipeEnd, TransportError>;

    /// Ends the connections and removes what was left for them.
    async fn close(&self);
}

/// How a program that was piped to and from ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipeEnd {
    /// Its exit status; 255 when it was ended by a signal or its connection was lost.
    pub status: i32,
    /// What it printed on standard error, at most 256 KiB of it, invalid UTF-8 replaced.
    pub stderr: String,
}

/// Why a script is run: counted and journalled by the reporters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// One look at a node: the fact probe and all checks together.
    Observe,
    /// A short command that changes something.
    Apply,
    /// Starting, following or ending a detached job.
    Job,
    /// A look that belongs to a Rust step: the pool probe, a dial.
    Probe,
    /// Taking, renewing or giving back the lease that keeps other runs out.
    Lock,
    /// Bytes in or out of a program: a dump, an archive of files.
    Stream,
}

/// What is run on a node in one exec.
#[derive(Debug, Clone)]
pub struct Script {
    /// Why it is run.
    pub purpose: Purpose,
    /// Its parts, run one after another, each in a subshell of its own.
    pub sections: Vec<Section>,
}

/// One part of a script, with an answer of its own.
#[derive(Debug, Clone)]
pub struct Section {
    /// What the answer is filed under: `facts`, or a step's id.
    pub id: String,
    /// What is run.
    pub program: Program,
    /// After this it is ended and reported as timed out.
    pub limit: Duration,
}

/// What a section or a job runs.
#[derive(Debug, Clone)]
pub enum Program {
    /// POSIX shell text, run by `sh`.
    Shell(String),
    /// One command: arguments as they are, without a shell's reading of them, and its standard input.
    Command {
        /// The program and its arguments.
        argv: Vec<String>,
        /// Standard input; nothing when absent. It never shows in a process list or a file others can read.
        input: Option<SecretString>,
    },
}

impl Program {
    /// A command without input.
    pub fn command<I: IntoIterator<Item = S>, S: Into<String>>(argv: I) -> Self {
        Self::Command { argv: argv.into_iter().map(Into::into).collect(), input: None }
    }
}

impl Script {
    /// A script of one section.
    pub fn single(purpose: Purpose, id: impl Into<String>, program: Program, limit: Duration) -> Self {
        Self { purpose, sections: vec![Section { id: id.into(), program, limit }] }
    }
}

/// The answers to a script.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// By section id.
    pub sections: BTreeMap<String, SectionAnswer>,
    /// The node's clock minus the controller's, corrected by half of the round trip; absent when not measured.
    pub clock_offset: Option<jiff::SignedDuration>,
}

/// What one section answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SectionAnswer {
    /// Exit status; 128 + N for a program ended by signal N.
    pub status: i32,
    /// Standard output, invalid UTF-8 replaced.
    pub stdout: String,
    /// Standard error, invalid UTF-8 replaced.
    pub stderr: String,
    /// Whether it was ended because its limit ran out.
    pub timed_out: bool,
}

impl SectionAnswer {
    /// Exit status 0 and not timed out.
    pub fn succeeded(&self) -> bool {
        self.status == 0 && !self.timed_out
    }
}

/// A command that may take longer than a connection lasts.
#[derive(Debug, Clone)]
pub struct Job {
    /// Unique for cluster, step and content: `homeprov-home-snap-installed-1a2b3c4d`. Letters, digits, `-`, `.`.
    pub id: String,
    /// The step's id.
    pub step: String,
    /// Who begins it, another one each time: letters and digits. A job of this id that has failed for somebody else, who did not
    /// come to read its end, is begun anew: what kept it from its work may be gone by now. One that runs, or that has done its
    /// work, is attached to.
    pub beginner: String,
    /// What is run, as root.
    pub program: Program,
    /// After this it is ended on the node itself.
    pub limit: Duration,
}

/// What is known of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobReport {
    /// Whether it runs.
    pub state: JobState,
    /// Output since the offset asked for, standard output and standard error in the order of writing.
    pub output: String,
    /// The offset to ask for next.
    pub offset: u64,
}

/// The state of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// It runs.
    Running,
    /// It ended by itself with this status, or was ended at its limit (124).
    Finished(i32),
    /// It was started before the machine's last boot, or was killed: it left no status and does not run.
    Lost,
    /// There is no job of that id.
    Absent,
}

/// Why a node could not be talked to. Each names what happened; the remedy is in [`TransportError::remedy`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No answer from the address.
    #[error("{host} does not answer: {detail}")]
    HostDown {
        /// Where it was tried.
        host: String,
        /// What ssh said.
        detail: String,
    },
    /// The machine answers, the port does not.
    #[error("{host} refuses connections on port {port}")]
    PortClosed {
        /// Where it was tried.
        host: String,
        /// The port.
        port: u16,
    },
    /// The login was refused.
    #[error("{host} refused the login as {user}: {detail}")]
    KeyRefused {
        /// Where it was tried.
        host: String,
        /// The login.
        user: String,
        /// What ssh said.
        detail: String,
    },
    /// The host key is not known yet.
    #[error("the host key of {host} is not known: {fingerprint}")]
    HostKeyUnknown {
        /// Where it was tried.
        host: String,
        /// Kind and fingerprint of the key offered.
        fingerprint: String,
    },
    /// The host key differs from the known or pinned one.
    #[error("the host key of {host} has changed: it offers {offered}, expected {expected}")]
    HostKeyChanged {
        /// Where it was tried.
        host: String,
        /// Fingerprint offered.
        offered: String,
        /// Fingerprint known, and where it is written.
        expected: String,
    },
    /// sudo refused.
    #[error("sudo refused on {host}: {detail}")]
    SudoRefused {
        /// Where.
        host: String,
        /// What sudo said.
        detail: String,
    },
    /// The login gives no POSIX shell.
    #[error("{host} gives no usable sh: {detail}")]
    NoShell {
        /// Where.
        host: String,
        /// What came instead.
        detail: String,
    },
    /// The connection broke while something was asked.
    #[error("the connection to {host} was lost: {detail}")]
    Lost {
        /// Where.
        host: String,
        /// What is known.
        detail: String,
    },
    /// The answer is not one: cut short, too large, or without its frame.
    #[error("{host} gave an answer that cannot be read: {detail}")]
    BadAnswer {
        /// Where.
        host: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Something on this machine: no ssh program, no socket directory.
    #[error("{0}")]
    Local(String),
}

impl TransportError {
    /// Whether another attempt may well go better: the machine boots, the network comes back. Who the machine is and
    /// what it allows does not change by itself.
    pub fn passes(&self) -> bool {
        match self {
            // A machine that boots or shuts down refuses logins for a while: pam_nologin(8).
            Self::HostDown { .. }
            | Self::PortClosed { .. }
            | Self::Lost { .. }
            | Self::BadAnswer { .. }
            | Self::KeyRefused { .. } => true,
            Self::HostKeyUnknown { .. }
            | Self::HostKeyChanged { .. }
            | Self::SudoRefused { .. }
            | Self::NoShell { .. }
            | Self::Local(_) => false,
        }
    }
}
