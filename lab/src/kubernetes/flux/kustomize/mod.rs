//! kustomize-controller's `Kustomization` (fluxcd/kustomize-controller `internal/controller/kustomization_controller.go`).

mod apply;
mod build;
mod inventory;
mod patches;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::conditions::{conclude, is, mark, unmark};
use super::health;
use super::work::{Work, Works};
use super::{DEPENDENCY, KUSTOMIZE, duration, length, revision, source_key, suspended, wish};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::controllers::{Note, is_leaving};
use crate::kubernetes::store::Key;
use crate::kubernetes::types::Millis;
use crate::kubernetes::value::{at, entries, list, number, remove, set, text};

use inventory::Entry;

/// How long unpacking and building take.
const BUILDING: Millis = 600;
/// How often health is looked at.
const POLL: Millis = 5_000;
/// How often definitions that were just applied are looked at.
const ESTABLISHING: Millis = 2_000;

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

/// An application under way.
#[derive(Debug)]
pub(super) struct Applying {
    /// All objects, in order.
    objects: Vec<Value>,
    changes: Vec<(String, apply::Action)>,
}

/// Health checks under way.
#[derive(Debug)]
pub(super) struct Checking {
    subjects: Vec<health::Reference>,
    began: Millis,
    changed: bool,
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

/// Sets one label or annotation.
fn label(object: &mut Value, place: &str, name: &str, value: &Value) {
    crate::kubernetes::value::object(object, &format!("/metadata/{place}")).insert(name.to_owned(), value.clone());
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

    fn begin_kustomization(
        &mut self,
        key: &Key,
        object: &Arc<Value>,
        reference: &Key,
        source: Option<&Value>,
        work: &mut Work<Stage>,
    ) {
        let Some(source) = source else {
            let what = crate::kubernetes::status::qualified(&reference.group, &reference.resource);
            let why = format!("{what} \"{}\" not found", reference.name);
            self.fail_kustomization(key, object, &("ArtifactFailed", why), retry_interval(object), work);
            return;
        };
        if revision(source).is_empty() {
            let why = format!("Source artifact not found, retrying in {}", duration::show(DEPENDENCY));
            self.fail_kustomization(key, object, &("ArtifactFailed", why), DEPENDENCY, work);
            return;
        }
        if let Err(why) = self.dependencies(key, object, reference, revision(source)) {
            let message =
                format!("Dependencies do not meet ready condition, retrying in {}", duration::show(DEPENDENCY));
            let note = Note {
                kind: "Normal",
                reason: "DependencyNotReady",
                message: &message,
                component: "kustomize-controller",
            };
            self.note(object, &note);
            self.fail_kustomization(key, object, &("DependencyNotReady", why), DEPENDENCY, work);
            return;
        }
        let progress = format!(
            "Fetching manifests for revision {} with a timeout of {}",
            revision(source),
            duration::show(timeout(object))
        );
        let stamp = self.stamp();
        self.edit(key, |object| {
            mark(object, "Reconciling", "True", "Progressing", &progress, &stamp);
            mark(object, "Ready", "Unknown", "Progressing", "Reconciliation in progress", &stamp);
        });
        self.due(text(object, "/metadata/uid"), "build", BUILDING);
        work.stage = Some(Stage::Building);
    }

    /// Whether all of `dependsOn` is ready, and at the same revision where it has the same source.
    fn dependencies(&self, key: &Key, object: &Value, source: &Key, revision: &str) -> Result<(), String> {
        for dependency in list(object, "/spec/dependsOn") {
            let namespace = match text(dependency, "/namespace") {
                "" => key.namespace.as_str(),
                other => other,
            };
            let name = text(dependency, "/name");
            let shown = format!("{namespace}/{name}");
            let found = self.store.get(&Key::new(KUSTOMIZE, "kustomizations", namespace, name));
            let found = found.ok_or_else(|| {
                format!(
                    "dependency '{shown}' not found: kustomizations.kustomize.toolkit.fluxcd.io \"{name}\" not found"
                )
            })?;
            if !is(found, "Ready")
                || number(found, "/metadata/generation") != number(found, "/status/observedGeneration")
            {
                return Err(format!("dependency '{shown}' is not ready"));
            }
            let same = source_key(&found["spec"]["sourceRef"], namespace) == *source;
            if same && text(found, "/status/lastAppliedRevision") != revision {
                return Err(format!("dependency '{shown}' revision is not up to date"));
            }
        }
        Ok(())
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
            self.note(object, &Note { kind: "Warning", reason, message, component: "kustomize-controller" });
        }
        work.failures += 1;
        work.rest(self.now, pause);
    }

    /// Builds, and applies what comes first.
    fn build_kustomization(&mut self, key: &Key, object: &Arc<Value>, source: Option<&Value>, work: &mut Work<Stage>) {
        let Some((source, tree)) = source.and_then(|source| {
            let tree = self.flux.trees.get(text(source, "/metadata/uid"))?;
            Some((source, Arc::clone(tree)))
        }) else {
            let why = format!("Source is not ready, artifact not found, retrying in {}", duration::show(DEPENDENCY));
            self.fail_kustomization(key, object, &("ArtifactFailed", why), DEPENDENCY, work);
            return;
        };
        let revision = revision(source).to_owned();
        let (work_dir, folder) = (
            format!("/tmp/kustomization-{}", number(object, "/metadata/generation")),
            build::normal(text(object, "/spec/path")),
        );
        if !build::is_folder(&tree.files, &folder) {
            let why = format!("kustomization path not found: stat {work_dir}/{folder}: no such file or directory");
            self.fail_kustomization(key, object, &("ArtifactFailed", why), retry_interval(object), work);
            return;
        }
        let stamp = self.stamp();
        let progress =
            format!("Building manifests for revision {revision} with a timeout of {}", duration::show(timeout(object)));
        self.edit(key, |object| {
            set(object, "/status/lastAttemptedRevision", revision.as_str());
            mark(object, "Reconciling", "True", "Progressing", &progress, &stamp);
        });
        let built = build::build(&tree.files, &folder, &work_dir).and_then(|objects| completed(key, object, objects));
        match built {
            Err(why) => self.fail_kustomization(key, object, &("BuildFailed", why), retry_interval(object), work),
            Ok(objects) => {
                let applying = Box::new(Applying { objects, changes: Vec::new() });
                self.apply_first(key, object, applying, work);
            }
        }
    }

    /// Applies those of the objects that come first, or the others; each kind of error ends the reconciliation.
    fn apply_part(&mut self, applying: &mut Applying, first: bool) -> Result<(), Refusal> {
        let part: Vec<Value> =
            applying.objects.iter().filter(|object| apply::comes_first(object) == first).cloned().collect();
        let ignored =
            |object: &Value| apply::says(object, "reconcile", "disabled") || apply::says(object, "ssa", "Ignore");
        let outcome =
            part.iter().filter(|object| !ignored(object)).try_for_each(|object| self.flux_dry_run(object)).and_then(
                |()| {
                    for object in &part {
                        let action = if ignored(object) { "skipped" } else { self.flux_apply(object)? };
                        applying.changes.push((Subject::of(object).to_string(), action));
                    }
                    Ok(())
                },
            );
        outcome.map_err(|why| ("ReconciliationFailed", format!("{why}\n{}", said(&applying.changes))))
    }

    fn apply_first(&mut self, key: &Key, object: &Arc<Value>, mut applying: Box<Applying>, work: &mut Work<Stage>) {
        match self.apply_part(&mut applying, true) {
            Err(refusal) => self.fail_kustomization(key, object, &refusal, retry_interval(object), work),
            Ok(()) => self.wait_for_first(key, object, text(object, "/metadata/uid"), applying, work),
        }
    }

    /// Definitions must be established before their objects can be applied.
    fn wait_for_first(
        &mut self,
        key: &Key,
        object: &Arc<Value>,
        uid: &str,
        mut applying: Box<Applying>,
        work: &mut Work<Stage>,
    ) {
        let first = applying.objects.iter().filter(|object| apply::comes_first(object)).map(health::Reference::of);
        let first: Vec<health::Reference> = first.collect();
        let waiting = self.unhealthy(&first);
        if !waiting.is_empty() {
            if self.now >= work.began + timeout(object) {
                let why = format!("timeout waiting for: [{}]", waiting.join(", "));
                self.fail_kustomization(key, object, &("ReconciliationFailed", why), retry_interval(object), work);
            } else {
                if self.due(uid, "establish", ESTABLISHING) {
                    self.reset(uid, "establish");
                    self.due(uid, "establish", ESTABLISHING);
                }
                work.stage = Some(Stage::First(applying));
            }
            return;
        }
        self.reset(uid, "establish");
        match self.apply_part(&mut applying, false) {
            Err(refusal) => self.fail_kustomization(key, object, &refusal, retry_interval(object), work),
            Ok(()) => self.applied(key, object, &applying, work),
        }
    }

    /// All is applied: what is no longer said goes, and health is looked at.
    fn applied(&mut self, key: &Key, object: &Arc<Value>, applying: &Applying, work: &mut Work<Stage>) {
        let changed: Vec<(String, apply::Action)> =
            applying.changes.iter().filter(|(_, action)| ["created", "configured"].contains(action)).cloned().collect();
        if !changed.is_empty() {
            let message = said(&changed).trim_end().to_owned();
            let note =
                Note { kind: "Normal", reason: "Progressing", message: &message, component: "kustomize-controller" };
            self.note(object, &note);
        }
        let new: Vec<Entry> = applying.objects.iter().map(Entry::of).collect();
        let stale: Vec<Entry> =
            inventory::read(object).into_iter().filter(|old| !new.iter().any(|entry| entry.same(old))).collect();
        self.edit(key, |object| inventory::write(object, &new));
        if *at(object, "/spec/prune") == true {
            self.prune(object, &stale);
        }
        let subjects: Vec<health::Reference> = if *at(object, "/spec/wait") == true {
            applying.objects.iter().map(health::Reference::of).collect()
        } else {
            list(object, "/spec/healthChecks")
                .iter()
                .map(|check| health::Reference::named(check, &key.namespace))
                .collect()
        };
        let subjects: Vec<health::Reference> =
            subjects.into_iter().filter(|subject| !subject.is(key, "Kustomization")).collect();
        if subjects.is_empty() {
            self.edit(key, |object| unmark(object, "Healthy"));
            self.succeed_kustomization(key, object, work);
            return;
        }
        let revision = self.attempted(key);
        let message = format!(
            "Running health checks for revision {revision} with a timeout of {}",
            duration::show(timeout(object))
        );
        let stamp = self.stamp();
        self.edit(key, |object| {
            mark(object, "Reconciling", "True", "Progressing", &message, &stamp);
            mark(object, "Healthy", "Unknown", "Progressing", &message, &stamp);
        });
        let checking = Box::new(Checking { subjects, began: self.now, changed: !changed.is_empty() });
        self.check_kustomization(key, object, text(object, "/metadata/uid"), checking, work);
    }

    fn attempted(&self, key: &Key) -> String {
        self.store.get(key).map(|object| text(object, "/status/lastAttemptedRevision").to_owned()).unwrap_or_default()
    }

    fn check_kustomization(
        &mut self,
        key: &Key,
        object: &Arc<Value>,
        uid: &str,
        checking: Box<Checking>,
        work: &mut Work<Stage>,
    ) {
        let took = duration::show(self.now - checking.began);
        let failed = self.failed(&checking.subjects);
        let waiting = self.unhealthy(&checking.subjects);
        let late = self.now >= checking.began + timeout(object);
        let stamp = self.stamp();
        if waiting.is_empty() && failed.is_empty() {
            let message = format!("Health check passed in {took}");
            self.edit(key, |object| mark(object, "Healthy", "True", "Succeeded", &message, &stamp));
            if checking.changed {
                let note = Note {
                    kind: "Normal",
                    reason: "Progressing",
                    message: &message,
                    component: "kustomize-controller",
                };
                self.note(object, &note);
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

    fn succeed_kustomization(&mut self, key: &Key, object: &Arc<Value>, work: &mut Work<Stage>) {
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
        let note = Note {
            kind: "Normal",
            reason: "ReconciliationSucceeded",
            message: &message,
            component: "kustomize-controller",
        };
        self.note(object, &note);
        work.succeed(self.now, interval(object));
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

/// What `spec` does to the built objects: patches, namespace, metadata, the labels that say whose they are.
fn completed(key: &Key, object: &Value, mut objects: Vec<Value>) -> Result<Vec<Value>, String> {
    for patch in list(object, "/spec/patches") {
        patches::apply(&mut objects, patch).map_err(|why| format!("kustomize build failed: {why}"))?;
    }
    let namespace = text(object, "/spec/targetNamespace");
    for built in &mut objects {
        if !namespace.is_empty() {
            build::move_to(built, namespace);
        }
        for place in ["labels", "annotations"] {
            for (name, value) in entries(object, &format!("/spec/commonMetadata/{place}")) {
                label(built, place, name, value);
            }
        }
        label(built, "labels", "kustomize.toolkit.fluxcd.io/name", &key.name.as_str().into());
        label(built, "labels", "kustomize.toolkit.fluxcd.io/namespace", &key.namespace.as_str().into());
        remove(built, "/metadata/creationTimestamp");
    }
    apply::sort(&mut objects);
    Ok(objects)
}

/// `Kind/namespace/name action`, a line each.
fn said(changes: &[(String, apply::Action)]) -> String {
    changes
        .iter()
        .filter(|(_, action)| *action != "unchanged")
        .map(|(subject, action)| format!("{subject} {action}\n"))
        .collect()
}
