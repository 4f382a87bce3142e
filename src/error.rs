//! How a run can end: the exit codes in one table.

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
    /// The proof, the pool or the site failed its verification.
    VerificationFailed = 7,
    /// Another run holds the lock.
    Locked = 8,
    /// A node is unreachable.
    Unreachable = 9,
    /// Interrupted.
    Interrupted = 130,
}
