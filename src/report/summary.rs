//! The end of an `up`: what was done, what it cost and the next thing to type.

use std::io::Write;
use std::path::PathBuf;

use jiff::Timestamp;

use super::Reporter;
use super::clean;
use super::counts::Counts;
use super::paint::Paint;
use super::words;
use crate::engine::event::Event;
use crate::error::ExitCode;

/// What the summary names besides the events.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The inventory, as it was typed.
    pub inventory: String,
    /// The command that goes on from where this one ended, without `homeprov`: `up home.toml`.
    pub again: Vec<String>,
    /// Where the journal is, if there is one.
    pub journal: Option<PathBuf>,
}

/// Prints the summary when everything else has been shown: good news to one stream, bad news to the other.
pub struct Summary<Good, Bad> {
    good: (Good, Paint),
    bad: (Bad, Paint),
    subject: Subject,
    counts: Counts,
    end: Option<Event>,
}

impl<Good: Write, Bad: Write> Summary<Good, Bad> {
    /// Good news goes to `good`, bad news to `bad`.
    pub fn new(good: (Good, Paint), bad: (Bad, Paint), subject: Subject) -> Self {
        Self { good, bad, subject, counts: Counts::default(), end: None }
    }
}

impl<Good: Write + Send, Bad: Write + Send> Reporter for Summary<Good, Bad> {
    fn event(&mut self, _at: Timestamp, event: &Event) {
        self.counts.count(event);
        if matches!(event, Event::RunFinished { .. }) {
            self.end = Some(event.clone());
        }
    }

    fn finish(&mut self) {
        let Some(end) = self.end.take() else { return };
        let Event::RunFinished { code, .. } = end else {
            return;
        };
        let (out, paint): (&mut dyn Write, Paint) = if code == ExitCode::Done.number() {
            (&mut self.good.0, self.good.1)
        } else {
            (&mut self.bad.0, self.bad.1)
        };
        for line in lines(&end, &self.counts, &self.subject, paint) {
            // Whoever stopped reading does not want to know.
            let _ = writeln!(out, "{line}");
        }
        let _ = out.flush();
    }
}

/// The lines of the summary; none before the run's last event.
pub fn lines(end: &Event, counts: &Counts, subject: &Subject, paint: Paint) -> Vec<String> {
    let Event::RunFinished { code, summary, took, connections, observations, applied } = end else {
        return vec![];
    };
    let summary = clean::lines(summary);
    let good = *code == ExitCode::Done.number();
    let headline = if good {
        format!("{} {summary}", paint.good("✔"))
    } else {
        format!("{} {}", paint.bad("✘"), paint.bold(&summary))
    };
    let mut done = vec![match applied {
        0 => "nothing was changed".to_owned(),
        _ => format!("{} applied", words::count(*applied as usize, "step")),
    }];
    if counts.failed > 0 {
        done.push(format!("{} failed", counts.failed));
    }
    if counts.retries > 0 {
        done.push(words::count(counts.retries as usize, "retry").replace("retrys", "retries"));
    }
    done.push(words::duration(*took));
    done.push(words::count(*connections as usize, "connection"));
    done.push(words::count(*observations as usize, "observation"));
    let mut lines = vec![headline, format!("  {}", paint.dim(&done.join(" · ")))];
    if let Some(next) = next(*code, *applied, subject) {
        lines.push(format!("  next     {next}"));
    }
    if let Some(journal) = subject.journal.as_ref().filter(|_| !good) {
        lines.push(format!("  journal  {}", journal.display()));
    }
    lines
}

/// The next thing to type.
fn next(code: u8, applied: u32, subject: &Subject) -> Option<String> {
    let command = |name: &str| words::command(["homeprov", name, subject.inventory.as_str()]);
    let again = words::command(std::iter::once("homeprov").chain(subject.again.iter().map(String::as_str)));
    let is_up = subject.again.first().is_none_or(|command| command == "up");
    let is = |other: ExitCode| code == other.number();
    if is(ExitCode::Done) {
        (applied > 0).then(|| command("status"))
    } else if is(ExitCode::StepFailed) {
        Some(if is_up {
            format!("{}   shows what is left; `up` again goes on from there", command("plan"))
        } else {
            format!("{again}   again goes on from there")
        })
    } else if is(ExitCode::Unreachable) {
        Some(format!("{again}   again, once the machine answers"))
    } else if is(ExitCode::Locked) {
        Some(format!("{again}   again, once the other run has ended"))
    } else if is(ExitCode::Interrupted) {
        Some(format!("{again}   goes on from there"))
    } else if is(ExitCode::VerificationFailed) {
        Some(format!("{}   shows what was observed", command("status")))
    } else {
        None
    }
}
