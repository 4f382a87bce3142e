//! `ReplicaSet`s: as many pods as wanted.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{count, is_ready, reference};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::names;
use crate::kubernetes::options::Propagation;
use crate::kubernetes::store::Key;
use crate::kubernetes::value::{at, number, set, text};

impl Kubernetes {
    pub(super) fn run_replica_sets(&mut self) {
        for (key, set) in self.all_of("apps", "replicasets") {
            if super::is_leaving(&set) {
                continue;
            }
            self.fill(&set);
            let pods = self.pods_of(&set);
            let ready = count(pods.iter().filter(|(_, pod)| is_ready(pod)).count());
            let generation = number(&set, "/metadata/generation");
            self.edit(&key, |object| {
                let mut status = json!({"replicas": pods.len(), "fullyLabeledReplicas": pods.len(), "observedGeneration": generation});
                if ready > 0 {
                    status["readyReplicas"] = ready.into();
                    status["availableReplicas"] = ready.into();
                }
                object["status"] = status;
            });
        }
    }

    /// Makes the pods a set lacks, or deletes those it has too many of: the unready and the youngest first.
    fn fill(&mut self, owner: &Value) {
        let mut pods = self.pods_of(owner);
        pods.retain(|(_, pod)| !["Succeeded", "Failed"].contains(&text(pod, "/status/phase")));
        let wanted = usize::try_from(number(owner, "/spec/replicas")).unwrap_or_default();
        for _ in pods.len()..wanted {
            let name = format!("{}-{}", text(owner, "/metadata/name"), names::suffix(&mut self.rng, 5));
            self.make_pod(owner, &name, at(owner, "/spec/template"));
        }
        pods.sort_by_key(|(_, pod)| {
            (is_ready(pod), std::cmp::Reverse(text(pod, "/metadata/creationTimestamp").to_owned()))
        });
        for (key, _) in pods.iter().take(pods.len().saturating_sub(wanted)) {
            self.discard(key, Propagation::Background, None);
        }
    }

    /// A pod from a template, controlled by `owner`.
    pub(super) fn make_pod(&mut self, owner: &Value, name: &str, template: &Value) -> Option<Arc<Value>> {
        let namespace = text(owner, "/metadata/namespace");
        let mut pod = json!({"metadata": at(template, "/metadata").clone(), "spec": at(template, "/spec").clone()});
        set(&mut pod, "/metadata/name", name);
        set(&mut pod, "/metadata/namespace", namespace);
        set(&mut pod, "/metadata/ownerReferences", reference(owner));
        let key: Key = self.make("", "pods", pod);
        self.store.get(&key).cloned()
    }
}
