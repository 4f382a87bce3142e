//! Custom resources against the schema of their definition: defaults, required fields, types.

use serde_json::Value;

use crate::kubernetes::kinds::Kind;
use crate::kubernetes::status::Failure;
use crate::kubernetes::value::{at, list, text};

/// Fills in the defaults of the schema and drops the fields it does not know.
pub(super) fn complete(version: &Value, object: &mut Value) {
    let schema = at(version, "/schema/openAPIV3Schema");
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    for (name, inner) in
        properties.iter().filter(|(name, _)| !["apiVersion", "kind", "metadata"].contains(&name.as_str()))
    {
        fill(inner, object, name);
    }
    if schema["x-kubernetes-preserve-unknown-fields"] != true
        && let Some(object) = object.as_object_mut()
    {
        object.retain(|name, _| {
            properties.contains_key(name) || ["apiVersion", "kind", "metadata"].contains(&name.as_str())
        });
    }
}

fn fill(schema: &Value, parent: &mut Value, name: &str) {
    if let (Some(default), Some(parent)) = (schema.get("default"), parent.as_object_mut()) {
        parent.entry(name).or_insert_with(|| default.clone());
    }
    if let Some(value) = parent.get_mut(name) {
        descend(schema, value);
    }
}

fn descend(schema: &Value, value: &mut Value) {
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array_mut()) {
        for value in values {
            descend(items, value);
        }
    }
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    for (name, inner) in properties {
        fill(inner, value, name);
    }
    if schema["x-kubernetes-preserve-unknown-fields"] != true
        && let Some(value) = value.as_object_mut()
    {
        value.retain(|name, _| properties.contains_key(name));
    }
}

/// Refuses an object that lacks what the schema requires or has another type.
pub(super) fn check(kind: &Kind, version: &Value, object: &Value) -> Result<(), Failure> {
    let mut causes = Vec::new();
    verify(at(version, "/schema/openAPIV3Schema"), object, "", &mut causes);
    if causes.is_empty() {
        return Ok(());
    }
    Err(Failure::invalid(&kind.group, &kind.kind, text(object, "/metadata/name"), &causes))
}

fn verify(schema: &Value, value: &Value, path: &str, causes: &mut Vec<(String, String)>) {
    let wanted = text(schema, "/type");
    let found = type_of(value);
    let fits = wanted.is_empty()
        || wanted == found
        || wanted == "number" && found == "integer"
        || value.is_null() && schema["nullable"] == true
        || schema["x-kubernetes-int-or-string"] == true && ["integer", "string"].contains(&found);
    if !fits {
        let why = format!("Invalid value: \"{found}\": {path} in body must be of type {wanted}: \"{found}\"");
        causes.push((path.to_owned(), why));
        return;
    }
    let within = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for name in list(schema, "/required").iter().filter_map(Value::as_str) {
        if value.get(name).is_none_or(Value::is_null) {
            causes.push((within(name), "Required value".to_owned()));
        }
    }
    for (name, inner) in crate::kubernetes::value::entries(schema, "/properties") {
        if let Some(value) = value.get(name)
            && name != "metadata"
        {
            verify(inner, value, &within(name), causes);
        }
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        for (index, value) in values.iter().enumerate() {
            verify(items, value, &format!("{path}[{index}]"), causes);
        }
    }
    let allowed = list(schema, "/enum");
    if !allowed.is_empty() && !allowed.contains(value) {
        let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
        causes.push((path.to_owned(), format!("Unsupported value: {value}: supported values: {}", allowed.join(", "))));
    }
}

/// The fields of an object that its schema does not have, as server-side apply names them:
/// `.spec.nosuch: field not declared in schema` (sigs.k8s.io/structured-merge-diff `typed/validate.go`).
pub(super) fn undeclared(version: &Value, object: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let properties = at(version, "/schema/openAPIV3Schema");
    for (name, value) in crate::kubernetes::value::entries(object, "") {
        if ["apiVersion", "kind", "metadata"].contains(&name.as_str()) {
            continue;
        }
        beyond(&properties["properties"][name], value, &format!(".{name}"), &mut found);
    }
    found
}

fn beyond(schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    if schema.is_null() {
        found.push(format!("{path}: field not declared in schema"));
        return;
    }
    if schema["x-kubernetes-preserve-unknown-fields"] == true {
        return;
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        for (index, value) in values.iter().enumerate() {
            beyond(items, value, &format!("{path}[{index}]"), found);
        }
    }
    let Some(properties) = schema.get("properties") else { return };
    for (name, inner) in crate::kubernetes::value::entries(value, "") {
        beyond(&properties[name], inner, &format!("{path}.{name}"), found);
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_are_filled_unknown_fields_dropped_and_types_checked() {
        let version = json!({"schema": {"openAPIV3Schema": {"type": "object", "required": ["spec"], "properties": {
            "spec": {"type": "object", "required": ["addresses"], "properties": {
                "addresses": {"type": "array", "items": {"type": "string"}},
                "autoAssign": {"type": "boolean", "default": true}}}}}}});
        let mut object = json!({"metadata": {"name": "p"}, "spec": {"addresses": ["a"], "nosuch": 1}, "other": 2});
        complete(&version, &mut object);
        assert_eq!(object, json!({"metadata": {"name": "p"}, "spec": {"addresses": ["a"], "autoAssign": true}}));
        let kind = Kind::defined_by(
            &json!({"spec": {"group": "g", "names": {"kind": "P", "plural": "ps"}, "scope": "Namespaced",
            "versions": [{"name": "v1", "served": true}]}}),
        )
        .remove(0);
        assert_eq!(check(&kind, &version, &object), Ok(()));
        let failure =
            check(&kind, &version, &json!({"metadata": {"name": "p"}, "spec": {"autoAssign": "x"}})).unwrap_err();
        assert_eq!(failure.code, 422);
        assert!(failure.message.contains("spec.addresses: Required value"), "{}", failure.message);
        assert!(failure.message.contains("must be of type boolean"), "{}", failure.message);
    }
}
