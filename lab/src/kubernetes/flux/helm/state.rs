//! What is to be done about a release, and what its outcome means (fluxcd/helm-controller
//! `internal/reconcile/atomic_release.go`, `state.go`).

use serde_json::Value;

use super::action::{Action, Manner, Verb, shown};
use super::record::{Record, config_digest};
use super::{End, Stage, Target};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::controllers::Note;
use crate::kubernetes::flux::charts::Metadata;
use crate::kubernetes::flux::conditions::{is, mark, part, unmark};
use crate::kubernetes::flux::work::Work;
use crate::kubernetes::flux::{REQUESTED, length};
use crate::kubernetes::store::Key;
use crate::kubernetes::types::Millis;
use crate::kubernetes::value::{at, list, number, set, text};

/// How many entries of the history a status keeps.
const HISTORY: usize = 5;

/// Whether an annotation asks for something together with a request for a reconciliation, and was not answered yet.
pub(super) fn asked(object: &Value, annotation: &str, handled: &str) -> bool {
    let token = text(object, &format!("/metadata/annotations/reconcile.fluxcd.io~1{annotation}"));
    !token.is_empty() && token == text(object, REQUESTED) && token != text(object, &format!("/status/{handled}"))
}

/// The pause of `RetryOnFailure`, if that is the strategy of the latest action.
fn retry(object: &Value) -> Option<Millis> {
    let strategy = format!("/spec/{}/strategy", text(object, "/status/lastAttemptedReleaseAction"));
    (text(object, &format!("{strategy}/name")) == "RetryOnFailure")
        .then(|| length(object, &format!("{strategy}/retryInterval"), 300_000))
}

fn manner(object: &Value, verb: Verb) -> Manner {
    let off = |field: &str| *at(object, &format!("/spec/{}/{field}", verb.word())) == true;
    let timeout = length(object, "/spec/timeout", 300_000);
    Manner {
        wait: !off("disableWait"),
        wait_for_jobs: !off("disableWait") && !off("disableWaitForJobs"),
        hooks: !off("disableHooks"),
        timeout: length(object, &format!("/spec/{}/timeout", verb.word()), timeout),
    }
}

impl Kubernetes {
    /// Decides what is to be done next.
    pub(super) fn decide(&mut self, key: &Key, uid: &str, chart: &Metadata, values: &Value, work: &mut Work<Stage>) {
        let Some(object) = self.store.get(key).cloned() else { return };
        let target = Target::of(key, &object);
        let revisions = self.revisions(&target.storage, &target.name);
        let force = asked(&object, "forceAt", "lastHandledForceAt");
        if force {
            let token = at(&object, REQUESTED).clone();
            self.edit(key, |object| set(object, "/status/lastHandledForceAt", token));
        }
        let (verb, allowed) = match revisions.last() {
            None => (Verb::Install, Self::release_verb_allowed(Verb::Install, &object)),
            Some(last) if last.status == "uninstalled" => {
                (Verb::Install, Self::release_verb_allowed(Verb::Install, &object))
            }
            Some(last) if last.status == "deployed" && !list(&object, "/status/history").is_empty() => {
                let same = last.chart.version == chart.version
                    && last.chart.name == chart.name
                    && config_digest(&last.values) == config_digest(values);
                if same && !force {
                    self.in_sync(key, last, work);
                    return;
                }
                (Verb::Upgrade, Self::release_verb_allowed(Verb::Upgrade, &object))
            }
            Some(_) if list(&object, "/status/history").is_empty() => (Verb::Upgrade, true),
            Some(_) => {
                if self.remediate(key, &object, force, work) {
                    return;
                }
                (Verb::Upgrade, true)
            }
        };
        if !allowed && !force {
            self.stall(key, verb.word(), work);
            return;
        }
        self.act(key, uid, verb, chart, values, &revisions, work);
    }

    /// Nothing is to be done: the conditions say so.
    fn in_sync(&mut self, key: &Key, last: &Record, work: &mut Work<Stage>) {
        let stamp = self.stamp();
        self.edit(key, |object| {
            if is(object, "Remediated") || !is(object, "Released") {
                unmark(object, "Remediated");
                let verb =
                    if last.revision == 1 { ("InstallSucceeded", "install") } else { ("UpgradeSucceeded", "upgrade") };
                let message = format!(
                    "Helm {} succeeded for release {} with chart {}",
                    verb.1,
                    last.full_name(),
                    last.chart_name()
                );
                mark(object, "Released", "True", verb.0, &message, &stamp);
            }
            let released = ["reason", "message"].map(|field| part(object, "Released", field).to_owned());
            unmark(object, "Stalled");
            mark(object, "Ready", "True", &released[0], &released[1], &stamp);
        });
        self.end_release(key, End::Done, work);
    }

    /// A release that has failed: true when it is not to be upgraded now.
    fn remediate(&mut self, key: &Key, object: &Value, force: bool, work: &mut Work<Stage>) -> bool {
        if retry(object).is_some() || force {
            return false;
        }
        let action = text(object, "/status/lastAttemptedReleaseAction").to_owned();
        let verb = if action == "upgrade" { Verb::Upgrade } else { Verb::Install };
        if number(object, &format!("/status/{action}Failures")) == 0 {
            return false;
        }
        let remediation = format!("/spec/{}/remediation", verb.word());
        let retries = number(object, &format!("{remediation}/retries"));
        let last_too = at(object, &format!("{remediation}/remediateLastFailure"))
            .as_bool()
            .unwrap_or(verb == Verb::Upgrade && retries > 0);
        if !Self::release_verb_allowed(verb, object) && !last_too {
            self.stall(key, verb.word(), work);
            return true;
        }
        if verb == Verb::Upgrade && text(object, &format!("{remediation}/strategy")) != "uninstall" {
            self.roll_back(key, object, work);
        } else {
            self.uninstall_failed(key, object, work);
        }
        true
    }

    /// The remediation of a failed installation: everything of the release goes.
    fn uninstall_failed(&mut self, key: &Key, object: &Value, work: &mut Work<Stage>) {
        let target = Target::of(key, object);
        let Some(gone) = self.uninstall(&target.storage, &target.name) else { return };
        let message = format!(
            "Helm uninstall remediation for release {} with chart {} succeeded",
            gone.full_name(),
            gone.chart_name()
        );
        self.remediated(key, "UninstallSucceeded", &message, work);
    }

    /// The remediation of a failed upgrade: the objects of the revision before.
    fn roll_back(&mut self, key: &Key, object: &Value, work: &mut Work<Stage>) {
        let target = Target::of(key, object);
        let revisions = self.revisions(&target.storage, &target.name);
        let good = revisions
            .iter()
            .rev()
            .find(|revision| ["deployed", "superseded"].contains(&revision.status.as_str()))
            .cloned();
        let (Some(good), Some(failed)) = (good, revisions.last()) else {
            let stamp = self.stamp();
            let why =
                "Failed to perform remediation: missing target release for rollback: cannot remediate failed release";
            self.edit(key, |object| mark(object, "Stalled", "True", "MissingRollbackTarget", why, &stamp));
            self.end_release(key, End::Stalled, work);
            return;
        };
        let record = Record { revision: failed.revision + 1, ..good.clone() };
        let outcome = self
            .begin_action(Verb::Rollback, record, failed.objects.clone(), manner(object, Verb::Rollback))
            .and_then(|mut action| {
                let outcome = self.drive(text(object, "/metadata/uid"), &mut action).unwrap_or(Ok(()));
                self.end_action(&mut action, &outcome);
                outcome.map(|()| action.record)
            });
        match outcome {
            Ok(record) => {
                let message = format!(
                    "Helm rollback to previous release {} with chart {} succeeded",
                    good.full_name(),
                    record.chart_name()
                );
                self.edit(key, |object| remember(object, &record, "rollback-remediation"));
                self.remediated(key, "RollbackSucceeded", &message, work);
            }
            Err(why) => {
                let message = format!(
                    "Helm rollback to previous release {} with chart {} failed: {why}",
                    good.full_name(),
                    good.chart_name()
                );
                self.remediated(key, "RollbackFailed", &message, work);
            }
        }
    }

    fn remediated(&mut self, key: &Key, reason: &str, message: &str, work: &mut Work<Stage>) {
        let stamp = self.stamp();
        let good = reason.ends_with("Succeeded");
        self.edit(key, |object| {
            mark(object, "Remediated", if good { "True" } else { "False" }, reason, message, &stamp);
            mark(object, "Ready", "False", reason, message, &stamp);
            mark(object, "Reconciling", "True", "ProgressingWithRetry", message, &stamp);
        });
        if let Some(object) = self.store.get(key).cloned() {
            let kind = if good { "Normal" } else { "Warning" };
            self.note(&object, &Note { kind, reason, message, component: "helm-controller" });
            let verb = if text(&object, "/status/lastAttemptedReleaseAction") == "upgrade" {
                Verb::Upgrade
            } else {
                Verb::Install
            };
            if !Self::release_verb_allowed(verb, &object) {
                self.stall(key, verb.word(), work);
                return;
            }
        }
        self.end_release(key, End::AtOnce, work);
    }

    /// No more attempts are left.
    fn stall(&mut self, key: &Key, verb: &str, work: &mut Work<Stage>) {
        let stamp = self.stamp();
        self.edit(key, |object| {
            let failures = number(object, &format!("/status/{verb}Failures"));
            let message = format!("Failed to {verb} after {failures} attempt(s)");
            mark(object, "Stalled", "True", "RetriesExceeded", &message, &stamp);
        });
        self.end_release(key, End::Stalled, work);
    }

    #[expect(clippy::too_many_arguments, reason = "what an action is made of")]
    fn act(
        &mut self,
        key: &Key,
        uid: &str,
        verb: Verb,
        chart: &Metadata,
        values: &Value,
        revisions: &[Record],
        work: &mut Work<Stage>,
    ) {
        let Some(object) = self.store.get(key).cloned() else { return };
        let (target, manner, stamp) = (Target::of(key, &object), manner(&object, verb), self.stamp());
        let message = format!("Running '{}' action with timeout of {}", verb.word(), shown(manner.timeout));
        self.edit(key, |object| {
            mark(object, "Reconciling", "True", "Progressing", &message, &stamp);
            mark(object, "Ready", "Unknown", "Progressing", &message, &stamp);
            set(object, "/status/lastAttemptedReleaseAction", verb.word());
            if verb == Verb::Install {
                set(object, "/status/history", Vec::<Value>::new());
                unmark(object, "Remediated");
            }
        });
        if verb == Verb::Install && *at(&object, "/spec/install/createNamespace") == true {
            self.ensure_namespace(&target.namespace);
        }
        let last = revisions.last();
        let record = Record {
            name: target.name,
            namespace: target.namespace,
            storage: target.storage,
            revision: last.map_or(0, |last| last.revision) + 1,
            status: String::new(),
            chart: chart.clone(),
            values: values.clone(),
            objects: Vec::new(),
            first: last.map_or_else(|| stamp.clone(), |last| last.first.clone()),
            last: stamp,
            description: "Initial install underway".to_owned(),
        };
        // What a failed revision has left is there all the same: both count as what was before.
        let mut previous: Vec<Value> = last.map(|last| last.objects.clone()).unwrap_or_default();
        if let Some(deployed) = revisions.iter().rev().find(|revision| revision.status == "deployed") {
            let more = deployed.objects.iter().filter(|object| !previous.contains(object)).cloned().collect::<Vec<_>>();
            previous.extend(more);
        }
        let name = (record.namespace.clone(), record.name.clone());
        match self.begin_action(verb, record, previous, manner) {
            Ok(action) => self.go_on(key, uid, Box::new(action), work),
            Err(why) => {
                self.failed_release(key, verb, &name, chart, &why);
                let pause = self.store.get(key).and_then(|object| retry(object));
                self.pause_for_retry(key, pause, work);
            }
        }
    }

    /// After a failure with nothing in the storage, or one that is retried: the next attempt.
    fn pause_for_retry(&mut self, key: &Key, pause: Option<Millis>, work: &mut Work<Stage>) {
        let stamp = self.stamp();
        self.edit(key, |object| {
            let message = pause.map_or_else(
                || part(object, "Ready", "message").to_owned(),
                |pause| format!("retrying after {}", shown(pause)),
            );
            mark(object, "Reconciling", "True", "ProgressingWithRetry", &message, &stamp);
        });
        self.end_release(key, pause.map_or(End::BackOff, End::After), work);
    }

    /// Lets helm go on, and draws the conclusions when it is done.
    pub(super) fn go_on(&mut self, key: &Key, uid: &str, mut action: Box<Action>, work: &mut Work<Stage>) {
        let Some(outcome) = self.drive(uid, &mut action) else {
            work.stage = Some(Stage::Acting(action));
            return;
        };
        self.reset(uid, "helm");
        self.end_action(&mut action, &outcome);
        let (record, verb) = (&action.record, action.verb);
        self.edit(key, |object| remember(object, record, verb.word()));
        match outcome {
            Ok(()) => self.succeeded_release(key, record, verb, work),
            Err(why) => {
                self.failed_release(key, verb, &(record.namespace.clone(), record.name.clone()), &record.chart, &why);
                let field = format!("/status/{}Failures", verb.word());
                self.edit(key, |object| {
                    let failures = number(object, &field);
                    set(object, &field, failures + 1);
                });
                let Some(object) = self.store.get(key).cloned() else { return };
                match retry(&object) {
                    Some(pause) => self.pause_for_retry(key, Some(pause), work),
                    // The remediation follows in the same reconciliation, or there is none.
                    None if self.remediate(key, &object, false, work) => {}
                    None => self.end_release(key, End::AtOnce, work),
                }
            }
        }
    }

    fn succeeded_release(&mut self, key: &Key, record: &Record, verb: Verb, work: &mut Work<Stage>) {
        let stamp = self.stamp();
        let reason = if verb == Verb::Install { "InstallSucceeded" } else { "UpgradeSucceeded" };
        let message = format!(
            "Helm {} succeeded for release {} with chart {}",
            verb.word(),
            record.full_name(),
            record.chart_name()
        );
        self.edit(key, |object| {
            for kind in ["Remediated", "Stalled"] {
                unmark(object, kind);
            }
            if retry(object).is_some() {
                for field in ["failures", "installFailures", "upgradeFailures"] {
                    crate::kubernetes::value::remove(object, &format!("/status/{field}"));
                }
            }
            mark(object, "Released", "True", reason, &message, &stamp);
            mark(object, "Ready", "True", reason, &message, &stamp);
        });
        if let Some(object) = self.store.get(key).cloned() {
            self.note(&object, &Note { kind: "Normal", reason, message: &message, component: "helm-controller" });
        }
        self.end_release(key, End::Done, work);
    }

    fn failed_release(
        &mut self,
        key: &Key,
        verb: Verb,
        (namespace, name): &(String, String),
        chart: &Metadata,
        why: &str,
    ) {
        let stamp = self.stamp();
        let reason = if verb == Verb::Install { "InstallFailed" } else { "UpgradeFailed" };
        let message = format!(
            "Helm {} failed for release {namespace}/{name} with chart {}@{}: {}",
            verb.word(),
            chart.name,
            chart.version,
            why.trim()
        );
        self.edit(key, |object| {
            let failures = number(object, "/status/failures");
            set(object, "/status/failures", failures + 1);
            mark(object, "Released", "False", reason, &message, &stamp);
            mark(object, "Ready", "False", reason, &message, &stamp);
        });
        if let Some(object) = self.store.get(key).cloned() {
            self.note(&object, &Note { kind: "Warning", reason, message: &message, component: "helm-controller" });
        }
    }
}

/// Puts a revision at the head of the history; a first one is all there is.
fn remember(object: &mut Value, record: &Record, action: &str) {
    let mut history = list(object, "/status/history").to_vec();
    for entry in history.iter_mut().filter(|entry| entry["status"] == "deployed") {
        entry["status"] = "superseded".into();
    }
    history.retain(|entry| entry["version"] != record.revision);
    history.insert(0, record.snapshot(action));
    history.truncate(HISTORY);
    set(object, "/status/history", history);
}
