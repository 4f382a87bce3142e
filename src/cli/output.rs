//! Writes results to standard output and failures to standard error.

use std::io::{self, Write};

use crate::error::Failure;
use crate::redact;
use crate::report::clean;
use crate::report::face::Surroundings;
use crate::report::paint::Paint;

/// The columns assumed where there is no terminal.
const WIDTH: usize = 100;
/// Longer lines are hard to read, whatever the terminal's width.
const WIDEST: usize = 120;

/// Text as it may be printed: without secrets, and without what would steer the terminal, for some of it was read on machines.
pub(super) fn fit(text: &str) -> String {
    redact::of_this_process().text(&clean::keeping_colours(text))
}

/// Prints a result. A reader that has gone away is no error.
pub(super) fn result(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let text = fit(text);
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::io("cannot write to standard output", &error))
        }
        _ => Ok(()),
    }
}

/// Prints a failure.
pub(super) fn failure(failure: &Failure) {
    let paint = stderr_paint();
    let help = failure.help.as_ref().map(|help| format!("{} {help}\n", paint.busy("help:")));
    let text = format!("{} {}\n{}", paint.bad("error:"), failure.message.trim_end(), help.unwrap_or_default());
    note(&text);
}

/// Prints something besides the results.
pub(super) fn note(text: &str) {
    let text = fit(text);
    // There is no place left to say that it could not be said.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Whether standard output takes colour.
pub(super) fn stdout_paint() -> Paint {
    Paint::new(Surroundings::of(&io::stdout()).colour())
}

/// Whether standard error takes colour.
pub(super) fn stderr_paint() -> Paint {
    Paint::new(Surroundings::of(&io::stderr()).colour())
}

/// The columns of standard output.
pub(super) fn stdout_width() -> usize {
    width(&console::Term::stdout())
}

/// The columns of standard error.
pub(super) fn stderr_width() -> usize {
    width(&console::Term::stderr())
}

fn width(terminal: &console::Term) -> usize {
    terminal.size_checked().map_or(WIDTH, |(_, columns)| usize::from(columns).clamp(40, WIDEST))
}
