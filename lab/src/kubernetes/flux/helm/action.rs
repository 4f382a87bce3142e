//! Installation, upgrade and rollback of a release, step by step: hooks, objects, waiting (helm.sh/helm `pkg/action`).

use serde_json::{Value, json};

use super::record::Record;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::addons::Release;
use crate::kubernetes::flux::duration;
use crate::kubernetes::flux::health::Reference;
use crate::kubernetes::mastodon::{self, Hook};
use crate::kubernetes::types::{Fault, Millis};
use crate::kubernetes::value::{condition, number, text};

/// How often helm looks whether a job is done or an object ready.
const POLL: Millis = 2_000;
/// How many revisions helm-controller keeps.
const KEPT: usize = 5;

/// What is done to a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Install,
    Upgrade,
    Rollback,
}

impl Verb {
    /// As messages name it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Upgrade => "upgrade",
            Self::Rollback => "rollback",
        }
    }

    fn event(self, before: bool) -> &'static str {
        match (self, before) {
            (Self::Install, true) => "pre-install",
            (Self::Install, false) => "post-install",
            (Self::Upgrade, true) => "pre-upgrade",
            (Self::Upgrade, false) => "post-upgrade",
            (Self::Rollback, true) => "pre-rollback",
            (Self::Rollback, false) => "post-rollback",
        }
    }
}

/// How far an action is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// The hooks before or after: which one, and when it was started.
    Hooks { before: bool, at: usize, started: Option<Millis> },
    /// The objects are written.
    Objects,
    /// They are waited for since then.
    Waiting(Millis),
}

/// How helm is to go about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub(super) wait: bool,
    pub(super) wait_for_jobs: bool,
    pub(super) hooks: bool,
    pub(super) timeout: Millis,
}

/// An action under way.
#[derive(Debug)]
pub(in crate::kubernetes::flux) struct Action {
    pub(super) verb: Verb,
    pub(super) record: Record,
    pub(super) manner: Manner,
    /// What the revision before consists of.
    previous: Vec<Value>,
    hooks: Vec<Hook>,
    step: Step,
}

/// What the chart's templates make of the values.
fn rendered(record: &Record) -> Result<mastodon::Rendered, String> {
    if record.chart.name != "mastodon" {
        return Err(format!("the simulated helm has no templates of the chart \"{}\"", record.chart.name));
    }
    let release = Release { name: &record.name, namespace: &record.namespace };
    mastodon::render(release, &record.values, u32::try_from(record.revision).unwrap_or(u32::MAX))
}

impl Kubernetes {
    /// Begins an action: its revision is in the storage when it has begun.
    ///
    /// # Errors
    /// What helm says when it cannot even begin: nothing is in the storage then.
    pub(super) fn begin_action(
        &mut self,
        verb: Verb,
        mut record: Record,
        previous: Vec<Value>,
        manner: Manner,
    ) -> Result<Action, String> {
        let mut hooks = Vec::new();
        if verb != Verb::Rollback {
            let rendered = rendered(&record)?;
            record.objects = rendered.objects;
            hooks = rendered.hooks;
        }
        self.release_builds(&record.objects)
            .map_err(|why| format!("unable to build kubernetes objects from release manifest: {why}"))?;
        hooks.sort_by_key(|hook| {
            (hook.weight, kind_order(&hook.object), text(&hook.object, "/metadata/name").to_owned())
        });
        record.status = format!("pending-{}", verb.word());
        self.save_revision(&record)?;
        let step = Step::Hooks { before: true, at: 0, started: None };
        Ok(Action { verb, record, manner, previous, hooks, step })
    }

    /// Goes on with an action as far as it gets now: none while it waits.
    pub(super) fn drive(&mut self, uid: &str, action: &mut Action) -> Option<Result<(), String>> {
        loop {
            let step = action.step.clone();
            match step {
                Step::Hooks { before, at, started } => {
                    let hooks: Vec<Hook> = action
                        .hooks
                        .iter()
                        .filter(|hook| action.manner.hooks && hook.events.contains(&action.verb.event(before)))
                        .cloned()
                        .collect();
                    let Some(hook) = hooks.get(at) else {
                        self.forget_hooks(&hooks);
                        if !before {
                            return Some(Ok(()));
                        }
                        action.step = Step::Objects;
                        continue;
                    };
                    let next = match started {
                        None => self.start_hook(&hook.object).map(|()| Some(self.now)),
                        Some(since) => match self.hook_done(&hook.object, since, action.manner.timeout) {
                            None => {
                                self.look_again(uid);
                                return None;
                            }
                            Some(done) => done.map(|()| None),
                        },
                    };
                    match next {
                        Err(why) => return Some(Err(hook_failure(action.verb, before, &why))),
                        Ok(Some(now)) => action.step = Step::Hooks { before, at, started: Some(now) },
                        Ok(None) => action.step = Step::Hooks { before, at: at + 1, started: None },
                    }
                }
                Step::Objects => {
                    if let Err(why) = self.write_objects(action) {
                        return Some(Err(why));
                    }
                    action.step = Step::Waiting(self.now);
                }
                Step::Waiting(since) => {
                    let waiting = self.not_ready(action);
                    if waiting.is_empty() {
                        action.step = Step::Hooks { before: false, at: 0, started: None };
                    } else if self.now >= since + action.manner.timeout {
                        return Some(Err(format!("{}\ncontext deadline exceeded", waiting.join("\n"))));
                    } else {
                        self.look_again(uid);
                        return None;
                    }
                }
            }
        }
    }

    fn look_again(&mut self, uid: &str) {
        if self.due(uid, "helm", POLL) {
            self.reset(uid, "helm");
            self.due(uid, "helm", POLL);
        }
    }

    /// A hook of the same name goes before the new one comes.
    fn start_hook(&mut self, object: &Value) -> Result<(), String> {
        let now = self.now;
        self.release_delete(now, object);
        self.release_create(now, object)
    }

    /// None while it runs.
    fn hook_done(&mut self, object: &Value, since: Millis, timeout: Millis) -> Option<Result<(), String>> {
        if text(object, "/kind") != "Job" {
            return Some(Ok(()));
        }
        let now = self.now;
        let name = format!("Job/{}/{}", text(object, "/metadata/namespace"), text(object, "/metadata/name"));
        let Some(job) = self.released(now, object) else {
            return Some(Err(format!("resource {name} not ready. status: NotFound, message: Resource not found")));
        };
        if condition(&job, "Complete") == "True" {
            return Some(Ok(()));
        }
        if condition(&job, "Failed") == "True" {
            let (failed, wanted) = (number(&job, "/status/failed"), number(&job, "/spec/completions"));
            return Some(Err(format!(
                "resource {name} not ready. status: Failed, message: Job Failed. failed: {failed}/{wanted}"
            )));
        }
        (now >= since + timeout).then(|| {
            Err(format!(
                "resource {name} not ready. status: InProgress, message: Job in progress\ncontext deadline exceeded"
            ))
        })
    }

    /// `hook-succeeded`: once all hooks of an event have gone well they go.
    fn forget_hooks(&mut self, hooks: &[Hook]) {
        let now = self.now;
        for hook in hooks {
            if text(&hook.object, "/metadata/annotations/helm.sh~1hook-delete-policy").contains("hook-succeeded") {
                self.release_delete(now, &hook.object);
            }
        }
    }

    /// The object at which a fault breaks an installation off. Before the databases are there, that has no way out
    /// upstream: an upgrade begins with a migration.
    fn breaks_at(&self, action: &Action) -> Option<usize> {
        if action.verb != Verb::Install || self.flux.spoilt_install {
            return None;
        }
        let objects = &action.record.objects;
        if self.faults.contains(&Fault::HelmInstallBreaksOff) {
            return objects.iter().position(|object| text(object, "/kind") == "StatefulSet");
        }
        self.faults.contains(&Fault::HelmInstallFailsOnce).then(|| objects.len().saturating_sub(1))
    }

    fn write_objects(&mut self, action: &Action) -> Result<(), String> {
        let now = self.now;
        let breaks_at = self.breaks_at(action);
        for (at, object) in action.record.objects.iter().enumerate() {
            if breaks_at == Some(at) {
                self.flux.spoilt_install = true;
                return Err(format!(
                    "unable to create resource {}/{}: Post \"https://10.152.183.1:443/\": dial tcp 10.152.183.1:443: connect: connection refused",
                    text(object, "/kind"),
                    text(object, "/metadata/name")
                ));
            }
            let last = action.previous.iter().find(|last| is_same(last, object)).cloned().unwrap_or_default();
            self.release_update(now, &last, object)?;
        }
        let gone =
            action.previous.iter().filter(|last| !action.record.objects.iter().any(|object| is_same(last, object)));
        for object in gone.filter(|object| !is_kept(object)) {
            self.release_delete(now, object);
        }
        Ok(())
    }

    /// The objects that are waited for and not ready, as helm names them.
    fn not_ready(&self, action: &Action) -> Vec<String> {
        if !action.manner.wait {
            return Vec::new();
        }
        let waited = |object: &&Value| text(object, "/kind") != "Job" || action.manner.wait_for_jobs;
        let references: Vec<Reference> = action.record.objects.iter().filter(waited).map(Reference::of).collect();
        let line = |shown: String| {
            let (name, status) = shown.split_once(" status: ").unwrap_or((&shown, ""));
            format!(
                "resource {name} not ready. status: {}, message: {}",
                status.trim_matches('\''),
                status.trim_matches('\'')
            )
        };
        self.not_current(&references).into_iter().map(line).collect()
    }

    /// Writes down how an action ended, and lets old revisions go.
    pub(super) fn end_action(&mut self, action: &mut Action, outcome: &Result<(), String>) {
        let record = &mut action.record;
        record.last = self.clock.stamp(self.now);
        match outcome {
            Ok(()) => {
                "deployed".clone_into(&mut record.status);
                record.description = format!("{} complete", capital(action.verb.word()));
                for mut older in self.revisions(&record.storage, &record.name) {
                    if older.revision < record.revision && older.status == "deployed" {
                        "superseded".clone_into(&mut older.status);
                        let _ = self.save_revision(&older);
                    }
                }
            }
            Err(why) => {
                "failed".clone_into(&mut record.status);
                record.description = format!(
                    "{} \"{}\" failed: {why}",
                    if action.verb == Verb::Install { "Release" } else { "Upgrade" },
                    record.name
                );
            }
        }
        // The Secret is there since the beginning; should it be gone there is nobody left to tell.
        let _ = self.save_revision(record);
        let revisions = self.revisions(&record.storage, &record.name);
        for old in &revisions[..revisions.len().saturating_sub(KEPT)] {
            self.forget_revision(old);
        }
    }

    /// Deletes a release: its objects, and all its revisions.
    pub(super) fn uninstall(&mut self, storage: &str, name: &str) -> Option<Record> {
        let now = self.now;
        let revisions = self.revisions(storage, name);
        let latest = revisions.last()?.clone();
        for object in latest.objects.iter().rev().filter(|object| !is_kept(object)) {
            self.release_delete(now, object);
        }
        for revision in &revisions {
            self.forget_revision(revision);
        }
        Some(latest)
    }

    /// Makes the namespace a release is to live in, if it is not there.
    pub(super) fn ensure_namespace(&mut self, name: &str) {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"name": name}}});
        let now = self.now;
        if self.released(now, &namespace).is_none() {
            // If it cannot be made, what is to live in it says so.
            let _ = self.release_create(now, &namespace);
        }
    }
}

fn is_same(one: &Value, other: &Value) -> bool {
    ["/kind", "/metadata/namespace", "/metadata/name"].iter().all(|path| text(one, path) == text(other, path))
}

/// Whether helm leaves an object in the cluster that is no longer part of its release.
fn is_kept(object: &Value) -> bool {
    text(object, "/metadata/annotations/helm.sh~1resource-policy") == "keep"
}

/// Secrets before jobs, as helm sorts hooks of one weight.
fn kind_order(object: &Value) -> usize {
    ["ServiceAccount", "Secret", "ConfigMap"].iter().position(|kind| *kind == text(object, "/kind")).unwrap_or(3)
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn hook_failure(verb: Verb, before: bool, why: &str) -> String {
    let event = verb.event(before);
    match verb {
        Verb::Install => format!("failed {event}: {why}"),
        Verb::Upgrade | Verb::Rollback => format!("{event} hooks failed: {why}"),
    }
}

/// A length in a message.
pub(super) fn shown(timeout: Millis) -> String {
    duration::show(timeout)
}
