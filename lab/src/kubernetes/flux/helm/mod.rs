//! helm-controller's `HelmRelease` (fluxcd/helm-controller `internal/controller/helmrelease_controller.go`,
//! `internal/reconcile`).

mod action;
mod chart;
mod record;
mod state;
mod values;

use std::sync::Arc;

use serde_json::Value;

use super::charts::Metadata;
use super::conditions::{is, mark, unmark};
use super::work::{Work, Works};
use super::{DEPENDENCY, HELM, length, revision, suspended, wish};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::controllers::{Note, is_leaving};
use crate::kubernetes::store::Key;
use crate::kubernetes::types::Millis;
use crate::kubernetes::value::{at, list, number, set, text};

use action::{Action, Verb};

/// How long loading the chart and composing the values takes.
const LOADING: Millis = 800;

/// How far a reconciliation is.
#[derive(Debug)]
pub(super) enum Stage {
    /// Chart and values are loaded.
    Loading,
    /// Helm works.
    Acting(Box<Action>),
}

/// How a reconciliation ends: when the next begins, and whether the generation counts as observed.
#[derive(Debug, Clone, Copy)]
enum End {
    /// All is as wanted.
    Done,
    /// It failed and is tried again after so long, which the object says; its generation was observed.
    After(Millis),
    /// It failed and is tried again with growing pauses.
    BackOff,
    /// It waits for something.
    Wait,
    /// The next step follows at once.
    AtOnce,
    /// Nothing more happens before something changes.
    Stalled,
}

/// Where a release is to be: its name, namespace, and the namespace of its Secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    name: String,
    namespace: String,
    storage: String,
}

impl Target {
    fn of(key: &Key, object: &Value) -> Self {
        let or = |path: &str, otherwise: &str| match text(object, path) {
            "" => otherwise.to_owned(),
            given => given.to_owned(),
        };
        let target = text(object, "/spec/targetNamespace");
        // Without a name the target's namespace becomes part of it.
        let name = if target.is_empty() { key.name.clone() } else { format!("{target}-{}", key.name) };
        Self {
            name: or("/spec/releaseName", &name),
            namespace: or("/spec/targetNamespace", &key.namespace),
            storage: or("/spec/storageNamespace", &key.namespace),
        }
    }
}

fn interval(object: &Value) -> Millis {
    length(object, "/spec/interval", 300_000)
}

impl Kubernetes {
    pub(super) fn run_helm_releases(&mut self) {
        let mut before = std::mem::take(&mut self.flux.releases);
        let mut works = Works::new();
        for (key, object) in self.all_of(HELM, "helmreleases") {
            let uid = text(&object, "/metadata/uid").to_owned();
            let mut work = before.remove(&uid).unwrap_or_default();
            self.helm_release(&key, &object, &uid, &mut work);
            if let Some(next) = work.next {
                self.wake_at(next);
            }
            works.insert(uid, work);
        }
        self.flux.releases = works;
    }

    fn helm_release(&mut self, key: &Key, object: &Arc<Value>, uid: &str, work: &mut Work<Stage>) {
        if is_leaving(object) {
            self.finalize_release(key, object);
            return;
        }
        if self.add_flux_finalizer(key, object) {
            return;
        }
        // What was begun before it was suspended comes to its end.
        if suspended(object) && work.stage.is_none() {
            // Nothing is due before its spec is another one.
            work.next = None;
            let generation = number(object, "/metadata/generation");
            if number(object, "/status/observedGeneration") != generation {
                self.edit(key, |object| set(object, "/status/observedGeneration", generation));
            }
            return;
        }
        match work.stage.take() {
            None => {
                let trigger = self.release_trigger(key, object);
                if !work.is_due(self.now, &trigger) {
                    return;
                }
                let chart = self.sync_chart(key, object);
                work.begin(self.now, self.release_trigger(key, object), Stage::Loading);
                let stamp = self.stamp();
                self.edit(key, |object| {
                    set(object, "/status/helmChart", format!("{}/{}", chart.namespace, chart.name));
                    mark(object, "Reconciling", "True", "Progressing", "Fulfilling prerequisites", &stamp);
                });
                self.due(uid, "load", LOADING);
            }
            Some(Stage::Loading) => {
                if self.due(uid, "load", LOADING) {
                    self.reset(uid, "load");
                    self.load_release(key, uid, work);
                } else {
                    work.stage = Some(Stage::Loading);
                }
            }
            Some(Stage::Acting(action)) => self.go_on(key, uid, action, work),
        }
    }

    /// What makes helm-controller look again: the object, its chart, and references that ask to be watched.
    fn release_trigger(&self, key: &Key, object: &Value) -> String {
        let chart = self.store.get(&chart::key_of(key, object));
        let mut parts = vec![wish(object), chart.map_or("", |chart| revision(chart)).to_owned()];
        for reference in list(object, "/spec/valuesFrom") {
            let plural = if text(reference, "/kind") == "Secret" { "secrets" } else { "configmaps" };
            let Some(found) = self.store.get(&Key::core(plural, &key.namespace, text(reference, "/name"))) else {
                continue;
            };
            if text(found, "/metadata/labels/reconcile.fluxcd.io~1watch") == "Enabled" {
                parts.push(text(found, "/metadata/resourceVersion").to_owned());
            }
        }
        parts.join(" ")
    }

    /// Loads chart and values, and decides what is to be done.
    fn load_release(&mut self, key: &Key, uid: &str, work: &mut Work<Stage>) {
        let Some(object) = self.store.get(key).cloned() else { return };
        if let Err(why) = self.release_dependencies(key, &object) {
            self.note(
                &object,
                &Note { kind: "Normal", reason: "DependencyNotReady", message: &why, component: "helm-controller" },
            );
            self.refuse_release(key, "DependencyNotReady", &why, End::Wait, work);
            return;
        }
        let chart = match self.ready_chart(key, &object) {
            Ok(chart) => chart,
            Err(why) => {
                self.refuse_release(key, "SourceNotReady", &why, End::Wait, work);
                return;
            }
        };
        let values = match self.release_values(&key.namespace, &object) {
            Ok(values) => values,
            Err(why) => {
                self.note(
                    &object,
                    &Note { kind: "Warning", reason: "ValuesError", message: &why, component: "helm-controller" },
                );
                self.refuse_release(key, "ValuesError", &why, End::BackOff, work);
                return;
            }
        };
        self.leave_old_target(key, &object);
        self.note_attempt(key, &chart, &values);
        self.decide(key, uid, &chart, &values, work);
    }

    fn release_dependencies(&self, key: &Key, object: &Value) -> Result<(), String> {
        for dependency in list(object, "/spec/dependsOn") {
            let namespace = match text(dependency, "/namespace") {
                "" => key.namespace.as_str(),
                other => other,
            };
            let name = format!("{namespace}/{}", text(dependency, "/name"));
            let found = self.store.get(&Key::new(HELM, "helmreleases", namespace, text(dependency, "/name")));
            let found = found.ok_or_else(|| {
                format!("unable to get '{name}' dependency: helmreleases.helm.toolkit.fluxcd.io not found")
            })?;
            if number(found, "/metadata/generation") != number(found, "/status/observedGeneration")
                || !is(found, "Ready")
            {
                return Err(format!("dependency '{name}' is not ready"));
            }
        }
        Ok(())
    }

    /// A release that is to be elsewhere is first deleted where it was.
    fn leave_old_target(&mut self, key: &Key, object: &Value) {
        let latest = at(object, "/status/history/0");
        if latest.is_null() {
            return;
        }
        let target = Target::of(key, object);
        let storage = text(object, "/status/storageNamespace").to_owned();
        let old = (text(latest, "/name").to_owned(), text(latest, "/namespace"));
        let moved =
            old.0 != target.name || old.1 != target.namespace || !storage.is_empty() && storage != target.storage;
        if moved {
            self.uninstall(if storage.is_empty() { &key.namespace } else { &storage }, &old.0);
            self.edit(key, |object| {
                set(object, "/status/history", Vec::<Value>::new());
                for field in ["failures", "installFailures", "upgradeFailures"] {
                    set(object, &format!("/status/{field}"), 0);
                }
            });
        }
    }

    /// Ends a reconciliation that did not come to helm.
    fn refuse_release(&mut self, key: &Key, reason: &str, message: &str, end: End, work: &mut Work<Stage>) {
        let stamp = self.stamp();
        self.edit(key, |object| mark(object, "Ready", "False", reason, message, &stamp));
        self.end_release(key, end, work);
    }

    /// Ends a reconciliation.
    fn end_release(&mut self, key: &Key, end: End, work: &mut Work<Stage>) {
        let observed = matches!(end, End::Done | End::After(_) | End::Stalled);
        self.edit(key, |object| {
            let requested = at(object, super::REQUESTED).clone();
            if !requested.is_null() {
                set(object, "/status/lastHandledReconcileAt", requested);
            }
            if observed {
                let generation = number(object, "/metadata/generation");
                set(object, "/status/observedGeneration", generation);
            }
            if matches!(end, End::Done | End::Stalled) {
                unmark(object, "Reconciling");
            }
        });
        let pause = self.store.get(key).map_or(DEPENDENCY, |object| interval(object));
        match end {
            End::Done | End::Stalled => work.succeed(self.now, pause),
            End::After(pause) => work.rest(self.now, pause),
            End::BackOff => work.back_off(self.now),
            End::Wait => work.rest(self.now, DEPENDENCY),
            End::AtOnce => work.rest(self.now, 0),
        }
    }

    fn finalize_release(&mut self, key: &Key, object: &Value) {
        if !suspended(object) {
            let target = Target::of(key, object);
            let storage = match text(object, "/status/storageNamespace") {
                "" => target.storage,
                storage => storage.to_owned(),
            };
            let name = match text(object, "/status/history/0/name") {
                "" => target.name,
                name => name.to_owned(),
            };
            self.uninstall(&storage, &name);
            let chart = chart::key_of(key, object);
            if at(object, "/spec/chartRef").is_null() {
                self.discard(&chart, crate::kubernetes::options::Propagation::Background, None);
            }
        }
        self.remove_flux_finalizer(key);
    }

    /// What the status remembers of an attempt; the counters begin anew with a new cause.
    fn note_attempt(&mut self, key: &Key, chart: &Metadata, values: &Value) {
        let digest = record::config_digest(values);
        self.edit(key, |object| {
            let generation = number(object, "/metadata/generation");
            let reset = state::asked(object, "resetAt", "lastHandledResetAt");
            let fresh = number(object, "/status/lastAttemptedGeneration") != generation
                || text(object, "/status/lastAttemptedRevision") != chart.version
                || text(object, "/status/lastAttemptedConfigDigest") != digest;
            if fresh || reset {
                for field in ["failures", "installFailures", "upgradeFailures"] {
                    crate::kubernetes::value::remove(object, &format!("/status/{field}"));
                }
            }
            if reset {
                let token = at(object, super::REQUESTED).clone();
                set(object, "/status/lastHandledResetAt", token);
            }
            let target = Target::of(key, object);
            set(object, "/status/storageNamespace", target.storage);
            set(object, "/status/lastAttemptedGeneration", generation);
            set(object, "/status/lastAttemptedRevision", chart.version.as_str());
            set(object, "/status/lastAttemptedConfigDigest", digest);
        });
    }

    fn release_verb_allowed(verb: Verb, object: &Value) -> bool {
        let retries = number(object, &format!("/spec/{}/remediation/retries", verb.word()));
        let failures = number(object, &format!("/status/{}Failures", verb.word()));
        retries < 0 || failures <= retries
    }
}
