//! What works behind the API server: kubelets, the scheduler, the controllers, `MetalLB`.
//!
//! Every controller looks at the objects as they are, moves them one step, and comes again when anything changed.

mod daemonsets;
mod definitions;
mod deployments;
mod endpoints;
mod events;
mod garbage;
mod jobs;
pub(super) mod metallb;
mod namespaces;
mod nodes;
mod pods;
mod ranges;
mod replicas;
mod scheduler;
mod services;
mod statefulsets;
mod volumes;

use std::sync::Arc;

use serde_json::Value;

use super::Kubernetes;
use super::store::Key;
use super::value::{at, condition, list, text};

pub(super) use events::Note;
pub(super) use nodes::Kubelets;
pub(super) use pods::{end as end_pod, mark_ready as set_ready};
pub(super) use volumes::{SELECTED_NODE, claims_of};

/// How often the controllers look again at one moment; they come to rest after a few rounds.
const ROUNDS: usize = 64;

impl Kubernetes {
    pub(super) fn run_controllers(&mut self) {
        for _ in 0..ROUNDS {
            self.unseen = None;
            self.wake = None;
            self.run_definitions();
            self.run_namespaces();
            self.run_garbage();
            self.run_nodes();
            self.run_deployments();
            self.run_replica_sets();
            self.run_daemon_sets();
            self.run_stateful_sets();
            self.run_jobs();
            self.run_volumes();
            self.run_jiva();
            self.run_nfs();
            self.run_scheduler();
            self.run_programs();
            self.run_pods();
            self.run_mounts();
            self.run_endpoints();
            self.run_metallb();
            self.run_flux();
            self.run_ingresses();
            self.run_events();
            if self.unseen.is_none() {
                return;
            }
        }
        self.restless += 1;
    }

    /// The objects of a kind with their keys, to look at while writing others.
    pub(super) fn all_of(&self, group: &str, plural: &str) -> Vec<(Key, Arc<Value>)> {
        self.store.list(group, plural, None).map(|(key, object)| (key.clone(), Arc::clone(object))).collect()
    }

    /// The pods a controller owns and that are not on their way out.
    fn pods_of(&self, owner: &Value) -> Vec<(Key, Arc<Value>)> {
        let uid = at(owner, "/metadata/uid");
        let namespace = text(owner, "/metadata/namespace");
        self.store
            .list("", "pods", Some(namespace))
            .filter(|(_, pod)| {
                controller_of(pod).is_some_and(|controller| controller["uid"] == *uid) && !is_leaving(pod)
            })
            .map(|(key, pod)| (key.clone(), Arc::clone(pod)))
            .collect()
    }
}

/// The owner that controls an object.
fn controller_of(object: &Value) -> Option<&Value> {
    list(object, "/metadata/ownerReferences").iter().find(|owner| owner["controller"] == true)
}

/// The reference to put into an object that `owner` controls.
pub(super) fn reference(owner: &Value) -> Value {
    serde_json::json!([{"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true}])
}

pub(super) fn is_leaving(object: &Value) -> bool {
    !text(object, "/metadata/deletionTimestamp").is_empty()
}

pub(super) fn is_ready(object: &Value) -> bool {
    condition(object, "Ready") == "True"
}

/// A count as objects hold it.
fn count(items: usize) -> i64 {
    i64::try_from(items).unwrap_or(i64::MAX)
}
