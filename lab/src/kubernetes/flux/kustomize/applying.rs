//! What a revision says is built, and applied in two parts: what defines kinds and namespaces comes first.

use std::sync::Arc;

use serde_json::Value;

use super::super::conditions::{mark, unmark};
use super::super::health;
use super::super::work::Work;
use super::super::{DEPENDENCY, duration, revision};
use super::checking::Checking;
use super::inventory::Entry;
use super::{Refusal, Stage, Subject, apply, build, inventory, patches, retry_interval, timeout};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::store::Key;
use crate::kubernetes::types::Millis;
use crate::kubernetes::value::{at, entries, list, number, remove, set, text};

/// How often definitions that were just applied are looked at.
const ESTABLISHING: Millis = 2_000;

/// An application under way.
#[derive(Debug)]
pub(in crate::kubernetes::flux) struct Applying {
    /// All objects, in order.
    objects: Vec<Value>,
    changes: Vec<(String, apply::Action)>,
}

/// Sets one label or annotation.
pub(super) fn label(object: &mut Value, place: &str, name: &str, value: &Value) {
    crate::kubernetes::value::object(object, &format!("/metadata/{place}")).insert(name.to_owned(), value.clone());
}

impl Kubernetes {
    /// Builds, and applies what comes first.
    pub(super) fn build_kustomization(
        &mut self,
        key: &Key,
        object: &Arc<Value>,
        source: Option<&Value>,
        work: &mut Work<Stage>,
    ) {
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
    pub(super) fn wait_for_first(
        &mut self,
        key: &Key,
        object: &Arc<Value>,
        uid: &str,
        mut applying: Box<Applying>,
        work: &mut Work<Stage>,
    ) {
        let first = applying.objects.iter().filter(|object| apply::comes_first(object)).map(health::Reference::of);
        let first: Vec<health::Reference> = first.collect();
        let waiting = self.not_current(&first);
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
            self.say(object, "Normal", "Progressing", &said(&changed));
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

/// What was changed: `Kind/namespace/name action`, a line each.
fn said(changes: &[(String, apply::Action)]) -> String {
    let changed = changes.iter().filter(|(_, action)| *action != "unchanged");
    let lines: Vec<String> = changed.map(|(subject, action)| format!("{subject} {action}")).collect();
    lines.join("\n")
}
