//! Questions, asked only where somebody can answer: on a terminal.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use secrecy::SecretString;

use super::output;
use crate::report::terminal::Screen;

/// One question at a time.
static ASKING: Mutex<()> = Mutex::new(());
/// Whether a question waits for its answer.
static OPEN: AtomicBool = AtomicBool::new(false);

/// Whether there is somebody to ask.
pub(super) fn possible() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a question that only `yes` answers with yes.
pub(super) fn confirm(screen: &Screen, question: &str) -> bool {
    typed(screen, &format!("{question} [yes/no] ")).is_some_and(|line| line.eq_ignore_ascii_case("yes"))
}

/// Asks for a word; what was typed, without blanks around it.
pub(super) fn typed(screen: &Screen, question: &str) -> Option<String> {
    let answer = ask(screen, || {
        eprint!("{}", output::fit(question));
        io::stderr().flush()?;
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        Ok(line)
    });
    answer.ok().map(|line| line.trim().to_owned())
}

/// Asks for a line; the end of the input is an error, so that a question that needs an answer is not asked for ever.
pub(super) fn line(question: &str) -> io::Result<String> {
    let _only = ASKING.lock().unwrap_or_else(PoisonError::into_inner);
    eprint!("{}", output::fit(question));
    io::stderr().flush()?;
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim().to_owned()),
    }
}

/// Asks for a password, without showing it; none when the answer is empty.
pub(super) fn password(screen: &Screen, question: &str) -> Option<SecretString> {
    let answer = ask(screen, || rpassword::prompt_password(format!("{}: ", output::fit(question))));
    answer.ok().filter(|password| !password.is_empty()).map(SecretString::from)
}

/// If a question waits for its answer, gives the terminal back as it was and says so.
pub(super) fn abandon() -> bool {
    let open = OPEN.load(Ordering::SeqCst);
    if open {
        // The question for a password has switched the echo off, and will not come to switch it on again.
        let _ = Command::new("stty").arg("echo").stdin(Stdio::inherit()).stderr(Stdio::null()).status();
        eprintln!();
    }
    open
}

fn ask<T>(screen: &Screen, question: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let _only = ASKING.lock().unwrap_or_else(PoisonError::into_inner);
    screen.suspend(|| {
        OPEN.store(true, Ordering::SeqCst);
        let answer = question();
        OPEN.store(false, Ordering::SeqCst);
        answer
    })
}
