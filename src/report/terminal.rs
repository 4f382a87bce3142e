//! A run on a terminal: finished steps scroll by, below them one row for each node and one for the cluster.

use std::io;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use super::Reporter;
use super::board::Board;
use super::lines::{Lines, Weight};
use super::paint::Paint;
use crate::engine::event::Event;

/// The part of the terminal the live view draws on. Clones share it.
#[derive(Debug, Clone)]
pub struct Screen(MultiProgress);

impl Screen {
    /// Standard error, redrawn ten times a second at the most.
    pub fn stderr() -> Self {
        Self::on(ProgressDrawTarget::stderr_with_hz(10))
    }

    /// Whatever can be drawn on.
    pub fn on(target: ProgressDrawTarget) -> Self {
        Self(MultiProgress::with_draw_target(target))
    }

    /// Clears the live view, does something that needs the terminal, such as a question, and draws it again.
    pub fn suspend<R>(&self, what: impl FnOnce() -> R) -> R {
        self.0.suspend(what)
    }
}

/// The live view.
pub struct Terminal {
    screen: Screen,
    rows: Vec<ProgressBar>,
    board: Board,
    lines: Lines,
    paint: Paint,
}

impl Terminal {
    /// A live view on `screen`; `lines` makes what scrolls by.
    pub fn new(screen: Screen, lines: Lines, paint: Paint) -> Self {
        Self { screen, rows: vec![], board: Board::default(), lines, paint }
    }

    fn draw(&mut self, at: Timestamp) {
        let rows = self.board.rows(at, self.paint);
        let texts: Vec<String> = rows.iter().map(|row| self.lines.redact(row)).collect();
        while self.rows.len() > texts.len() {
            if let Some(row) = self.rows.pop() {
                self.screen.0.remove(&row);
            }
        }
        while self.rows.len() < texts.len() {
            let row = ProgressBar::new_spinner().with_style(style());
            self.rows.push(self.screen.0.add(row));
        }
        for (row, text) in self.rows.iter().zip(texts) {
            if row.message() != text {
                row.set_message(text);
            }
        }
    }

    fn print(&self, line: &str) -> io::Result<()> {
        self.screen.0.println(line)
    }
}

/// A row is its text, cut to the terminal's width.
fn style() -> ProgressStyle {
    ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

impl Reporter for Terminal {
    fn event(&mut self, at: Timestamp, event: &Event) {
        self.board.event(at, event);
        for line in self.lines.of(at, event) {
            if line.weight != Weight::Progress {
                // A terminal that is gone is no reason to end the run.
                let _ = self.print(&line.text);
            }
        }
        if !matches!(event, Event::StepOutput { .. }) {
            self.draw(at);
        }
    }

    fn tick(&mut self, at: Timestamp) {
        self.draw(at);
    }

    fn finish(&mut self) {
        for row in self.rows.drain(..) {
            row.finish_and_clear();
        }
        let _ = self.screen.0.clear();
    }
}
