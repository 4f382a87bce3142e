//! What a run cost and did, in numbers.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::engine::event::Event;
use crate::ssh::Purpose;

/// Counted from events. A no-op run on N nodes has N connections and N observations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// SSH connections opened.
    pub connections: u32,
    /// Execs, by purpose.
    pub execs: BTreeMap<&'static str, u32>,
    /// Forwards opened.
    pub forwards: u32,
    /// Turns of the loop.
    pub turns: u32,
    /// Steps applied, every attempt counted.
    pub applied: u32,
    /// Steps that came to hold.
    pub held: u32,
    /// Steps that failed for good.
    pub failed: u32,
    /// Attempts that went wrong and were tried again.
    pub retries: u32,
}

impl Counts {
    /// Takes one event into account.
    pub fn count(&mut self, event: &Event) {
        match event {
            Event::Connected { .. } => self.connections += 1,
            Event::Executed { purpose, .. } => *self.execs.entry(name(*purpose)).or_default() += 1,
            Event::Forwarded { .. } => self.forwards += 1,
            Event::Planned { .. } => self.turns += 1,
            Event::StepApplied { .. } => self.applied += 1,
            Event::StepHolds { .. } => self.held += 1,
            Event::StepFailed { .. } => self.failed += 1,
            Event::StepRetry { .. } => self.retries += 1,
            _ => {}
        }
    }

    /// Execs made for a purpose.
    pub fn execs(&self, purpose: Purpose) -> u32 {
        self.execs.get(name(purpose)).copied().unwrap_or_default()
    }
}

fn name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Observe => "observe",
        Purpose::Apply => "apply",
        Purpose::Job => "job",
        Purpose::Probe => "probe",
        Purpose::Lock => "lock",
        Purpose::Stream => "stream",
    }
}
