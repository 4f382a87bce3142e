//! When a controller looks at an object again: something it waits for changed, or its time has come.

use std::collections::BTreeMap;

use crate::kubernetes::types::Millis;

/// One object's reconciliations.
#[derive(Debug)]
pub(super) struct Work<S> {
    /// What the latest reconciliation was begun for.
    pub(super) trigger: String,
    /// When the next one begins by itself.
    pub(super) next: Option<Millis>,
    /// How many in a row have failed.
    pub(super) failures: u32,
    /// When the latest began.
    pub(super) began: Millis,
    /// How far it is; none between two of them.
    pub(super) stage: Option<S>,
}

impl<S> Default for Work<S> {
    fn default() -> Self {
        Self { trigger: String::new(), next: Some(0), failures: 0, began: 0, stage: None }
    }
}

/// The reconciliations of a kind, by object uid.
pub(super) type Works<S> = BTreeMap<String, Work<S>>;

impl<S> Work<S> {
    /// Whether a reconciliation is to begin.
    pub(super) fn is_due(&self, now: Millis, trigger: &str) -> bool {
        self.stage.is_none() && (self.trigger != trigger || self.next.is_some_and(|next| next <= now))
    }

    /// A reconciliation begins.
    pub(super) fn begin(&mut self, now: Millis, trigger: String, stage: S) {
        self.trigger = trigger;
        self.next = None;
        self.began = now;
        self.stage = Some(stage);
    }

    /// It is over; the next one comes after `pause`.
    pub(super) fn rest(&mut self, now: Millis, pause: Millis) {
        self.stage = None;
        self.next = Some(now + pause);
    }

    /// It went well.
    pub(super) fn succeed(&mut self, now: Millis, interval: Millis) {
        self.failures = 0;
        self.rest(now, interval);
    }

    /// It failed: the controllers' rate limiters begin at 750 ms and double up to 15 minutes (fluxcd/pkg
    /// `runtime/controller/rate_limiter.go`).
    pub(super) fn back_off(&mut self, now: Millis) {
        let pause = (750 << self.failures.min(12)).min(900_000);
        self.failures += 1;
        self.rest(now, pause);
    }
}
