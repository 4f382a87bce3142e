//! The health of what was applied: waited for, found or given up.

use std::sync::Arc;

use serde_json::Value;

use super::super::conditions::{conclude, mark};
use super::super::work::Work;
use super::super::{duration, health};
use super::{Stage, interval, retry_interval, timeout};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::store::Key;
use crate::kubernetes::types::Millis;
use crate::kubernetes::value::{set, text};

/// How often health is looked at.
const POLL: Millis = 5_000;

/// Health checks under way.
#[derive(Debug)]
pub(in crate::kubernetes::flux) struct Checking {
    pub(super) subjects: Vec<health::Reference>,
    pub(super) began: Millis,
    pub(super) changed: bool,
}

impl Kubernetes {
    /// The revision a Kustomization is being brought to.
    pub(super) fn attempted(&self, key: &Key) -> String {
        self.store.get(key).map(|object| text(object, "/status/lastAttemptedRevision").to_owned()).unwrap_or_default()
    }

    pub(super) fn check_kustomization(
        &mut self,
        key: &Key,
        object: &Arc<Value>,
        uid: &str,
        checking: Box<Checking>,
        work: &mut Work<Stage>,
    ) {
        let took = duration::show(self.now - checking.began);
        let failed = self.failed(&checking.subjects);
        let waiting = self.not_current(&checking.subjects);
        let late = self.now >= checking.began + timeout(object);
        let stamp = self.stamp();
        if waiting.is_empty() && failed.is_empty() {
            let message = format!("Health check passed in {took}");
            self.edit(key, |object| mark(object, "Healthy", "True", "Succeeded", &message, &stamp));
            if checking.changed {
                self.say(object, "Normal", "Progressing", &message);
            }
            self.reset(uid, "poll");
            self.succeed_kustomization(key, object, work);
        } else if late || !failed.is_empty() {
            let why = if failed.is_empty() {
                format!("timeout waiting for: [{}]", waiting.join(", "))
            } else {
                format!("failed early due to stalled resources: [{}]", failed.join(", "))
            };
            self.edit(key, |object| mark(object, "Healthy", "False", "HealthCheckFailed", &why, &stamp));
            self.reset(uid, "poll");
            let refusal = ("HealthCheckFailed", format!("health check failed after {took}: {why}"));
            self.fail_kustomization(key, object, &refusal, retry_interval(object), work);
        } else {
            if self.due(uid, "poll", POLL) {
                self.reset(uid, "poll");
                self.due(uid, "poll", POLL);
            }
            work.stage = Some(Stage::Health(checking));
        }
    }

    pub(super) fn succeed_kustomization(&mut self, key: &Key, object: &Arc<Value>, work: &mut Work<Stage>) {
        let stamp = self.stamp();
        let revision = self.attempted(key);
        let message = format!("Applied revision: {revision}");
        self.edit(key, |object| {
            set(object, "/status/lastAppliedRevision", revision.as_str());
            mark(object, "Ready", "True", "ReconciliationSucceeded", &message, &stamp);
            conclude(object);
        });
        let took = duration::show(self.now - work.began);
        let message = format!("Reconciliation finished in {took}, next run in {}", duration::show(interval(object)));
        self.say(object, "Normal", "ReconciliationSucceeded", &message);
        work.succeed(self.now, interval(object));
    }
}
