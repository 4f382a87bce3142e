//! What this run has tried, step by step and place by place, and what may be tried next.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::ExitCode;
use crate::plan::{Pending, Place, Plan, Verdict};
use crate::playbook::model::Step;
use crate::steps::Failure;

/// A step at a place.
pub type Key = (String, Place);

/// How long a step waits after its first failed attempt; doubled each time, up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_secs(3);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const BUSY_PAUSE: Duration = Duration::from_secs(3);
/// How often a step may come to hold in one run and be undone again: then something else is at work there, and it would
/// go on for ever.
const UNDONE: u32 = 5;

/// What is known of one step at one place in this run.
#[derive(Debug, Default)]
struct Entry {
    attempts: u32,
    /// Until when nothing new is tried: the settle time, or the pause before another attempt.
    not_before: Option<Instant>,
    /// Since when something else has kept it from being applied.
    busy_since: Option<Instant>,
    /// Since when it has been on its way.
    settling_since: Option<Instant>,
    /// What went wrong last.
    last: Option<(ExitCode, String, Vec<String>)>,
    /// Applied in this run, and not yet seen to hold.
    applied: bool,
    failed: bool,
}

/// What may be done about a pending step.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// It may be applied; this is the attempt's number.
    Apply(u32),
    /// It is waited for, at the longest for this time.
    Wait(Duration),
    /// It has failed just now: the reason and the last lines it printed.
    Fail(ExitCode, String, Vec<String>),
    /// It has failed before, or nothing can be done about it here.
    Nothing,
}

/// A step that failed for good.
#[derive(Debug)]
pub struct Failed {
    key: Key,
    /// The exit code it stands for.
    pub code: ExitCode,
    /// What happened.
    pub text: String,
}

/// The book of one run.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: BTreeMap<Key, Entry>,
    /// The failures met.
    pub failures: Vec<Failed>,
    /// How many times a step was applied.
    pub applied: usize,
    /// What was lost while it ran on a node, in words: it goes on there.
    lost: BTreeMap<Key, String>,
    /// How often a step that was applied came to hold.
    held: BTreeMap<Key, u32>,
}

impl Ledger {
    /// What may be done now about a step that does not hold.
    pub fn next(&mut self, step: &Step, pending: &Pending) -> Next {
        let now = Instant::now();
        let key = (step.id.clone(), pending.place.clone());
        let held = self.held.get(&key).copied().unwrap_or_default();
        let entry = self.entries.entry(key).or_default();
        if entry.failed {
            return Next::Nothing;
        }
        match &pending.verdict {
            Verdict::Settling { why } => {
                let since = *entry.settling_since.get_or_insert(now);
                match step.limit.checked_sub(since.elapsed()) {
                    Some(left) => Next::Wait(left),
                    None => Next::Fail(
                        ExitCode::StepFailed,
                        format!("still not so after {} s: {why}", step.limit.as_secs()),
                        Vec::new(),
                    ),
                }
            }
            Verdict::Differs { why } if pending.runnable => {
                entry.settling_since = None;
                if let Some(left) =
                    entry.not_before.and_then(|at| at.checked_duration_since(now)).filter(|left| !left.is_zero())
                {
                    return Next::Wait(left);
                }
                if held >= UNDONE {
                    let reason = format!(
                        "it came to hold {held} times and was undone each time: something else changes it back ({why})"
                    );
                    return Next::Fail(ExitCode::StepFailed, reason, Vec::new());
                }
                let too_busy = entry.busy_since.is_some_and(|since| since.elapsed() > step.limit);
                if entry.attempts < step.attempts && !too_busy {
                    return Next::Apply(entry.attempts + 1);
                }
                let (code, reason, output) = entry.last.clone().unwrap_or((
                    ExitCode::StepFailed,
                    format!("its command ended well {} times, but it is observed not to hold: {why}", entry.attempts),
                    Vec::new(),
                ));
                Next::Fail(code, reason, output)
            }
            _ => Next::Nothing,
        }
    }

    /// What goes on on nodes that were lost, and how it is attached to.
    pub fn left_running(&self) -> impl Iterator<Item = &str> {
        self.lost.values().map(String::as_str)
    }

    /// A step is being applied.
    pub fn started(&mut self, key: &Key) {
        self.applied += 1;
        self.entries.entry(key.clone()).or_default().applied = true;
    }

    /// A step's command ended well: it has its settle time to be observed.
    pub fn landed(&mut self, key: &Key, step: &Step) {
        self.lost.remove(key);
        let entry = self.entries.entry(key.clone()).or_default();
        entry.attempts += 1;
        entry.busy_since = None;
        entry.last = None;
        entry.not_before = Some(Instant::now() + step.settle);
    }

    /// A step's command went wrong. Returns the pause before it is tried again, when it will be.
    pub fn went_wrong(&mut self, key: &Key, step: &Step, failure: &Failure) -> Option<Duration> {
        let entry = self.entries.entry(key.clone()).or_default();
        let reason = failure.to_string();
        match failure {
            Failure::Lost { .. } => _ = self.lost.insert(key.clone(), reason.clone()),
            // Still not to be reached.
            Failure::Unreachable(_) => {}
            _ => _ = self.lost.remove(key),
        }
        let pause = match failure {
            Failure::Refused { .. } => {
                entry.attempts = step.attempts;
                entry.last = Some((ExitCode::Refused, reason, Vec::new()));
                return None;
            }
            Failure::Busy { .. } => busy(entry, reason),
            Failure::Api(error) if passing(error) => busy(entry, reason),
            Failure::Failed { output, .. } => again(entry, ExitCode::StepFailed, reason, output.clone()),
            Failure::NotVerified { .. } => again(entry, ExitCode::VerificationFailed, reason, Vec::new()),
            Failure::Unreachable(_) | Failure::Lost { .. } => again(entry, ExitCode::Unreachable, reason, Vec::new()),
            Failure::Api(_) => again(entry, ExitCode::StepFailed, reason, Vec::new()),
        };
        entry.not_before = Some(Instant::now() + pause);
        let over =
            entry.attempts >= step.attempts || entry.busy_since.is_some_and(|since| since.elapsed() > step.limit);
        (!over).then_some(pause)
    }

    /// A step has failed for good in this run.
    pub fn fail(&mut self, key: &Key, code: ExitCode, text: String) {
        self.entries.entry(key.clone()).or_default().failed = true;
        self.failures.push(Failed { key: key.clone(), code, text });
    }

    /// Whether a step has failed for good anywhere.
    pub fn has_failed(&self, step: &str) -> bool {
        self.entries.iter().any(|(key, entry)| entry.failed && key.0 == step)
    }

    /// What had failed on a node no longer counts: it has another beginning.
    pub fn forgive(&mut self, node: &str) {
        let on_node = |key: &Key| key.1 == Place::Node(node.to_owned());
        self.entries.retain(|key, _| !on_node(key));
        self.failures.retain(|failure| !on_node(&failure.key));
    }

    /// The steps applied or waited for in this run that are no longer pending; each is named once.
    pub fn now_holding(&mut self, plan: &Plan) -> Vec<Key> {
        let holds = |key: &Key| {
            let seen = !matches!(&key.1, Place::Node(node) if plan.unreachable.contains_key(node));
            seen && !plan.pending.iter().any(|other| other.step == key.0 && other.place == key.1)
        };
        let keys: Vec<Key> = self
            .entries
            .iter()
            .filter(|(key, entry)| (entry.applied || entry.settling_since.is_some()) && holds(key))
            .map(|(key, _)| key.clone())
            .collect();
        for key in &keys {
            self.entries.remove(key);
            *self.held.entry(key.clone()).or_default() += 1;
        }
        // What was only waited for and holds now begins a wait of its own when it does not hold again.
        for (_, entry) in self.entries.iter_mut().filter(|(key, _)| holds(key)) {
            entry.settling_since = None;
        }
        keys
    }
}

fn busy(entry: &mut Entry, reason: String) -> Duration {
    entry.busy_since.get_or_insert_with(Instant::now);
    entry.last = Some((ExitCode::StepFailed, reason, Vec::new()));
    BUSY_PAUSE
}

fn again(entry: &mut Entry, code: ExitCode, reason: String, output: Vec<String>) -> Duration {
    entry.attempts += 1;
    entry.last = Some((code, reason, output));
    (PAUSE * 2u32.saturating_pow(entry.attempts.saturating_sub(1))).min(LONGEST_PAUSE)
}

/// Whether an answer of the API is likely to be another one soon: connection trouble, a server that starts, a
/// webhook that is not ready, a conflict.
fn passing(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code >= 500 || status.code == 409 || status.code == 429,
        _ => true,
    }
}
