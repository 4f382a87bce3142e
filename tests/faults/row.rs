//! One row of the table of faults: what was injected, when, and what was seen to come of it.
//!
//! A row is written when `FAULT_ROWS` names a folder, as `make test-faults` does; `scripts/fault-table` makes the table of
//! them. A test that fails leaves a row that says so.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use homeprov::engine::Outcome;
use serde_json::json;

/// A fault that is being tried.
#[must_use]
pub struct Row {
    fault: String,
    injected: String,
    outcome: Option<String>,
    began: Instant,
}

impl Row {
    /// Begins to try a fault, at a moment both said in words: `Row::of("node reboots", "in the middle of its join")`.
    pub fn of(fault: impl Into<String>, injected: impl Into<String>) -> Self {
        Self { fault: fault.into(), injected: injected.into(), outcome: None, began: Instant::now() }
    }

    /// What was observed, once the test has asserted it: `converged`, or how it ended and with which words.
    pub fn ended(mut self, outcome: impl Into<String>) {
        self.outcome = Some(outcome.into());
    }

    /// It did not converge, and said so: the code it ended with and the first line of its summary, or two where the first one
    /// announces the second.
    pub fn refused(self, outcome: &Outcome) {
        let mut lines = outcome.summary.lines();
        let mut said = lines.next().unwrap_or_default().to_owned();
        if said.ends_with(':') {
            said.extend(lines.next().map(|line| format!(" {}", line.trim())));
        }
        self.ended(format!("exit code {}: {said}", outcome.code.number()));
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        let Some(folder) = std::env::var_os("FAULT_ROWS").map(PathBuf::from) else { return };
        let row = json!({
            "fault": self.fault,
            "injected": self.injected,
            "outcome": self.outcome.as_deref().unwrap_or("FAILED"),
            "seconds": self.began.elapsed().as_secs(),
        });
        let mut name = String::new();
        for part in [&self.fault, &self.injected] {
            let plain = part.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' });
            write!(name, "{}.", plain.collect::<String>()).expect("text");
        }
        std::fs::write(folder.join(format!("{name}json")), format!("{row}\n")).expect("the folder for the rows");
    }
}
