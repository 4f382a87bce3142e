//! Sets of fields, as `metadata.managedFields` records them (`FieldsV1`).

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::lists::{List, Lists, identity};

/// One step of the way to a field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Field(String),
    /// The list element whose key fields are the ones of this JSON object.
    Item(String),
    /// The plain value, as JSON, of a set.
    Value(String),
}

/// The way to a field.
pub(super) type Path = Vec<Step>;

/// The fields somebody owns.
pub(super) type Fields = BTreeSet<Path>;

/// Every leaf of an object, and every element of its keyed lists.
pub(super) fn leaves(object: &Value, lists: &Lists) -> Fields {
    let mut found = Fields::new();
    walk(object, lists, &mut Vec::new(), &mut Vec::new(), &mut found);
    found
}

fn walk<'a>(value: &'a Value, lists: &Lists, names: &mut Vec<&'a str>, path: &mut Path, found: &mut Fields) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (name, inner) in map {
                names.push(name);
                path.push(Step::Field(name.clone()));
                walk(inner, lists, names, path, found);
                path.pop();
                names.pop();
            }
        }
        Value::Array(items) if !items.is_empty() => match lists.of(names) {
            List::Atomic => drop(found.insert(path.clone())),
            List::Set => {
                for item in items {
                    path.push(Step::Value(item.to_string()));
                    found.insert(path.clone());
                    path.pop();
                }
            }
            List::Map(keys) => {
                for item in items {
                    path.push(item_step(item, &keys));
                    found.insert(path.clone());
                    if item.as_object().is_some_and(|map| !map.is_empty()) {
                        walk(item, lists, names, path, found);
                    }
                    path.pop();
                }
            }
        },
        _ => drop(found.insert(path.clone())),
    }
}

pub(super) fn item_step(item: &Value, keys: &[String]) -> Step {
    let map: Map<String, Value> = keys.iter().cloned().zip(identity(item, keys)).collect();
    Step::Item(Value::Object(map).to_string())
}

/// The value a path leads to.
pub(super) fn get<'a>(object: &'a Value, path: &[Step]) -> Option<&'a Value> {
    path.iter().try_fold(object, |here, step| match step {
        Step::Field(name) => here.get(name),
        Step::Item(_) | Step::Value(_) => {
            let items = here.as_array()?;
            items.get(position(items, step)?)
        }
    })
}

fn position(items: &[Value], step: &Step) -> Option<usize> {
    match step {
        Step::Field(_) => None,
        Step::Value(wanted) => items.iter().position(|item| &item.to_string() == wanted),
        Step::Item(wanted) => {
            let wanted: Map<String, Value> = serde_json::from_str(wanted).ok()?;
            let keys: Vec<String> = wanted.keys().cloned().collect();
            let values: Vec<Value> = wanted.into_values().collect();
            items.iter().position(|item| identity(item, &keys) == values)
        }
    }
}

/// Removes what a path leads to, and containers that it leaves empty.
pub(super) fn prune(object: &mut Value, path: &[Step]) {
    let Some((first, rest)) = path.split_first() else { return };
    match (first, object) {
        (Step::Field(name), Value::Object(map)) => {
            if rest.is_empty() {
                map.remove(name);
            } else if let Some(inner) = map.get_mut(name) {
                prune(inner, rest);
                if super::super::value::is_empty(inner) {
                    map.remove(name);
                }
            }
        }
        (Step::Item(_) | Step::Value(_), Value::Array(items)) => {
            if let Some(position) = position(items, first) {
                if rest.is_empty() {
                    items.remove(position);
                } else {
                    prune(&mut items[position], rest);
                }
            }
        }
        _ => {}
    }
}

/// As the field list of a conflict shows it: `.spec.template.spec.containers[name="a"].image`.
pub(super) fn show(path: &[Step]) -> String {
    path.iter()
        .map(|step| match step {
            Step::Field(name) => format!(".{name}"),
            Step::Value(value) => format!("[={value}]"),
            Step::Item(keys) => {
                let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
                format!("[{}]", keys.join(","))
            }
        })
        .collect()
}

/// As recorded in an object.
pub(super) fn encode(fields: &Fields) -> Value {
    let mut root = json!({});
    for path in fields {
        let mut here = &mut root;
        for step in path {
            let key = match step {
                Step::Field(name) => format!("f:{name}"),
                Step::Item(keys) => format!("k:{keys}"),
                Step::Value(value) => format!("v:{value}"),
            };
            here = &mut here[key];
            if here.is_null() {
                *here = json!({});
            }
        }
        if matches!(path.last(), Some(Step::Item(_))) {
            here["."] = json!({});
        }
    }
    root
}

/// The reverse of [`encode`].
pub(super) fn decode(recorded: &Value) -> Fields {
    let mut found = Fields::new();
    decode_into(recorded, &mut Vec::new(), &mut found);
    found
}

fn decode_into(recorded: &Value, path: &mut Path, found: &mut Fields) {
    let Some(map) = recorded.as_object() else { return };
    if map.is_empty() && !path.is_empty() {
        found.insert(path.clone());
    }
    for (key, inner) in map {
        let step = match key.split_once(':') {
            Some(("f", name)) => Step::Field(name.to_owned()),
            Some(("k", keys)) => Step::Item(keys.to_owned()),
            Some(("v", value)) => Step::Value(value.to_owned()),
            _ => {
                found.insert(path.clone());
                continue;
            }
        };
        path.push(step);
        decode_into(inner, path, found);
        path.pop();
    }
}
