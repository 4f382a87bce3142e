//! `kubectl apply`, `create` and `replace`.

use serde_json::{Map, Value};

use super::arguments::Arguments;
use super::resources::{collection, object_path};
use super::{Printed, server_error, yaml};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::api::lists_of;
use crate::kubernetes::kinds::Kind;
use crate::kubernetes::patch::{List, Lists, identity, strategic};
use crate::kubernetes::types::{Millis, Response};
use crate::kubernetes::value::{at, list, remove, set, text};

const LAST_APPLIED: &str = "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration";

impl Kubernetes {
    /// `apply`, `create` or `replace` of what is on standard input, or `create namespace NAME`.
    pub(super) fn kubectl_write(&mut self, arguments: &Arguments, stdin: &[u8]) -> Printed {
        if arguments.verb == "create" && arguments.flag("filename").is_none() {
            return self.create_namespace(arguments);
        }
        let objects = match manifest(arguments, stdin) {
            Ok(objects) => objects,
            Err(refusal) => return Printed::error(refusal),
        };
        let mut printed = Printed::default();
        for object in objects {
            let namespace = arguments.flag("namespace").unwrap_or("default");
            printed.join(&self.write_one(&arguments.verb, namespace, object));
        }
        printed
    }

    /// Applies objects as `kubectl apply -f -` does: stdout, stderr, exit status.
    pub(in crate::kubernetes) fn kubectl_apply(&mut self, now: Millis, objects: &[Value]) -> (String, String, i32) {
        self.now = self.now.max(now);
        let mut printed = Printed::default();
        for object in objects {
            printed.join(&self.write_one("apply", "default", object.clone()));
        }
        (printed.out, printed.err, printed.status)
    }

    fn create_namespace(&mut self, arguments: &Arguments) -> Printed {
        match arguments.words.as_slice() {
            [kind, name] if ["namespace", "ns"].contains(&kind.as_str()) => {
                let object = serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
                let response = self.ask("POST", "/api/v1/namespaces", Some(("application/json", &object)));
                if response.status == 201 {
                    return Printed::ok(format!("namespace/{name} created\n"));
                }
                Printed::error(
                    server_error(&response, "")
                        .replace("Error from server", "error: failed to create namespace: Error from server"),
                )
            }
            _ => Printed::error("error: must specify one of -f and -k\n"),
        }
    }

    fn write_one(&mut self, verb: &str, namespace: &str, mut object: Value) -> Printed {
        let (api_version, kind_name, name) =
            (text(&object, "/apiVersion"), text(&object, "/kind"), text(&object, "/metadata/name").to_owned());
        let Some(kind) = self.kinds.of(api_version, kind_name).cloned() else {
            return Printed::error(format!(
                "error: resource mapping not found for name: \"{name}\" namespace: \"{}\" from \"STDIN\": no matches for kind \"{kind_name}\" in version \"{api_version}\"\nensure CRDs are installed first\n",
                text(&object, "/metadata/namespace")
            ));
        };
        if kind.namespaced {
            let own = text(&object, "/metadata/namespace").to_owned();
            set(&mut object, "/metadata/namespace", if own.is_empty() { namespace.to_owned() } else { own });
        }
        let namespace = text(&object, "/metadata/namespace").to_owned();
        let path = object_path(&kind, &namespace, &name);
        let shown = format!("{}/{name}", kind.qualified_singular());
        let live = self.ask("GET", &path, None);
        match (verb, live.status) {
            ("create", _) => self.post(&kind, &namespace, &object, &shown),
            ("replace", _) => {
                let response = self.ask("PUT", &path, Some(("application/json", &object)));
                said(&response, &shown, "replaced", "error when replacing \"STDIN\"")
            }
            (_, 404) => {
                annotate(&mut object);
                self.post(&kind, &namespace, &object, &shown)
            }
            (_, 200) => self.reapply(&kind, &path, &live.json(), object, &shown),
            _ => Printed::error(server_error(&live, "error when retrieving current configuration")),
        }
    }

    fn post(&mut self, kind: &Kind, namespace: &str, object: &Value, shown: &str) -> Printed {
        let response = self.ask("POST", &collection(kind, Some(namespace)), Some(("application/json", object)));
        said(&response, shown, "created", "error when creating \"STDIN\"")
    }

    /// The three-way merge: what was applied before and is no longer stated goes, what is stated comes.
    fn reapply(&mut self, kind: &Kind, path: &str, live: &Value, mut object: Value, shown: &str) -> Printed {
        let last: Value = serde_json::from_str(text(live, LAST_APPLIED)).unwrap_or_default();
        let kept = three_way(kind, live, &last, &object);
        annotate(&mut object);
        let merged = three_way(kind, &kept, &Value::Null, &object);
        let response = self.ask("PUT", path, Some(("application/json", &merged)));
        let unchanged = text(&response.json(), "/metadata/resourceVersion") == text(live, "/metadata/resourceVersion");
        said(&response, shown, if unchanged { "unchanged" } else { "configured" }, "error when applying patch")
    }
}

/// `live` without what `last` states and `new` does not, and with what `new` states.
pub(in crate::kubernetes) fn three_way(kind: &Kind, live: &Value, last: &Value, new: &Value) -> Value {
    let mut merged = live.clone();
    forget(&mut merged, last, new, &lists_of(kind), &mut Vec::new());
    if kind.custom.is_some() {
        json_patch::merge(&mut merged, new);
    } else {
        strategic(&mut merged, new);
    }
    merged
}

fn said(response: &Response, shown: &str, done: &str, doing: &str) -> Printed {
    if response.status < 300 {
        Printed::ok(format!("{shown} {done}\n"))
    } else {
        Printed::error(server_error(response, doing))
    }
}

fn annotate(object: &mut Value) {
    remove(object, LAST_APPLIED);
    let mut shown = object.clone();
    if let Some(annotations) = shown.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        annotations.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
    }
    set(object, LAST_APPLIED, format!("{shown}\n"));
}

/// Removes from `live` what `last` states and `new` does not.
fn forget<'a>(live: &mut Value, last: &'a Value, new: &'a Value, lists: &Lists, path: &mut Vec<&'a str>) {
    match (live, last, new) {
        (Value::Object(live), Value::Object(last), Value::Object(new)) => {
            for (key, before) in last {
                path.push(key);
                match (new.get(key), live.get_mut(key)) {
                    (None, Some(_)) => drop(live.remove(key)),
                    (Some(new), Some(live)) => forget(live, before, new, lists, path),
                    _ => {}
                }
                path.pop();
            }
        }
        (Value::Array(live), Value::Array(last), Value::Array(new)) => {
            if let List::Map(keys) = lists.of(path) {
                let within = |items: &[Value], item: &Value| {
                    items.iter().any(|other| identity(other, &keys) == identity(item, &keys))
                };
                live.retain(|item| !within(last, item) || within(new, item));
            }
        }
        _ => {}
    }
}

/// The objects on standard input: JSON or YAML, one or many.
pub(super) fn manifest(arguments: &Arguments, stdin: &[u8]) -> Result<Vec<Value>, String> {
    match arguments.flag("filename") {
        None => return Err("error: must specify one of -f and -k\n".to_owned()),
        Some("-" | "/dev/stdin") => {}
        Some(path) => return Err(format!("error: the path \"{path}\" does not exist\n")),
    }
    let text = String::from_utf8_lossy(stdin);
    let documents: Vec<Value> = match serde_json::from_str(&text) {
        Ok(one) => vec![one],
        Err(_) => yaml::documents(&text).map_err(|why| format!("error: error parsing STDIN: {why}\n"))?,
    };
    let mut objects = Vec::new();
    for document in documents {
        if is_list(&document) {
            objects.extend(list(&document, "/items").iter().cloned());
        } else if document.is_object() {
            objects.push(document);
        }
    }
    if objects.is_empty() { Err("error: no objects passed to apply\n".to_owned()) } else { Ok(objects) }
}

fn is_list(document: &Value) -> bool {
    text(document, "/kind") == "List" && at(document, "/items").is_array()
}
