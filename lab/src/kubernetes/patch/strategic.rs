//! Strategic merge patches, with the directives `kubectl` sends.

use serde_json::{Map, Value};

use super::lists::{List, Lists, identity};

/// Applies a strategic merge patch to an object of a built-in kind.
pub(in crate::kubernetes) fn strategic(object: &mut Value, patch: &Value) {
    merge(object, patch, &mut Vec::new());
}

fn merge<'a>(target: &mut Value, patch: &'a Value, path: &mut Vec<&'a str>) {
    let Some(fields) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() || directive(patch) == "replace" {
        *target = Value::Object(Map::new());
    }
    let Some(object) = target.as_object_mut() else { return };
    for (field, change) in fields {
        if let Some(list) = field.strip_prefix("$deleteFromPrimitiveList/") {
            delete_values(object.get_mut(list), change);
        }
    }
    for (field, change) in fields.iter().filter(|(field, _)| !field.starts_with('$')) {
        if change.is_null() || directive(change) == "delete" {
            object.remove(field);
            continue;
        }
        path.push(field);
        match change {
            Value::Array(items) => merge_list(object.entry(field).or_insert(Value::Null), items, path),
            Value::Object(_) => merge(object.entry(field).or_insert(Value::Null), change, path),
            _ => drop(object.insert(field.clone(), change.clone())),
        }
        path.pop();
    }
    if let Some(kept) = patch.get("$retainKeys").and_then(Value::as_array) {
        object.retain(|field, _| kept.iter().any(|key| key == field));
    }
    for (field, order) in fields {
        if let Some(list) = field.strip_prefix("$setElementOrder/") {
            path.push(list);
            sort(object.get_mut(list), order, &keys(path, order.as_array().map_or(&[], Vec::as_slice)));
            path.pop();
        }
    }
}

fn directive(patch: &Value) -> &str {
    patch.get("$patch").and_then(Value::as_str).unwrap_or_default()
}

/// Strategic merges tell elements apart by the first key alone (`patchMergeKey` in k8s.io/api), unless the patch itself
/// has two elements of one key, such as a port for TCP and for UDP.
fn keys(path: &[&str], items: &[Value]) -> List {
    let List::Map(keys) = Lists::BuiltIn.of(path) else { return Lists::BuiltIn.of(path) };
    let first = keys[..1].to_vec();
    let ambiguous = items.iter().enumerate().any(|(at, item)| {
        let id = identity(item, &first);
        items[..at].iter().any(|other| identity(other, &first) == id)
    });
    List::Map(if ambiguous { keys } else { first })
}

fn merge_list<'a>(target: &mut Value, items: &'a [Value], path: &mut Vec<&'a str>) {
    let replace = items.iter().any(|item| directive(item) == "replace");
    let kind = keys(path, items);
    let Value::Array(existing) = target else {
        *target = Value::Array(clean(items));
        return;
    };
    match kind {
        _ if replace => *existing = clean(items),
        List::Atomic => *existing = items.to_vec(),
        List::Set => {
            for item in items {
                if !existing.contains(item) {
                    existing.push(item.clone());
                }
            }
        }
        List::Map(keys) => {
            for item in items {
                let id = identity(item, &keys);
                let position = existing.iter().position(|old| identity(old, &keys) == id);
                match (position, directive(item)) {
                    (Some(position), "delete") => drop(existing.remove(position)),
                    (None, "delete") => {}
                    (Some(position), _) => merge(&mut existing[position], item, path),
                    (None, _) => existing.extend(clean(std::slice::from_ref(item))),
                }
            }
        }
    }
}

/// The elements without directives, for a list that did not exist.
fn clean(items: &[Value]) -> Vec<Value> {
    items
        .iter()
        .filter(|item| {
            !(directive(item) == "delete"
                || directive(item) == "replace" && item.as_object().is_some_and(|map| map.len() == 1))
        })
        .map(|item| {
            let mut fresh = Value::Null;
            merge(&mut fresh, item, &mut Vec::new());
            fresh
        })
        .collect()
}

fn delete_values(list: Option<&mut Value>, gone: &Value) {
    if let (Some(Value::Array(list)), Some(gone)) = (list, gone.as_array()) {
        list.retain(|item| !gone.contains(item));
    }
}

/// Puts the elements named by `order` into that order; others keep their places behind.
fn sort(list: Option<&mut Value>, order: &Value, kind: &List) {
    let (Some(Value::Array(list)), Some(order)) = (list, order.as_array()) else { return };
    let place = |item: &Value| {
        let same = |wanted: &Value| match kind {
            List::Map(keys) => identity(wanted, keys) == identity(item, keys),
            List::Set | List::Atomic => wanted == item,
        };
        order.iter().position(same).unwrap_or(order.len())
    };
    list.sort_by_key(place);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::strategic;

    fn patched(mut object: Value, patch: &Value) -> Value {
        strategic(&mut object, patch);
        object
    }

    #[test]
    fn lists_merge_by_their_key() {
        let object = json!({"spec": {"template": {"spec": {"containers": [
            {"name": "a", "image": "a:1", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]},
            {"name": "b", "image": "b:1"}]}}}});
        let patch = json!({"spec": {"template": {"spec": {"containers": [
            {"name": "a", "env": [{"name": "X", "value": "9"}, {"name": "Y", "$patch": "delete"}]},
            {"name": "c", "image": "c:1"}]}}}});
        assert_eq!(
            patched(object, &patch)["spec"]["template"]["spec"]["containers"],
            json!([{"name": "a", "image": "a:1", "env": [{"name": "X", "value": "9"}]},
                {"name": "b", "image": "b:1"}, {"name": "c", "image": "c:1"}])
        );
    }

    #[test]
    fn service_ports_merge_by_port_and_container_ports_by_container_port() {
        let service = json!({"spec": {"ports": [{"port": 80, "targetPort": 1}]}});
        let patch = json!({"spec": {"ports": [{"port": 80, "targetPort": 2}, {"port": 443}]}});
        assert_eq!(patched(service, &patch)["spec"]["ports"], json!([{"port": 80, "targetPort": 2}, {"port": 443}]));
        let pod = json!({"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 80}]}]}});
        let patch = json!({"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 80, "name": "http"}]}]}});
        assert_eq!(
            patched(pod, &patch)["spec"]["containers"][0]["ports"],
            json!([{"containerPort": 80, "name": "http"}])
        );
    }

    #[test]
    fn directives_are_obeyed() {
        let object = json!({"metadata": {"finalizers": ["a", "b"]}, "spec": {"tolerations": [{"key": "x"}], "strategy":
            {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}, "volumes": [{"name": "v"}, {"name": "w"}]}});
        let patch = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}, "spec": {
            "tolerations": [{"key": "y"}], "strategy": {"$retainKeys": ["type"], "type": "Recreate"},
            "$setElementOrder/volumes": [{"name": "w"}, {"name": "u"}, {"name": "v"}], "volumes": [{"name": "u"}]}});
        assert_eq!(
            patched(object, &patch),
            json!({"metadata": {"finalizers": ["b"]}, "spec": {"tolerations": [{"key": "y"}],
                "strategy": {"type": "Recreate"}, "volumes": [{"name": "w"}, {"name": "u"}, {"name": "v"}]}})
        );
    }

    #[test]
    fn null_removes_and_replace_replaces() {
        let object = json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "data": {"x": "1", "y": "2"}});
        let patch = json!({"metadata": {"labels": {"a": null}}, "data": {"$patch": "replace", "z": "3"}});
        assert_eq!(patched(object, &patch), json!({"metadata": {"labels": {"b": "2"}}, "data": {"z": "3"}}));
    }

    #[test]
    fn conditions_merge_by_type() {
        let object = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
        let patch = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "True"}]}});
        assert_eq!(patched(object, &patch), patch);
    }
}
