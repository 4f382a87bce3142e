//! A run on a terminal: finished steps scroll by, below them one row for each node and one for the cluster.

use std::io::{self, Write};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use super::Reporter;
use super::board::Board;
use super::lines::{Lines, Weight};
use super::paint::Paint;
use crate::engine::event::Event;

/// The part of the terminal the live view draws on. Clones share it.
#[derive(Debug, Clone)]
pub struct Screen {
    progress: MultiProgress,
    width: fn() -> usize,
}

impl Screen {
    /// Standard error, redrawn ten times a second at the most.
    pub fn stderr() -> Self {
        let width = || usize::from(console::Term::stderr().size().1);
        Self::on(ProgressDrawTarget::stderr_with_hz(10), width)
    }

    /// Whatever can be drawn on; `width` are its columns at that moment.
    pub fn on(target: ProgressDrawTarget, width: fn() -> usize) -> Self {
        Self { progress: MultiProgress::with_draw_target(target), width }
    }

    /// Prints a line above the live view, or just prints it where there is none.
    pub fn say(&self, line: &str) {
        // A terminal that is gone is no reason to end the run.
        let _ = if self.progress.is_hidden() { writeln!(io::stderr(), "{line}") } else { self.progress.println(line) };
    }

    /// Clears the live view, does something that needs the terminal, such as a question, and draws it again.
    pub fn suspend<R>(&self, what: impl FnOnce() -> R) -> R {
        self.progress.suspend(what)
    }
}

/// The live view: one block of rows, so that it is always drawn as a whole.
pub struct Terminal {
    screen: Screen,
    rows: Option<ProgressBar>,
    board: Board,
    lines: Lines,
    paint: Paint,
}

impl Terminal {
    /// A live view on `screen`; `lines` makes what scrolls by.
    pub fn new(screen: Screen, lines: Lines, paint: Paint) -> Self {
        Self { screen, rows: None, board: Board::default(), lines, paint }
    }

    fn draw(&mut self, at: Timestamp) {
        // A full line would wrap on some terminals.
        let width = (self.screen.width)().saturating_sub(1);
        let rows = self.board.rows(at, self.paint);
        let rows: Vec<String> =
            rows.iter().map(|row| console::truncate_str(&self.lines.redact(row), width, "…").into_owned()).collect();
        let bar = self.rows.get_or_insert_with(|| {
            let bar = ProgressBar::new_spinner().with_style(style());
            self.screen.progress.add(bar)
        });
        bar.set_message(rows.join("\n"));
    }
}

/// Nothing but the rows.
fn style() -> ProgressStyle {
    ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

impl Reporter for Terminal {
    fn event(&mut self, at: Timestamp, event: &Event) {
        self.board.event(at, event);
        for line in self.lines.of(at, event) {
            if line.weight != Weight::Progress {
                self.screen.say(&line.text);
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
        if let Some(rows) = self.rows.take() {
            rows.finish_and_clear();
        }
    }
}
