//! The objects and the log of their changes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::value;

/// How many changes a watcher may lag behind before it is told to list again.
const KEPT: usize = 4096;

/// Where an object lives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) group: String,
    pub(super) resource: String,
    /// Empty for an object that belongs to the cluster.
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Key {
    pub(super) fn new(group: &str, resource: &str, namespace: &str, name: &str) -> Self {
        Self {
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// A core object.
    pub(super) fn core(resource: &str, namespace: &str, name: &str) -> Self {
        Self::new("", resource, namespace, name)
    }
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Added,
    Modified,
    Deleted,
}

/// One entry of the log.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) version: u64,
    pub(super) act: Act,
    pub(super) key: Key,
    pub(super) object: Arc<Value>,
    /// The object before a modification.
    pub(super) previous: Option<Arc<Value>>,
}

/// All objects of a cluster.
#[derive(Debug, Default)]
pub(super) struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    version: u64,
    log: VecDeque<Change>,
    /// Changes up to this version are no longer in the log.
    forgotten: u64,
}

impl Store {
    /// The version of the latest change.
    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects.iter()
    }

    /// The objects of a kind, in one namespace or in all, ordered by namespace and name.
    pub(super) fn list<'a>(
        &'a self,
        group: &'a str,
        resource: &'a str,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> {
        let from = Key::new(group, resource, namespace.unwrap_or_default(), "");
        self.objects.range(from..).take_while(move |(key, _)| {
            key.group == group && key.resource == resource && namespace.is_none_or(|wanted| key.namespace == wanted)
        })
    }

    /// Writes an object; it comes back with its new version.
    pub(super) fn put(&mut self, key: &Key, mut object: Value) -> Arc<Value> {
        self.version += 1;
        value::set(&mut object, "/metadata/resourceVersion", self.version.to_string());
        let object = Arc::new(object);
        let previous = self.objects.insert(key.clone(), Arc::clone(&object));
        let act = if previous.is_some() { Act::Modified } else { Act::Added };
        self.remember(act, key, Arc::clone(&object), previous);
        object
    }

    /// Removes an object; it comes back as it was, with the version of its removal.
    pub(super) fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let last = self.objects.remove(key)?;
        self.version += 1;
        let mut object = Value::clone(&last);
        value::set(&mut object, "/metadata/resourceVersion", self.version.to_string());
        let object = Arc::new(object);
        self.remember(Act::Deleted, key, Arc::clone(&object), None);
        Some(object)
    }

    fn remember(&mut self, act: Act, key: &Key, object: Arc<Value>, previous: Option<Arc<Value>>) {
        self.log.push_back(Change { version: self.version, act, key: key.clone(), object, previous });
        if self.log.len() > KEPT
            && let Some(gone) = self.log.pop_front()
        {
            self.forgotten = gone.version;
        }
    }

    /// The changes after `version`, or the oldest version one can still ask from.
    pub(super) fn since(&self, version: u64) -> Result<impl Iterator<Item = &Change>, u64> {
        if version < self.forgotten {
            return Err(self.forgotten);
        }
        let first = self.log.partition_point(|change| change.version <= version);
        Ok(self.log.range(first..))
    }
}
