//! What an exec that did not come to its last frame means.

use crate::bounded;

use super::exec::{End, Exec, Outcome};
use super::frame::{self, RawAnswers};
use super::sudo::Rise;
use super::transport::TransportError;

/// How an exec is judged.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It worked.
    Answers(RawAnswers),
    /// sudo would not do it without a password; this is what it said.
    WantsPassword(String),
    /// sudo did not take the password.
    WrongPassword,
    /// It did not work.
    Error(TransportError),
}

/// Judges an exec whose answers are not complete, on a connection that still stands.
pub(super) fn incomplete(host: String, exec: &Exec<'_>, outcome: &Outcome) -> Verdict {
    let bad = |host, detail: String| Verdict::Error(TransportError::BadAnswer { host, detail });
    match outcome.end {
        End::WrongPassword => return Verdict::WrongPassword,
        End::NoPassword => {
            return Verdict::Error(TransportError::SudoRefused {
                host,
                detail: "sudo wants a password, and there is none".into(),
            });
        }
        End::TooLarge => return bad(host, "it printed more than 8 MiB".into()),
        End::Overdue => {
            let seconds = exec.limit.as_secs();
            return bad(host, format!("no end of the answer within {seconds} s"));
        }
        End::Complete | End::Closed => {}
    }
    if frame::has_begun(&outcome.stdout.bytes, exec.marker) {
        return bad(host, "it ends in the middle: the shell was killed".into());
    }
    let stdout = String::from_utf8_lossy(&outcome.stdout.bytes);
    let stderr = String::from_utf8_lossy(&outcome.stderr.bytes);
    let reached = |stage: &str| stdout.contains(&format!("{}-{stage}", exec.token));
    if reached("user") {
        return Verdict::Error(TransportError::SudoRefused {
            host,
            detail: "the login is not root, and the inventory says `sudo = \"never\"`".into(),
        });
    }
    if reached("sudo") && !reached("root") {
        return sudo_said(host, exec.rise, &sudo_line(&stderr, &exec.token));
    }
    Verdict::Error(TransportError::NoShell {
        host,
        detail: bounded::line(last_line(&stderr).or_else(|| last_line(&stdout)).unwrap_or("it ended without a word")),
    })
}

fn sudo_said(host: String, rise: Rise, said: &str) -> Verdict {
    // "a password is required" (sudo), "interactive authentication is required" (sudo-rs)
    if rise == Rise::Quiet && (said.contains("password is required") || said.contains("authentication is required")) {
        return Verdict::WantsPassword(said.to_owned());
    }
    if said.contains("incorrect password") || said.contains("incorrect authentication") {
        return Verdict::WrongPassword;
    }
    let detail = if said.contains("not found") { "sudo is not installed".into() } else { said.to_owned() };
    Verdict::Error(TransportError::SudoRefused { host, detail })
}

/// The line in which sudo gives its reason: it may lecture before, and a login shell may print anything.
fn sudo_line(stderr: &str, token: &str) -> String {
    let stderr = stderr.replace(&format!("{token}-prompt"), "\n");
    let said = stderr
        .lines()
        .map(str::trim)
        .rfind(|line| line.contains("sudo") || line.contains("orry"))
        .or_else(|| last_line(&stderr));
    bounded::line(said.unwrap_or("sudo ended without a word"))
}

fn last_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).rfind(|line| !line.is_empty())
}
