//! Server-side apply: several managers share one object, each owns the fields it stated.

use serde_json::{Value, json};

use super::fields::{Fields, Path, prune, show};
use super::lists::{List, Lists, identity};
use super::managed::{Entry, Manager, ownable, read, same, write};
use crate::kubernetes::status::Failure;
use crate::kubernetes::value;

/// Applies `config` for `manager` to the object as it is, or to nothing. Without `force`, a field that another manager
/// owns with another value is a conflict.
pub(in crate::kubernetes) fn apply(
    live: Option<&Value>,
    config: &Value,
    manager: &Manager,
    force: bool,
    lists: &Lists,
) -> Result<Value, Failure> {
    let wanted = ownable(config, lists);
    let mut entries = live.map(read).unwrap_or_default();
    let mut merged = live.cloned().unwrap_or_else(|| json!({}));

    let conflicts: Vec<(Manager, Path)> = entries
        .iter()
        .filter(|entry| !entry.is_of(manager, true))
        .flat_map(|entry| entry.fields.intersection(&wanted).map(|path| (entry.manager.clone(), path.clone())))
        .filter(|(_, path)| !same(&merged, config, path))
        .collect();
    if !conflicts.is_empty() {
        if !force {
            return Err(conflict(&conflicts));
        }
        for (owner, path) in &conflicts {
            for entry in entries.iter_mut().filter(|entry| entry.manager == *owner && !entry.is_of(manager, true)) {
                entry.fields.remove(path);
            }
        }
    }

    merge(&mut merged, config, lists, &mut Vec::new());
    let previous = entries.iter().find(|entry| entry.is_of(manager, true)).map(|entry| entry.fields.clone());
    for path in dropped(&previous.unwrap_or_default(), &wanted, &entries, manager) {
        prune(&mut merged, &path);
    }

    match entries.iter_mut().find(|entry| entry.is_of(manager, true)) {
        Some(own) if own.fields == wanted => {}
        Some(own) => *own = Entry { manager: manager.clone(), apply: true, fields: wanted },
        None => entries.push(Entry { manager: manager.clone(), apply: true, fields: wanted }),
    }
    write(&mut merged, &entries);
    Ok(merged)
}

/// What the manager stated before and no longer states, as far as nobody else owns it; the innermost first.
fn dropped(previous: &Fields, wanted: &Fields, entries: &[Entry], manager: &Manager) -> Vec<Path> {
    let others: Vec<&Entry> = entries.iter().filter(|entry| !entry.is_of(manager, true)).collect();
    let kept = |path: &Path| {
        let within = |fields: &Fields| fields.iter().any(|owned| owned.starts_with(path));
        others.iter().any(|entry| within(&entry.fields)) || within(wanted)
    };
    let mut gone: Vec<Path> = previous.difference(wanted).filter(|path| !kept(path)).cloned().collect();
    gone.sort_by_key(|path| std::cmp::Reverse(path.len()));
    gone
}

fn conflict(conflicts: &[(Manager, Path)]) -> Failure {
    let shown = |(owner, path): &(Manager, Path)| {
        (format!("conflict with \"{}\" using {}", owner.name, owner.api_version), show(path))
    };
    let shown: Vec<(String, String)> = conflicts.iter().map(shown).collect();
    let message = if let [(who, field)] = shown.as_slice() {
        format!("Apply failed with 1 conflict: {who}: {field}")
    } else {
        let mut lines = Vec::new();
        let mut last = "";
        for (who, field) in &shown {
            if who != last {
                lines.push(format!("{}s {}:", &who[..8], &who[9..]));
                last = who;
            }
            lines.push(format!("- {field}"));
        }
        format!("Apply failed with {} conflicts: {}", shown.len(), lines.join("\n"))
    };
    let causes: Vec<Value> = shown
        .iter()
        .map(|(who, field)| json!({"reason": "FieldManagerConflict", "message": who, "field": field}))
        .collect();
    let mut failure = Failure::new(409, "Conflict", message);
    failure.details = json!({"causes": causes});
    failure
}

fn merge<'a>(target: &mut Value, config: &'a Value, lists: &Lists, names: &mut Vec<&'a str>) {
    match (target, config) {
        (Value::Object(target), Value::Object(config)) => {
            for (name, value) in config {
                names.push(name);
                if value.is_null() {
                    target.remove(name);
                } else {
                    merge(target.entry(name).or_insert(Value::Null), value, lists, names);
                }
                names.pop();
            }
        }
        (Value::Array(target), Value::Array(items)) => match lists.of(names) {
            List::Atomic => target.clone_from(items),
            List::Set => target.extend(items.iter().filter(|item| !target.contains(item)).cloned().collect::<Vec<_>>()),
            List::Map(keys) => {
                for item in items {
                    let id = identity(item, &keys);
                    match target.iter().position(|old| identity(old, &keys) == id) {
                        Some(position) => merge(&mut target[position], item, lists, names),
                        None => target.push(item.clone()),
                    }
                }
            }
        },
        (target, config) => *target = config.clone(),
    }
}

/// Whether two versions differ in more than the book-keeping.
pub(in crate::kubernetes) fn differs(old: &Value, new: &Value) -> bool {
    let bare = |object: &Value| {
        let mut object = object.clone();
        if let Some(entries) = object.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut) {
            for entry in entries {
                value::remove(entry, "/time");
            }
        }
        value::remove(&mut object, "/metadata/resourceVersion");
        object
    };
    bare(old) != bare(new)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::lists::Lists;
    use super::super::managed::{Manager, track};
    use super::{apply, differs};
    use crate::kubernetes::status::Failure;

    fn by(name: &str) -> Manager {
        let own = str::to_owned;
        Manager {
            name: own(name),
            api_version: own("v1"),
            subresource: String::new(),
            time: own("2026-11-21T00:00:00Z"),
        }
    }

    fn applied(live: Option<&Value>, config: &Value, name: &str, force: bool) -> Result<Value, Failure> {
        apply(live, config, &by(name), force, &Lists::BuiltIn)
    }

    fn data(object: &Value) -> Value {
        object["data"].clone()
    }

    #[test]
    fn managers_share_an_object() {
        let first = applied(None, &json!({"data": {"a": "1"}}), "one", false).unwrap();
        let second = applied(Some(&first), &json!({"data": {"b": "2"}}), "two", false).unwrap();
        assert_eq!(data(&second), json!({"a": "1", "b": "2"}));
        let third = applied(Some(&second), &json!({"data": {"c": "3"}}), "one", false).unwrap();
        assert_eq!(data(&third), json!({"b": "2", "c": "3"}), "a was solely owned by one, who dropped it");
    }

    #[test]
    fn another_value_of_an_owned_field_is_a_conflict_unless_forced() {
        let first = applied(None, &json!({"data": {"a": "1"}}), "one", false).unwrap();
        let failure = applied(Some(&first), &json!({"data": {"a": "2"}}), "two", false).unwrap_err();
        assert_eq!((failure.code, failure.reason), (409, "Conflict"));
        assert_eq!(failure.message, "Apply failed with 1 conflict: conflict with \"one\" using v1: .data.a");
        assert_eq!(failure.details["causes"][0]["field"], ".data.a");
        let forced = applied(Some(&first), &json!({"data": {"a": "2"}}), "two", true).unwrap();
        assert_eq!(data(&forced), json!({"a": "2"}));
        let dropped = applied(Some(&forced), &json!({}), "one", false).unwrap();
        assert_eq!(data(&dropped), json!({"a": "2"}), "one lost the field to two");
    }

    #[test]
    fn a_shared_field_stays_until_its_last_owner_drops_it() {
        let first = applied(None, &json!({"data": {"a": "1"}}), "one", false).unwrap();
        let both = applied(Some(&first), &json!({"data": {"a": "1"}}), "two", false).unwrap();
        let one_left = applied(Some(&both), &json!({}), "one", false).unwrap();
        assert_eq!(data(&one_left), json!({"a": "1"}));
        let none = applied(Some(&one_left), &json!({}), "two", false).unwrap();
        assert_eq!(data(&none), Value::Null);
    }

    #[test]
    fn an_update_takes_the_fields_it_changes() {
        let first = applied(None, &json!({"data": {"a": "1", "b": "1"}}), "one", false).unwrap();
        let mut edited = first.clone();
        edited["data"]["a"] = "2".into();
        track(Some(&first), &mut edited, &by("kubectl-edit"), &Lists::BuiltIn);
        let failure = applied(Some(&edited), &json!({"data": {"a": "1", "b": "1"}}), "one", false).unwrap_err();
        assert_eq!(failure.message, "Apply failed with 1 conflict: conflict with \"kubectl-edit\" using v1: .data.a");
    }

    #[test]
    fn elements_of_keyed_lists_are_owned_one_by_one() {
        let with = |names: &[&str]| {
            let containers: Vec<Value> = names.iter().map(|name| json!({"name": name, "image": "i"})).collect();
            json!({"spec": {"template": {"spec": {"containers": containers}}}})
        };
        let first = applied(None, &with(&["a", "b"]), "one", false).unwrap();
        let second = applied(Some(&first), &with(&["c"]), "two", false).unwrap();
        let third = applied(Some(&second), &with(&["a"]), "one", false).unwrap();
        let names: Vec<&str> = third["spec"]["template"]["spec"]["containers"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|c| c["name"].as_str())
            .collect();
        assert_eq!(names, ["a", "c"]);
    }

    #[test]
    fn applying_the_same_again_changes_nothing() {
        let config = json!({"data": {"a": "1"}, "metadata": {"labels": {"x": "y"}}});
        let first = applied(None, &config, "one", false).unwrap();
        let again = applied(Some(&first), &config, "one", false).unwrap();
        assert!(!differs(&first, &again));
    }
}
