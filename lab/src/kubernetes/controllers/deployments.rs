//! Deployments: a `ReplicaSet` for each version of the template, and the way from one to the next.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{controller_of, count, is_leaving, reference};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::names;
use crate::kubernetes::store::Key;
use crate::kubernetes::value::{Condition, at, number, set, set_condition, text};

const REVISION: &str = "/metadata/annotations/deployment.kubernetes.io~1revision";

/// The sets of a deployment.
struct Sets {
    new: (Key, Arc<Value>),
    old: Vec<(Key, Arc<Value>)>,
}

impl Kubernetes {
    pub(super) fn run_deployments(&mut self) {
        for (key, deployment) in self.all_of("apps", "deployments") {
            if is_leaving(&deployment) {
                continue;
            }
            let sets = self.sets(&deployment);
            if !sets.old.is_empty() && text(&deployment, "/spec/strategy/type") == "Recreate" {
                self.recreate(&deployment, &sets);
            } else {
                self.roll(&deployment, &sets);
            }
            self.report_deployment(&key, &deployment);
        }
    }

    fn sets(&mut self, deployment: &Value) -> Sets {
        let namespace = text(deployment, "/metadata/namespace").to_owned();
        let hash = names::template_hash(at(deployment, "/spec/template"));
        let name = format!("{}-{hash}", text(deployment, "/metadata/name"));
        let key = Key::new("apps", "replicasets", &namespace, &name);
        let mut old = self.owned_sets(deployment);
        old.retain(|(other, _)| *other != key);
        let latest =
            old.iter().filter_map(|(_, set)| text(set, REVISION).parse::<u64>().ok()).max().unwrap_or_default();
        if self.store.get(&key).is_none() {
            self.make_set(deployment, &name, &hash, latest + 1);
        } else if self
            .store
            .get(&key)
            .is_some_and(|set| text(set, REVISION).parse::<u64>().unwrap_or_default() <= latest)
        {
            self.edit(&key, |object| set(object, REVISION, (latest + 1).to_string()));
        }
        let new = self.store.get(&key).cloned().unwrap_or_default();
        Sets { new: (key, new), old }
    }

    fn owned_sets(&self, deployment: &Value) -> Vec<(Key, Arc<Value>)> {
        let uid = &deployment["metadata"]["uid"];
        let namespace = text(deployment, "/metadata/namespace");
        self.store
            .list("apps", "replicasets", Some(namespace))
            .filter(|(_, set)| controller_of(set).is_some_and(|owner| owner["uid"] == *uid) && !is_leaving(set))
            .map(|(key, set)| (key.clone(), Arc::clone(set)))
            .collect()
    }

    fn make_set(&mut self, deployment: &Value, name: &str, hash: &str, revision: u64) {
        let mut template = at(deployment, "/spec/template").clone();
        set(&mut template, "/metadata/labels/pod-template-hash", hash);
        let mut selector = at(deployment, "/spec/selector").clone();
        set(&mut selector, "/matchLabels/pod-template-hash", hash);
        self.make("apps", "replicasets", json!({
            "metadata": {"name": name, "namespace": deployment["metadata"]["namespace"], "labels": template["metadata"]["labels"],
                "annotations": {"deployment.kubernetes.io/revision": revision.to_string()}, "ownerReferences": reference(deployment)},
            "spec": {"replicas": 0, "selector": selector, "template": template}}));
    }

    fn scale_set(&mut self, key: &Key, replicas: i64) {
        self.edit(key, |object| set(object, "/spec/replicas", replicas));
    }

    /// The old pods go first, the new ones come when they are gone.
    fn recreate(&mut self, deployment: &Value, sets: &Sets) {
        let mut left = 0;
        for (key, set) in &sets.old {
            self.scale_set(key, 0);
            left += number(set, "/status/replicas");
            left += count(self.leaving_pods(set));
        }
        if left == 0 {
            self.scale_set(&sets.new.0, number(deployment, "/spec/replicas"));
        }
    }

    fn leaving_pods(&self, owner: &Value) -> usize {
        let uid = &owner["metadata"]["uid"];
        let namespace = text(owner, "/metadata/namespace");
        let pods = self.store.list("", "pods", Some(namespace));
        pods.filter(|(_, pod)| controller_of(pod).is_some_and(|owner| owner["uid"] == *uid)).count()
    }

    /// New pods come within the surge, old ones go as far as enough are available.
    fn roll(&mut self, deployment: &Value, sets: &Sets) {
        let wanted = number(deployment, "/spec/replicas");
        let rolling = at(deployment, "/spec/strategy/rollingUpdate");
        let surge = share(at(rolling, "/maxSurge"), wanted, true);
        let unavailable = share(at(rolling, "/maxUnavailable"), wanted, false);
        let surge = if surge == 0 && unavailable == 0 { 1 } else { surge };
        let old_total: i64 = sets.old.iter().map(|(_, set)| number(set, "/spec/replicas")).sum();
        let current = number(&sets.new.1, "/spec/replicas");
        let new = if current > wanted { wanted } else { wanted.min((wanted + surge - old_total).max(current)) };
        self.scale_set(&sets.new.0, new);
        let available: i64 =
            std::iter::once(&sets.new).chain(&sets.old).map(|(_, set)| number(set, "/status/availableReplicas")).sum();
        let mut spare = (available - (wanted - unavailable)).max(0);
        for (key, set) in &sets.old {
            let replicas = number(set, "/spec/replicas");
            let broken = replicas - number(set, "/status/availableReplicas").min(replicas);
            let gone = broken + spare.min(replicas - broken);
            spare -= gone - broken;
            self.scale_set(key, replicas - gone);
        }
    }

    fn report_deployment(&mut self, key: &Key, deployment: &Value) {
        let sets = self.sets(deployment);
        let sum = |field: &str| -> i64 {
            std::iter::once(&sets.new).chain(&sets.old).map(|(_, set)| number(set, field)).sum()
        };
        let wanted = number(deployment, "/spec/replicas");
        let (replicas, ready) = (sum("/status/replicas"), sum("/status/readyReplicas"));
        let updated = number(&sets.new.1, "/status/replicas");
        let unavailable = share(at(deployment, "/spec/strategy/rollingUpdate/maxUnavailable"), wanted, false);
        let enough = ready >= wanted - unavailable;
        let complete = updated == wanted && replicas == wanted && ready == wanted;
        let late = !complete && {
            let deadline = u64::try_from(number(deployment, "/spec/progressDeadlineSeconds")).unwrap_or(600) * 1000;
            self.due(text(&sets.new.1, "/metadata/uid"), "progress", deadline)
        };
        let name = sets.new.0.name.clone();
        let revision = text(&sets.new.1, REVISION).to_owned();
        let stamp = self.stamp();
        self.edit(key, |object| {
            set(object, REVISION, revision);
            set(object, "/status/observedGeneration", number(deployment, "/metadata/generation"));
            for (field, value) in [
                ("replicas", replicas),
                ("updatedReplicas", updated),
                ("readyReplicas", ready),
                ("availableReplicas", ready),
                ("unavailableReplicas", (wanted - ready).max(0)),
            ] {
                if value == 0 {
                    crate::kubernetes::value::remove(object, &format!("/status/{field}"));
                } else {
                    set(object, &format!("/status/{field}"), value);
                }
            }
            for condition in [available_condition(enough), progress_condition(&name, complete, late).as_condition()] {
                if set_condition(object, &condition, &stamp) {
                    touch(object, condition.kind, &stamp);
                }
            }
        });
    }
}

fn available_condition(enough: bool) -> Condition<'static> {
    if enough {
        Condition {
            kind: "Available",
            status: "True",
            reason: "MinimumReplicasAvailable",
            message: "Deployment has minimum availability.",
        }
    } else {
        Condition {
            kind: "Available",
            status: "False",
            reason: "MinimumReplicasUnavailable",
            message: "Deployment does not have minimum availability.",
        }
    }
}

struct Progress {
    status: &'static str,
    reason: &'static str,
    message: String,
}

impl Progress {
    fn as_condition(&self) -> Condition<'_> {
        Condition { kind: "Progressing", status: self.status, reason: self.reason, message: &self.message }
    }
}

fn progress_condition(set: &str, complete: bool, late: bool) -> Progress {
    let (status, reason, word) = match (complete, late) {
        (true, _) => ("True", "NewReplicaSetAvailable", "has successfully progressed"),
        (false, true) => ("False", "ProgressDeadlineExceeded", "has timed out progressing"),
        (false, false) => ("True", "ReplicaSetUpdated", "is progressing"),
    };
    Progress { status, reason, message: format!("ReplicaSet \"{set}\" {word}.") }
}

/// Conditions of deployments also say when they were last updated.
fn touch(object: &mut Value, kind: &str, stamp: &str) {
    let conditions = object.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten().filter(|condition| condition["type"] == kind) {
        set(condition, "/lastUpdateTime", stamp);
    }
}

/// A number of pods, or a share of them in percent.
fn share(value: &Value, of: i64, up: bool) -> i64 {
    if let Some(number) = value.as_i64() {
        return number;
    }
    let percent: i64 = value.as_str().and_then(|text| text.strip_suffix('%')?.parse().ok()).unwrap_or_default();
    if up { (of * percent + 99) / 100 } else { of * percent / 100 }
}
