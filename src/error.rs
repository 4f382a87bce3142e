//! How a run can end: the exit codes in one table, and the failure shown at the edge of the program.

use std::fmt;

/// The exit codes of the program. They are part of its interface and do not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[repr(u8)]
pub enum ExitCode {
    /// Done, or nothing to do.
    Done = 0,
    /// A fault of homeprov itself.
    Internal = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The inventory or a playbook is invalid.
    Invalid = 3,
    /// Changes are pending (`plan --exit-code`).
    Pending = 4,
    /// A pre-flight check refused.
    Refused = 5,
    /// A step failed.
    StepFailed = 6,
    /// The proof, the pool or the site failed its verification, a drill did not go well, or `doctor` found something.
    VerificationFailed = 7,
    /// Another run holds the lock.
    Locked = 8,
    /// A node is unreachable.
    Unreachable = 9,
    /// Interrupted.
    Interrupted = 130,
}

impl ExitCode {
    /// The number the program ends with.
    pub fn number(self) -> u8 {
        self as u8
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        code.number().into()
    }
}

/// Why a command ended without its result: what is printed, and the code the program ends with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub code: ExitCode,
    /// What went wrong and where; may have several lines.
    pub message: String,
    /// The next thing to do or type.
    pub help: Option<String>,
}

impl Failure {
    /// A failure without a word on what to do next.
    pub fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None }
    }

    /// The same with the next thing to do or type.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What a file or folder that was named on the command line cannot be used for, and what to do about it.
    pub fn named(what: impl fmt::Display, error: &std::io::Error) -> Self {
        let help = match error.kind() {
            std::io::ErrorKind::NotFound => "look for a slip of the pen, or make the folder first: `mkdir -p`",
            std::io::ErrorKind::PermissionDenied => "name another place, or look who may do that there: `ls -ld`",
            std::io::ErrorKind::StorageFull => "make room there, or name another place: `df -h`",
            std::io::ErrorKind::InvalidData => "it should be plain text in UTF-8",
            _ => "name another place",
        };
        Self::new(ExitCode::Usage, format!("{what}: {error}")).help(help)
    }

    /// What an input or output operation on this machine failed at.
    pub fn io(what: impl fmt::Display, error: &std::io::Error) -> Self {
        Self::new(ExitCode::Internal, format!("{what}: {error}"))
    }
}

/// An error with its causes, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
