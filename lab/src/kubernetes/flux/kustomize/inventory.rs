//! What a `Kustomization` has applied, as its status remembers it, and how what is gone from it is pruned
//! (fluxcd/kustomize-controller `internal/inventory`, fluxcd/pkg `ssa/manager_delete.go`).

use std::sync::Arc;

use serde_json::{Value, json};

use super::Subject;
use super::apply::says;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::options::Propagation;
use crate::kubernetes::store::Key;
use crate::kubernetes::value::{list, object, set, text};

/// One object of the inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    namespace: String,
    name: String,
    group: String,
    kind: String,
    version: String,
}

impl Entry {
    pub(super) fn of(object: &Value) -> Self {
        let version = text(object, "/apiVersion");
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        Self {
            namespace: text(object, "/metadata/namespace").to_owned(),
            name: text(object, "/metadata/name").to_owned(),
            group: group.to_owned(),
            kind: text(object, "/kind").to_owned(),
            version: version.to_owned(),
        }
    }

    /// Whether both are the same object, whatever the version.
    pub(super) fn same(&self, other: &Self) -> bool {
        (&self.namespace, &self.name, &self.group, &self.kind)
            == (&other.namespace, &other.name, &other.group, &other.kind)
    }

    /// A colon, as roles have it in their names, stands as two underscores.
    fn id(&self) -> String {
        format!("{}_{}_{}_{}", self.namespace, self.name.replace(':', "__"), self.group, self.kind)
    }

    fn parse(entry: &Value) -> Option<Self> {
        let id = text(entry, "/id");
        let (namespace, rest) = id.split_once('_')?;
        let (rest, kind) = rest.rsplit_once('_')?;
        let (name, group) = rest.rsplit_once('_')?;
        Some(Self {
            namespace: namespace.to_owned(),
            name: name.replace("__", ":"),
            group: group.to_owned(),
            kind: kind.to_owned(),
            version: text(entry, "/v").to_owned(),
        })
    }
}

/// The inventory in the status.
pub(super) fn read(kustomization: &Value) -> Vec<Entry> {
    list(kustomization, "/status/inventory/entries").iter().filter_map(Entry::parse).collect()
}

/// Writes it there.
pub(super) fn write(kustomization: &mut Value, entries: &[Entry]) {
    let entries: Vec<Value> = entries.iter().map(|entry| json!({"id": entry.id(), "v": entry.version})).collect();
    object(kustomization, "/status");
    set(kustomization, "/status/inventory/entries", entries);
}

impl Kubernetes {
    /// Deletes what of `entries` is still there and the `Kustomization`'s own, and does not say that it stays.
    pub(super) fn prune(&mut self, kustomization: &Arc<Value>, entries: &[Entry]) {
        let owner = |field: &str| text(kustomization, &format!("/metadata/{field}")).to_owned();
        let (name, namespace) = (owner("name"), owner("namespace"));
        let mut lines = Vec::new();
        for entry in entries {
            let found =
                self.kinds.all().iter().find(|kind| kind.group == entry.group && kind.kind == entry.kind).cloned();
            let Some(kind) = found else { continue };
            let key = Key::new(&entry.group, &kind.plural, &entry.namespace, &entry.name);
            let Some(object) = self.store.get(&key).cloned() else { continue };
            let own = says(&object, "name", &name) && says(&object, "namespace", &namespace);
            if !own || says(&object, "prune", "disabled") || says(&object, "reconcile", "disabled") {
                continue;
            }
            self.discard(&key, Propagation::Background, None);
            lines.push(format!("{} deleted", Subject::of(&object)));
        }
        if !lines.is_empty() {
            self.say(kustomization, "Normal", "Progressing", &lines.join("\n"));
        }
    }
}
