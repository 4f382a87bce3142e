//! Commands as the world sees them: what was started, what it printed, how it ended.

use std::collections::BTreeMap;

/// A program to start on a machine.
#[derive(Debug, Clone)]
pub struct Exec {
    /// Arguments; the base name of the first one chooses the program.
    pub argv: Vec<String>,
    /// All of standard input.
    pub stdin: Vec<u8>,
    /// Files its arguments name, where the world cannot see them by itself: on a file system of their own, or below the
    /// working directory.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Its working directory, from the machine's root.
    pub cwd: String,
    /// The user it runs as.
    pub user: String,
    /// Whether standard output is a terminal: snap prints other marks there.
    pub tty: bool,
}

impl Exec {
    /// `argv` run by root without a terminal and with nothing on standard input.
    pub fn root(argv: &[&str]) -> Self {
        Self {
            argv: argv.iter().map(|arg| (*arg).to_owned()).collect(),
            stdin: Vec::new(),
            files: BTreeMap::new(),
            cwd: "/".to_owned(),
            user: "root".to_owned(),
            tty: false,
        }
    }
}

/// Names a started command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// What a command did since it was last polled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// New bytes on standard output.
    pub stdout: Vec<u8>,
    /// New bytes on standard error.
    pub stderr: Vec<u8>,
    /// The exit status once it has ended; 137 when its machine lost power or it was killed.
    pub exit: Option<i32>,
}

/// Everything a finished command printed, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Exit status.
    pub exit: i32,
    /// How long it took, in virtual milliseconds.
    pub took: super::Millis,
}
