//! kustomize-controller's `Kustomization` (fluxcd/kustomize-controller `internal/controller/kustomization_controller.go`).

mod apply;
mod applying;
mod build;
mod checking;
mod inventory;
mod patches;
mod starting;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::conditions::{conclude, mark};
use super::work::{Work, Works};
use super::{DEPENDENCY, KUSTOMIZE, length, revision, source_key, suspended, wish};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::controllers::{Note, is_leaving};
use crate::kubernetes::store::Key;
use crate::kubernetes::types::Millis;
use crate::kubernetes::value::{at, text};

use applying::Applying;
use checking::Checking;

/// How long unpacking and building take.
const BUILDING: Millis = 600;

/// How far a reconciliation is.
#[derive(Debug)]
pub(super) enum Stage {
    /// The manifests are built.
    Building,
    /// What comes first is applied, and its health waited for.
    First(Box<Applying>),
    /// All is applied, and health is waited for.
    Health(Box<Checking>),
}

/// An object as Flux names it in messages: `Kind/namespace/name`, or `Kind/name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    kind: String,
    namespace: String,
    name: String,
}

impl Subject {
    pub(super) fn of(object: &Value) -> Self {
        let field = |path: &str| text(object, path).to_owned();
        Self { kind: field("/kind"), namespace: field("/metadata/namespace"), name: field("/metadata/name") }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            return write!(f, "{}/{}", self.kind, self.name);
        }
        write!(f, "{}/{}/{}", self.kind, self.namespace, self.name)
    }
}

/// Why a reconciliation failed: a reason and a message.
type Refusal = (&'static str, String);

fn interval(object: &Value) -> Millis {
    length(object, "/spec/interval", 600_000)
}

fn retry_interval(object: &Value) -> Millis {
    length(object, "/spec/retryInterval", interval(object))
}

/// `spec.timeout`, or half a minute less than the interval, but no less than that.
fn timeout(object: &Value) -> Millis {
    length(object, "/spec/timeout", interval(object).saturating_sub(30_000)).max(30_000)
}

impl Kubernetes {
    pub(super) fn run_kustomizations(&mut self) {
        let mut before = std::mem::take(&mut self.flux.kustomizations);
        let mut works = Works::new();
        for (key, object) in self.all_of(KUSTOMIZE, "kustomizations") {
            let uid = text(&object, "/metadata/uid").to_owned();
            let mut work = before.remove(&uid).unwrap_or_default();
            self.kustomization(&key, &object, &uid, &mut work);
            if let Some(next) = work.next {
                self.wake_at(next);
            }
            works.insert(uid, work);
        }
        self.flux.kustomizations = works;
    }

    fn kustomization(&mut self, key: &Key, object: &Arc<Value>, uid: &str, work: &mut Work<Stage>) {
        if is_leaving(object) {
            self.finalize_kustomization(key, object);
            return;
        }
        if self.add_flux_finalizer(key, object) || suspended(object) {
            return;
        }
        let reference = source_key(&object["spec"]["sourceRef"], &key.namespace);
        let source = self.store.get(&reference).cloned();
        let trigger = format!("{} {}", wish(object), source.as_deref().map_or("", revision));
        match work.stage.take() {
            None if work.is_due(self.now, &trigger) => {
                work.begin(self.now, trigger, Stage::Building);
                work.stage = None;
                self.begin_kustomization(key, object, &reference, source.as_deref(), work);
            }
            None => {}
            Some(Stage::Building) => {
                if self.due(uid, "build", BUILDING) {
                    self.reset(uid, "build");
                    self.build_kustomization(key, object, source.as_deref(), work);
                } else {
                    work.stage = Some(Stage::Building);
                }
            }
            Some(Stage::First(applying)) => self.wait_for_first(key, object, uid, applying, work),
            Some(Stage::Health(checking)) if work.trigger != trigger => {
                // Whoever waits for what a newer revision may have mended waits in vain.
                let what =
                    format!("{}/{}/{}", text(object, "/spec/sourceRef/kind"), reference.namespace, reference.name);
                let message = format!("New reconciliation triggered by {what}");
                self.fail_kustomization(key, object, &("HealthCheckCanceled", message), 0, work);
                drop(checking);
            }
            Some(Stage::Health(checking)) => self.check_kustomization(key, object, uid, checking, work),
        }
    }

    /// Ends a reconciliation that failed; the next comes after `pause`.
    fn fail_kustomization(
        &mut self,
        key: &Key,
        object: &Arc<Value>,
        (reason, message): &Refusal,
        pause: Millis,
        work: &mut Work<Stage>,
    ) {
        let stamp = self.stamp();
        self.edit(key, |object| {
            mark(object, "Ready", "False", reason, message, &stamp);
            conclude(object);
        });
        if !["DependencyNotReady", "HealthCheckCanceled"].contains(reason) && pause != DEPENDENCY {
            self.say(object, "Warning", reason, message);
        }
        work.failures += 1;
        work.rest(self.now, pause);
    }

    /// What kustomize-controller has to say about an object.
    fn say(&mut self, object: &Value, kind: &str, reason: &str, message: &str) {
        self.note(object, &Note { kind, reason, message, component: "kustomize-controller" });
    }

    /// An object that goes takes along what it applied, if it prunes.
    fn finalize_kustomization(&mut self, key: &Key, object: &Arc<Value>) {
        let policy = text(object, "/spec/deletionPolicy");
        let prunes = match policy {
            "" | "MirrorPrune" => *at(object, "/spec/prune") == true,
            other => other != "Orphan",
        };
        if prunes && !suspended(object) {
            self.prune(object, &inventory::read(object));
        }
        self.remove_flux_finalizer(key);
    }
}
