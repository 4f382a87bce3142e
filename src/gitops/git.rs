//! The `git` program of this machine, run without a shell, without prompts and with a time limit.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::remote::Remote;
use crate::bounded::{self, to_end};

/// After this a call that talks to nobody has hung.
const LOCAL: Duration = Duration::from_secs(60);
/// After this a call that asks a server what it has is ended.
pub const ASK: Duration = Duration::from_secs(25);
/// After this a call that transfers objects is ended.
pub const TRANSFER: Duration = Duration::from_secs(180);

/// Most bytes `git` may print: the files that are read of a repository are small.
const OUTPUT_MAX: usize = 64 * 1024 * 1024;
/// Most bytes it may say on standard error; what a server says is among them.
const SAID_MAX: usize = 1024 * 1024;

/// What of the environment would make `git` work on another repository than the one named: homeprov may be started
/// from a hook.
const FOREIGN: [&str; 9] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
];

/// Why a call of `git` came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitError {
    /// There is no such program.
    #[error("the git program is missing")]
    Missing,
    /// It did not end in time.
    #[error("`git {what}` did not end within {} s", .limit.as_secs())]
    TimedOut {
        /// Its subcommand.
        what: String,
        /// Its limit.
        limit: Duration,
    },
    /// It ended with another status than 0.
    #[error("`git {what}` failed: {said}")]
    Failed {
        /// Its subcommand.
        what: String,
        /// What it printed on standard error.
        said: String,
    },
    /// Something on this machine kept it from running.
    #[error("cannot run git: {0}")]
    Local(String),
}

/// One call of `git`.
pub struct Git {
    command: Command,
    what: String,
    input: Vec<u8>,
    limit: Duration,
}

impl Git {
    /// A subcommand on the repository whose Git directory this is.
    pub fn on(directory: &Path, what: &str) -> Self {
        let mut flag = OsString::from("--git-dir=");
        flag.push(directory);
        Self::new(&[flag.as_os_str()], what)
    }

    /// A subcommand that needs no repository.
    pub fn anywhere(what: &str) -> Self {
        // Any folder with a repository around it would lend its configuration.
        Self::new::<&OsStr>(&[], what).folder(Path::new("/"))
    }

    fn new<S: AsRef<OsStr>>(flags: &[S], what: &str) -> Self {
        let mut command = Command::new("git");
        for name in FOREIGN {
            command.env_remove(name);
        }
        command.envs([("GIT_TERMINAL_PROMPT", "0"), ("LC_ALL", "C"), ("GIT_FLUSH", "1")]);
        // The user's hooks are meant for the user's work, and no call leaves work going on behind it.
        for setting in
            ["core.hooksPath=/dev/null", "gc.auto=0", "maintenance.auto=false", "advice.graftFileDeprecated=false"]
        {
            command.args(["-c", setting]);
        }
        command.args(flags);
        Self { command, what: what.to_owned(), input: Vec::new(), limit: LOCAL }
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets its working folder.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Lets it talk to a remote: with its credentials, and no longer than `limit`.
    #[must_use]
    pub fn with(mut self, remote: &Remote, limit: Duration) -> Self {
        remote.prepare(&mut self.command);
        self.limit = limit;
        self
    }

    /// What it reads on standard input.
    #[must_use]
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Runs it with these arguments; returns its standard output. A status other than 0 is an error.
    pub async fn run<S: AsRef<OsStr>>(self, arguments: impl IntoIterator<Item = S>) -> Result<Vec<u8>, GitError> {
        let Self { mut command, what, input, limit } = self;
        command.arg(&what).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let run = async {
            let mut child = command.spawn()?;
            let mut stdin = child.stdin.take().ok_or_else(|| io::Error::other("no standard input"))?;
            // It may answer before it has read everything, and end without reading it.
            let feed = async move { stdin.write_all(&input).await };
            let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
                return Err(io::Error::other("it cannot be heard"));
            };
            let heard = async { tokio::try_join!(to_end(out, OUTPUT_MAX), to_end(err, SAID_MAX)) };
            let (_, heard) = tokio::join!(feed, heard);
            let (stdout, stderr) = heard?;
            Ok(Output { status: child.wait().await?, stdout, stderr })
        };
        let output = match timeout(limit, run).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => return Err(GitError::Missing),
            Ok(Err(error)) => return Err(GitError::Local(error.to_string())),
            Err(_) => return Err(GitError::TimedOut { what, limit }),
        };
        if output.status.success() {
            return Ok(output.stdout);
        }
        // A push tells on standard output which reference was refused.
        let said = [output.stderr, output.stdout].concat();
        Err(GitError::Failed { what, said: bounded::line(String::from_utf8_lossy(&said).trim()) })
    }

    /// Runs it; returns the first line of its output.
    pub async fn line<S: AsRef<OsStr>>(self, arguments: impl IntoIterator<Item = S>) -> Result<String, GitError> {
        let output = self.run(arguments).await?;
        Ok(String::from_utf8_lossy(&output).lines().next().unwrap_or_default().trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn says_what_git_says() {
        let folder = tempfile::tempdir().unwrap();
        let error = Git::on(folder.path(), "cat-file").run(["-e", "HEAD"]).await.unwrap_err();
        let GitError::Failed { what, said } = error else { panic!("{error}") };
        assert_eq!(what, "cat-file");
        assert!(said.contains("not a git repository"), "{said}");
    }

    #[tokio::test]
    async fn a_call_that_hangs_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        Git::anywhere("init").run([OsStr::new("--bare"), folder.path().as_os_str()]).await.unwrap();
        let mut git = Git::on(folder.path(), "ls-remote").env("GIT_ALLOW_PROTOCOL", "ext");
        git.limit = Duration::from_millis(300);
        // A transport that says nothing.
        let error = git.run(["ext::sleep 2"]).await.unwrap_err();
        assert!(matches!(error, GitError::TimedOut { .. }), "{error}");
    }
}
