//! The API server of one cluster and the controllers behind it, as a pure state machine.
//!
//! Nothing here reads a clock, opens a socket or asks the system for randomness: time comes in with every call, random
//! names come from a seed. [`Kubernetes::request`] is the API server, [`Kubernetes::tick`] lets kubelets and controllers
//! work, [`Kubernetes::kubectl`] is a small `kubectl` for the machines of the simulated world.

mod addons;
mod api;
mod clock;
mod controllers;
pub mod flux;
mod fresh;
mod ingress;
mod jsonpath;
mod kinds;
mod kubectl;
pub mod mastodon;
mod names;
mod options;
mod patch;
mod selector;
mod status;
mod storage;
mod store;
mod table;
#[cfg(test)]
mod tests;
mod types;
mod value;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use api::Watches;
use clock::Clock;
use controllers::Kubelets;
use flux::Flux;
use kinds::Kinds;
use mastodon::Programs;
use storage::Storage;
use store::{Key, Store};

pub use addons::{Chart, Release, merge_values};
pub use ingress::{IngressController, IngressPort};
pub use kubectl::{KubectlRun, KubectlStep};
pub use mastodon::Executed;
pub use storage::{
    ContainerRun, ContainerVolume, Content, HostMount, IscsiSession, Orphan, ReplicaDirectory, ReplicaMode,
    RootPermissions, StorageView, VolumeDirectory,
};
pub use types::{
    Announcement, Backend, Fault, HttpAnswer, Millis, NodeView, Request, Response, Route, ServicePort, WatchId,
};

/// A value as YAML, the way `kubectl` and helm write it.
pub fn to_yaml(value: &Value) -> String {
    kubectl::yaml::document(value)
}

/// The documents of a YAML stream.
///
/// # Errors
/// What is wrong with the text, and where.
pub fn from_yaml(text: &str) -> Result<Vec<Value>, String> {
    kubectl::yaml::documents(text)
}

/// How long after a write the controllers have seen it.
const REACTION: Millis = 20;

/// One cluster: its objects, the log of their changes, and its controllers.
pub struct Kubernetes {
    now: Millis,
    clock: Clock,
    version: String,
    rng: StdRng,
    store: Store,
    kinds: Kinds,
    watches: Watches,
    kubelets: Kubelets,
    faults: BTreeSet<Fault>,
    storage: Storage,
    flux: Flux,
    programs: Programs,
    /// Since when there are writes the controllers have not looked at.
    unseen: Option<Millis>,
    /// When the next thing happens that only takes time.
    wake: Option<Millis>,
    /// How often the controllers were left before they had come to rest: two of them undo each other's work.
    restless: u64,
    /// The established definitions whose kinds are served, with their versions.
    defined: Vec<String>,
    /// What has been waited for since when: object uid and purpose, and when it is due.
    timers: BTreeMap<(String, &'static str), Millis>,
    /// The events, and when each passes away.
    expiring: VecDeque<(Millis, Key)>,
}

impl fmt::Debug for Kubernetes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kubernetes")
            .field("now", &self.now)
            .field("version", &self.store.version())
            .finish_non_exhaustive()
    }
}

impl Kubernetes {
    /// What a fresh `MicroK8s` has when its API server first answers; `version` as in `v1.35.0`, `epoch` is the wall clock
    /// time of virtual zero.
    pub fn new(now: Millis, epoch: jiff::Timestamp, seed: u64, version: &str) -> Self {
        let mut cluster = Self {
            now,
            clock: Clock::new(epoch),
            version: format!("v{}", version.trim_start_matches('v')),
            rng: StdRng::seed_from_u64(seed),
            store: Store::default(),
            kinds: Kinds::built_in(),
            watches: Watches::default(),
            kubelets: Kubelets::default(),
            faults: BTreeSet::new(),
            storage: Storage::default(),
            flux: Flux::default(),
            programs: Programs::default(),
            unseen: None,
            wake: None,
            restless: 0,
            defined: Vec::new(),
            timers: BTreeMap::new(),
            expiring: VecDeque::new(),
        };
        cluster.furnish();
        cluster
    }

    /// Lets kubelets and controllers do what is due; a machine that is not listed counts as unreachable.
    pub fn tick(&mut self, now: Millis, nodes: &[NodeView]) {
        self.now = self.now.max(now);
        let moved = self.observe(nodes);
        let due = self.wake.is_some_and(|wake| wake <= self.now);
        if moved || due || self.unseen.is_some() {
            self.run_controllers();
        }
    }

    /// When something will happen by itself, at the earliest; none while everything rests.
    pub fn next_event(&self) -> Option<Millis> {
        [self.wake, self.unseen.map(|since| since + REACTION)].into_iter().flatten().min()
    }

    /// Switches a fault on or off.
    pub fn set_fault(&mut self, fault: Fault, on: bool) {
        if on {
            self.faults.insert(fault);
        } else {
            self.faults.remove(&fault);
            if fault == Fault::ReadOnlyVolume {
                self.restore_quorum();
            }
        }
        self.unseen.get_or_insert(self.now);
    }

    /// Deletes a Node object, as `microk8s remove-node` does; false when there is none.
    pub fn delete_node(&mut self, now: Millis, name: &str) -> bool {
        self.now = self.now.max(now);
        self.erase(&Key::core("nodes", "", name)).is_some()
    }

    /// Node names and whether each is Ready.
    pub fn nodes(&self) -> Vec<(String, bool)> {
        let ready = |node: &Value| value::condition(node, "Ready") == "True";
        self.store.list("", "nodes", None).map(|(key, node)| (key.name.clone(), ready(node))).collect()
    }

    /// One object, by a name of its kind as `kubectl` takes it; the namespace is empty for an object of the cluster.
    pub fn object(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        let kind = self.kinds.named(resource)?;
        let key = Key::new(&kind.group, &kind.plural, namespace, name);
        self.store.get(&key).map(|object| self.show(kind, object))
    }

    /// All objects of a kind, ordered by namespace and name.
    pub fn objects(&self, resource: &str) -> Vec<Value> {
        let Some(kind) = self.kinds.named(resource) else { return Vec::new() };
        self.store.list(&kind.group, &kind.plural, None).map(|(_, object)| self.show(kind, object)).collect()
    }

    /// How often the controllers were left at one moment before they had come to rest. It stays 0 where they agree.
    pub fn restless(&self) -> u64 {
        self.restless
    }

    /// The version of the latest change.
    pub fn resource_version(&self) -> u64 {
        self.store.version()
    }

    /// Every lasting object there is, for comparisons: events pass away by themselves and are left out.
    pub fn describe(&self) -> Value {
        let lasting = self.store.all().filter(|(key, _)| key.resource != "events");
        lasting
            .map(|(key, object)| {
                let place = [&*key.group, &*key.resource, &*key.namespace, &*key.name].join("/");
                json!({"at": place, "object": **object})
            })
            .collect()
    }

    /// Stores an object as it is.
    fn commit(&mut self, key: &Key, object: Value) -> Arc<Value> {
        if key.resource == "events" && self.store.get(key).is_none() {
            self.let_expire(key);
        }
        let written = self.store.put(key, object);
        self.unseen.get_or_insert(self.now);
        written
    }

    /// Removes an object at once.
    fn erase(&mut self, key: &Key) -> Option<Arc<Value>> {
        let gone = self.store.remove(key)?;
        let uid = value::text(&gone, "/metadata/uid").to_owned();
        self.timers.retain(|(of, _), _| *of != uid);
        self.unseen.get_or_insert(self.now);
        Some(gone)
    }

    /// Changes an object as a controller does; true when it really changed.
    fn edit(&mut self, key: &Key, change: impl FnOnce(&mut Value)) -> bool {
        let Some(old) = self.store.get(key) else { return false };
        let mut new = Value::clone(old);
        change(&mut new);
        if new == **old {
            return false;
        }
        let generation = value::number(old, "/metadata/generation");
        if generation > 0 && old["spec"] != new["spec"] {
            value::set(&mut new, "/metadata/generation", generation + 1);
        }
        self.commit(key, new);
        true
    }

    /// Stores a new object of a controller's, unless it is already there.
    fn make(&mut self, group: &str, plural: &str, mut object: Value) -> Key {
        let name = value::text(&object, "/metadata/name").to_owned();
        let key = Key::new(group, plural, value::text(&object, "/metadata/namespace"), &name);
        if self.store.get(&key).is_none() {
            if let Some(kind) = self.kinds.preferred(group, plural) {
                value::set(&mut object, "/apiVersion", kind.api_version());
                value::set(&mut object, "/kind", kind.kind.as_str());
            }
            self.bear(&mut object);
            if !group.is_empty() || plural == "pods" {
                value::default(&mut object, "/metadata/generation", 1);
            }
            api::complete(plural, &mut object);
            self.commit(&key, object);
        }
        key
    }

    /// Gives an object its identity.
    fn bear(&mut self, object: &mut Value) {
        let uid = names::uuid(&mut self.rng);
        value::set(object, "/metadata/uid", uid);
        value::set(object, "/metadata/creationTimestamp", self.clock.stamp(self.now));
    }

    /// Whether `delay` has passed since this was first asked of the object for this purpose.
    fn due(&mut self, uid: &str, purpose: &'static str, delay: Millis) -> bool {
        let at = *self.timers.entry((uid.to_owned(), purpose)).or_insert(self.now + delay);
        if self.now >= at {
            return true;
        }
        self.wake_at(at);
        false
    }

    /// Forgets a wait, so that the next one starts anew.
    fn reset(&mut self, uid: &str, purpose: &'static str) {
        self.timers.remove(&(uid.to_owned(), purpose));
    }

    fn wake_at(&mut self, at: Millis) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    fn stamp(&self) -> String {
        self.clock.stamp(self.now)
    }
}
