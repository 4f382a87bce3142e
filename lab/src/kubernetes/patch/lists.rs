//! How the elements of a list are told apart when two versions of it are merged.

use std::sync::Arc;

use serde_json::Value;

/// What a list is to a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kubernetes) enum List {
    /// One value: the newer list replaces the older.
    Atomic,
    /// A set of plain values.
    Set,
    /// Objects told apart by the values of these fields.
    Map(Vec<String>),
}

/// Lists of built-in kinds told apart by one field, wherever they occur.
const BY_NAME: &[(&str, &str)] = &[
    ("containers", "name"),
    ("initContainers", "name"),
    ("ephemeralContainers", "name"),
    ("env", "name"),
    ("volumes", "name"),
    ("imagePullSecrets", "name"),
    ("secrets", "name"),
    ("webhooks", "name"),
    ("volumeMounts", "mountPath"),
    ("volumeDevices", "devicePath"),
    ("hostAliases", "ip"),
    ("podIPs", "ip"),
    ("ownerReferences", "uid"),
];

/// Lists of built-in kinds that only merge at one place.
const BY_PATH: &[(&[&str], &[&str])] = &[
    (&["status", "conditions"], &["type"]),
    (&["status", "addresses"], &["type"]),
    (&["spec", "ports"], &["port", "protocol"]),
];

/// Knows the lists of one kind.
#[derive(Debug, Clone)]
pub(in crate::kubernetes) enum Lists {
    BuiltIn,
    /// The version entry of a `CustomResourceDefinition`.
    Custom(Arc<Value>),
}

impl Lists {
    /// What the list at `path` is; the path has field names only, those inside list elements included.
    pub(in crate::kubernetes) fn of(&self, path: &[&str]) -> List {
        if path == ["metadata", "finalizers"] {
            return List::Set;
        }
        if path == ["metadata", "ownerReferences"] {
            return List::Map(vec!["uid".to_owned()]);
        }
        match self {
            Self::BuiltIn => built_in(path),
            Self::Custom(version) => custom(version, path),
        }
    }
}

fn built_in(path: &[&str]) -> List {
    let Some(last) = path.last() else { return List::Atomic };
    let owned = |keys: &[&str]| List::Map(keys.iter().map(|key| (*key).to_owned()).collect());
    if *last == "ports" && path.iter().rev().nth(1).is_some_and(|parent| parent.ends_with("ontainers")) {
        return owned(&["containerPort", "protocol"]);
    }
    if let Some((_, keys)) = BY_PATH.iter().find(|(known, _)| *known == path) {
        return owned(keys);
    }
    BY_NAME.iter().find(|(known, _)| known == last).map_or(List::Atomic, |(_, key)| owned(&[key]))
}

fn custom(version: &Value, path: &[&str]) -> List {
    let mut schema = super::super::value::at(version, "/schema/openAPIV3Schema");
    for field in path {
        let here = if schema.get("items").is_some() { &schema["items"] } else { schema };
        let Some(next) = here.pointer("/properties").and_then(|properties| properties.get(field)) else {
            return List::Atomic;
        };
        schema = next;
    }
    match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => List::Set,
        Some("map") => {
            let keys = super::super::value::list(schema, "/x-kubernetes-list-map-keys");
            List::Map(keys.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        }
        _ => List::Atomic,
    }
}

/// The values that tell a list element apart; a port's protocol is TCP unless it says otherwise.
pub(in crate::kubernetes) fn identity(item: &Value, keys: &[String]) -> Vec<Value> {
    let field = |key: &String| match item.get(key) {
        None if key == "protocol" => "TCP".into(),
        None => Value::Null,
        Some(value) => value.clone(),
    };
    keys.iter().map(field).collect()
}
