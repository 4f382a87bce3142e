//! Reading and writing inside JSON objects by path.
//!
//! A path is a JSON pointer without array indices: `/spec/template/metadata/labels`.

use serde_json::{Map, Value, json};

/// The value at `path`; null when there is none.
pub(super) fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    // As `Value::pointer`, which copies every word of the path.
    let step = |here: &'a Value, key: &str| match here {
        Value::Object(map) if key.contains('~') => map.get(&unescape(key)),
        Value::Object(map) => map.get(key),
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        _ => None,
    };
    path.split('/').skip(1).try_fold(value, step).unwrap_or(&Value::Null)
}

/// The string at `path`; empty when there is none.
pub(super) fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    at(value, path).as_str().unwrap_or_default()
}

/// The number at `path`; zero when there is none.
pub(super) fn number(value: &Value, path: &str) -> i64 {
    at(value, path).as_i64().unwrap_or_default()
}

/// The list at `path`; empty when there is none.
pub(super) fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    at(value, path).as_array().map_or(&[], Vec::as_slice)
}

/// The entries of the object at `path`.
pub(super) fn entries<'a>(value: &'a Value, path: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    at(value, path).as_object().into_iter().flatten()
}

/// Whether the value is absent or empty, as Go's `omitempty` sees it.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The object at `path`, made on the way where missing.
pub(super) fn object<'a>(value: &'a mut Value, path: &str) -> &'a mut Map<String, Value> {
    let mut here = value;
    for key in path.split('/').skip(1) {
        here = as_map(here).entry(unescape(key)).or_insert(Value::Null);
    }
    as_map(here)
}

/// Replaces the value at `path`.
pub(super) fn set(value: &mut Value, path: &str, new: impl Into<Value>) {
    let (parent, key) = path.rsplit_once('/').unwrap_or(("", path));
    object(value, parent).insert(unescape(key), new.into());
}

/// Sets the value at `path` unless something is there.
pub(super) fn default(value: &mut Value, path: &str, new: impl Into<Value>) {
    if at(value, path).is_null() {
        set(value, path, new);
    }
}

/// Removes the value at `path`.
pub(super) fn remove(value: &mut Value, path: &str) -> Option<Value> {
    let (parent, key) = path.rsplit_once('/').unwrap_or(("", path));
    value.pointer_mut(parent)?.as_object_mut()?.remove(&unescape(key))
}

/// Sets a condition; its time of transition changes only with its status. True when anything changed.
pub(super) fn set_condition(value: &mut Value, condition: &Condition, stamp: &str) -> bool {
    let conditions = object(value, "/status").entry("conditions").or_insert_with(|| json!([]));
    let Some(conditions) = conditions.as_array_mut() else { return false };
    let wanted = json!({"type": condition.kind, "status": condition.status, "reason": condition.reason, "message": condition.message});
    match conditions.iter_mut().find(|old| old["type"] == condition.kind) {
        None => {
            let mut new = wanted;
            set(&mut new, "/lastTransitionTime", stamp);
            conditions.push(new);
            true
        }
        Some(old) => {
            let same = ["status", "reason", "message"].iter().all(|key| old[*key] == wanted[*key]);
            if same {
                return false;
            }
            if old["status"] != wanted["status"] {
                set(old, "/lastTransitionTime", stamp);
            }
            for key in ["status", "reason", "message"] {
                old[key] = wanted[key].clone();
            }
            true
        }
    }
}

/// One entry of `status.conditions`.
pub(super) struct Condition<'a> {
    pub(super) kind: &'a str,
    pub(super) status: &'a str,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
}

/// The status of a condition, empty when it is not there.
pub(super) fn condition<'a>(value: &'a Value, kind: &str) -> &'a str {
    list(value, "/status/conditions")
        .iter()
        .find(|condition| condition["type"] == kind)
        .map_or("", |condition| text(condition, "/status"))
}

fn as_map(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("just made an object"),
    }
}

fn unescape(key: &str) -> String {
    key.replace("~1", "/").replace("~0", "~")
}
