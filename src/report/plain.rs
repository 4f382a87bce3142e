//! A run without a terminal: one line per change, each with its time.

use std::io::Write;

use jiff::Timestamp;

use super::Reporter;
use super::lines::Lines;
use crate::engine::event::Event;

/// Writes lines.
pub struct Plain<W> {
    out: W,
    lines: Lines,
}

impl<W: Write> Plain<W> {
    /// Writes to `out` what `lines` makes of events.
    pub fn new(out: W, lines: Lines) -> Self {
        Self { out, lines }
    }
}

impl<W: Write + Send> Reporter for Plain<W> {
    fn event(&mut self, at: Timestamp, event: &Event) {
        for line in self.lines.of(at, event) {
            // Whoever stopped reading does not want to know.
            let _ = writeln!(self.out, "{} {}", at.strftime("%H:%M:%SZ"), line.text);
        }
        let _ = self.out.flush();
    }
}
