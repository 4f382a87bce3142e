//! Who manages which field: the entries of `metadata.managedFields`.

use serde_json::{Value, json};

use super::fields::{Fields, Step, decode, encode, get, leaves};
use super::lists::Lists;
use crate::kubernetes::value::{list, remove, set, text};

/// Somebody who writes, the way it writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kubernetes) struct Manager {
    pub(in crate::kubernetes) name: String,
    pub(in crate::kubernetes) api_version: String,
    pub(in crate::kubernetes) subresource: String,
    /// The time of the write, as objects show it.
    pub(in crate::kubernetes) time: String,
}

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) manager: Manager,
    pub(super) apply: bool,
    pub(super) fields: Fields,
}

impl Entry {
    pub(super) fn is_of(&self, manager: &Manager, apply: bool) -> bool {
        self.apply == apply && self.manager.name == manager.name && self.manager.subresource == manager.subresource
    }
}

pub(super) fn read(object: &Value) -> Vec<Entry> {
    let entry = |recorded: &Value| Entry {
        manager: Manager {
            name: text(recorded, "/manager").to_owned(),
            api_version: text(recorded, "/apiVersion").to_owned(),
            subresource: text(recorded, "/subresource").to_owned(),
            time: text(recorded, "/time").to_owned(),
        },
        apply: text(recorded, "/operation") == "Apply",
        fields: decode(&recorded["fieldsV1"]),
    };
    list(object, "/metadata/managedFields").iter().map(entry).collect()
}

pub(super) fn write(object: &mut Value, entries: &[Entry]) {
    let recorded: Vec<Value> = entries.iter().filter(|entry| !entry.fields.is_empty()).map(record).collect();
    if recorded.is_empty() {
        remove(object, "/metadata/managedFields");
    } else {
        set(object, "/metadata/managedFields", recorded);
    }
}

fn record(entry: &Entry) -> Value {
    let mut recorded = json!({"manager": entry.manager.name, "operation": if entry.apply { "Apply" } else { "Update" },
        "apiVersion": entry.manager.api_version, "time": entry.manager.time, "fieldsType": "FieldsV1",
        "fieldsV1": encode(&entry.fields)});
    if !entry.manager.subresource.is_empty() {
        set(&mut recorded, "/subresource", entry.manager.subresource.as_str());
    }
    recorded
}

/// The fields of an object that can be owned at all.
pub(super) fn ownable(object: &Value, lists: &Lists) -> Fields {
    const SYSTEM: [&str; 8] =
        ["name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"];
    let mut bare = object.clone();
    for field in ["apiVersion", "kind"] {
        remove(&mut bare, &format!("/{field}"));
    }
    if let Some(metadata) = bare.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|field, value| !SYSTEM.contains(&field.as_str()) && !value.is_null());
    }
    let mut fields = leaves(&bare, lists);
    fields.retain(|path| !path.is_empty() && *path != [Step::Field("metadata".to_owned())]);
    fields
}

/// Records a write that was no apply: what `manager` changed is its own now, what is gone is nobody's.
pub(in crate::kubernetes) fn track(old: Option<&Value>, new: &mut Value, manager: &Manager, lists: &Lists) {
    let mut entries = old.map(read).unwrap_or_default();
    let now = ownable(new, lists);
    let before = old.map(|old| ownable(old, lists)).unwrap_or_default();
    let changed: Fields = now
        .iter()
        .filter(|path| !before.contains(*path) || !same(old.unwrap_or(&Value::Null), new, path))
        .cloned()
        .collect();
    if changed.is_empty() && before.is_subset(&now) {
        write(new, &entries);
        return;
    }
    for entry in &mut entries {
        let own = entry.is_of(manager, false);
        entry.fields.retain(|path| now.contains(path) && (own || !changed.contains(path)));
    }
    if let Some(own) = entries.iter_mut().find(|entry| entry.is_of(manager, false)) {
        own.manager = manager.clone();
        own.fields.extend(changed);
    } else {
        entries.push(Entry { manager: manager.clone(), apply: false, fields: changed });
    }
    write(new, &entries);
}

/// Whether a leaf has the same value in both; list elements are compared by their own leaves.
pub(super) fn same(left: &Value, right: &Value, path: &[Step]) -> bool {
    match path.last() {
        Some(Step::Item(_)) => get(left, path).is_some() == get(right, path).is_some(),
        _ => get(left, path) == get(right, path),
    }
}
