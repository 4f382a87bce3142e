//! How a run ended.

use std::fmt::Write as _;

use tokio::time::Instant;

use super::event::Event;
use super::ledger::Failed;
use super::lock::Held;
use crate::error::ExitCode;
use crate::plan::{Place, Plan, Verdict};

/// How a run ended: the exit code and what happened, in one line or a few.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The exit code.
    pub code: ExitCode,
    /// What happened.
    pub summary: String,
}

impl Outcome {
    pub(super) fn new(code: ExitCode, summary: impl Into<String>) -> Self {
        Self { code, summary: summary.into() }
    }
}

/// The user asked to stop what changes nothing.
pub(super) fn interrupted() -> Outcome {
    Outcome::new(ExitCode::Interrupted, "interrupted; nothing was changed")
}

/// The user asked to stop an `up`, while these steps were being applied.
pub(super) fn interrupted_up<'a>(applied: impl Iterator<Item = (&'a Place, &'a str)>) -> Outcome {
    let applied: Vec<String> = applied
        .map(|(place, title)| match place {
            Place::Node(node) => format!("\n{node}: {title}"),
            Place::Cluster => format!("\nthe cluster: {title}"),
        })
        .collect();
    let text = if applied.is_empty() {
        "interrupted; no command was running on the nodes".to_owned()
    } else {
        format!(
            "interrupted; commands that run on the nodes go on there, and `homeprov up` attaches to them. It was at:{}",
            applied.concat()
        )
    };
    Outcome::new(ExitCode::Interrupted, text)
}

/// Another run holds the lock, or took it away.
pub(super) fn locked(held: &Held) -> Outcome {
    Outcome::new(ExitCode::Locked, held.text())
}

/// What an observation with nothing done comes to.
pub(super) fn of_plan(plan: &Plan) -> Outcome {
    if plan.is_empty() {
        return Outcome::new(ExitCode::Done, "nothing to do");
    }
    if let Some(refusal) = plan.refusals().next() {
        return Outcome::new(ExitCode::Refused, format!("refused: {}", refusal.verdict.text()));
    }
    if !plan.unreachable.is_empty() {
        let names: Vec<&str> = plan.unreachable.keys().map(String::as_str).collect();
        return Outcome::new(ExitCode::Unreachable, format!("{} could not be reached", names.join(", ")));
    }
    Outcome::new(ExitCode::Done, format!("{} steps do not hold yet", plan.pending.len()))
}

/// What a run that can go no further comes to: the failures it met, then refusals, then nodes it could not reach, with
/// what goes on there.
pub(super) fn stuck(plan: &Plan, failures: &[Failed], left_running: &[&str], applied: usize) -> Outcome {
    let refused: Vec<String> = plan.refusals().map(|refusal| refusal.verdict.text()).collect();
    if !refused.is_empty() {
        let when = match applied {
            0 => "refused before anything was changed".to_owned(),
            1 => "refused after 1 step, which stays as it is; the same command goes on from there".to_owned(),
            count => {
                format!("refused after {count} steps, which stay as they are; the same command goes on from there")
            }
        };
        return Outcome::new(ExitCode::Refused, format!("{when}:\n{}", refused.join("\n")));
    }
    let order = [ExitCode::Refused, ExitCode::StepFailed, ExitCode::VerificationFailed, ExitCode::Unreachable];
    for code in order {
        let texts: Vec<&str> =
            failures.iter().filter(|failed| failed.code == code).map(|failed| failed.text.as_str()).collect();
        if !texts.is_empty() {
            return Outcome::new(code, texts.join("\n"));
        }
    }
    let blocked: Vec<String> = plan
        .pending
        .iter()
        .filter(|pending| matches!(pending.verdict, Verdict::Blocked { .. }))
        .map(|pending| format!("{}: {}", pending.title, pending.verdict.text()))
        .collect();
    if !blocked.is_empty() {
        return Outcome::new(ExitCode::Refused, blocked.join("\n"));
    }
    if !plan.unreachable.is_empty() {
        let mut text = unreachable(plan);
        for line in left_running {
            let _ = write!(text, "\n{line}");
        }
        return Outcome::new(ExitCode::Unreachable, text);
    }
    let left: Vec<String> =
        plan.pending.iter().map(|pending| format!("{} ({})", pending.title, pending.verdict.text())).collect();
    Outcome::new(ExitCode::StepFailed, format!("nothing more can be done, and this does not hold: {}", left.join("; ")))
}

/// The nodes that could not be reached, and what waits for them.
fn unreachable(plan: &Plan) -> String {
    let names: Vec<&str> = plan.unreachable.keys().map(String::as_str).collect();
    let them = if names.len() == 1 { "it" } else { "them" };
    let mut text = format!("{} could not be reached; what does not need {them} is done", names.join(", "));
    for pending in plan.pending.iter().filter(|pending| matches!(pending.verdict, Verdict::Waits { .. })) {
        let place = match &pending.place {
            Place::Node(node) => format!("{node}: "),
            Place::Cluster => String::new(),
        };
        let _ = write!(text, "\nwaits for {them}: {place}{} ({})", pending.title, pending.verdict.text());
    }
    text
}

/// The last event of a run.
pub(super) fn finished(outcome: &Outcome, began: Instant, applied: usize, observations: usize) -> Event {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Event::RunFinished {
        code: outcome.code as u8,
        summary: outcome.summary.clone(),
        took: began.elapsed(),
        connections: 0,
        observations: number(observations),
        applied: number(applied),
    }
}
