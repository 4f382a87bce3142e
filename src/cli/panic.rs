//! What is printed when homeprov itself is at fault.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write as _};
use std::panic::PanicHookInfo;

use crate::redact::{self, Redactor};

/// From now on a panic says what to do, and no secret: its words may quote the text that caused it.
pub(super) fn speak_safely() {
    std::panic::set_hook(Box::new(|info| {
        let text = words(info, &redact::of_this_process());
        // There is no place left to say that it could not be said.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }));
}

fn words(info: &PanicHookInfo<'_>, redactor: &Redactor) -> String {
    let place = info.location().map_or_else(String::new, |location| format!(" at {location}"));
    let payload = info.payload();
    let said = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let said = said.unwrap_or("it said nothing");
    let trace = Backtrace::capture();
    let trace = if trace.status() == BacktraceStatus::Captured { format!("{trace}\n") } else { String::new() };
    let text = format!(
        "error: a fault of homeprov itself{place}: {said}\n{trace}\
         help: what was done so far stays; the same command again goes on from there. \
         `homeprov log --bundle` collects what a report of this fault needs\n"
    );
    redactor.text(&text)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn a_panic_tells_its_place_and_no_secret() {
        let redactor = Redactor::new(["canary-of-a-panic".into()]);
        let told = Arc::new(Mutex::new(String::new()));
        let hears = Arc::clone(&told);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| *hears.lock().unwrap() = words(info, &redactor)));
        let ended = std::panic::catch_unwind(|| panic!("invalid token: canary-of-a-panic"));
        std::panic::set_hook(before);
        assert!(ended.is_err());
        let told = told.lock().unwrap();
        assert!(
            told.starts_with("error: a fault of homeprov itself at ") && told.contains("src/cli/panic.rs:"),
            "{told}"
        );
        assert!(told.contains("invalid token: ***\n") && !told.contains("canary"), "{told}");
    }
}
