//! `kubectl delete`, `patch`, `label`, `annotate`, `scale`, `cordon` and `logs`.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::apply::manifest;
use super::arguments::Arguments;
use super::resources::{Wanted, collection, object_path, selection};
use super::{Printed, server_error, yaml};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::kinds::Kind;
use crate::kubernetes::value::{at, entries, list, set, text};

const MERGE: &str = "application/merge-patch+json";

impl Kubernetes {
    pub(super) fn kubectl_delete(&mut self, arguments: &Arguments, stdin: &[u8]) -> Printed {
        let targets = match self.deletions(arguments, stdin) {
            Ok(targets) => targets,
            Err(refusal) => return refusal,
        };
        let mut printed = Printed::default();
        if targets.is_empty() {
            printed.out.push_str("No resources found\n");
        }
        let options = match arguments.flag("grace-period").and_then(|text| text.parse::<i64>().ok()) {
            Some(seconds) if seconds >= 0 => json!({"propagationPolicy": "Background", "gracePeriodSeconds": seconds}),
            _ => json!({"propagationPolicy": "Background"}),
        };
        for (kind, path, name) in targets {
            let response = self.ask("DELETE", &path, Some(("application/json", &options)));
            match response.status {
                200 | 202 => {
                    let force = if arguments.is_set("force") { "force deleted" } else { "deleted" };
                    printed.say(&format!("{} \"{name}\" {force}", kind.qualified_singular()));
                }
                404 if arguments.is_set("ignore-not-found") => {}
                _ => printed.join(&Printed::error(server_error(&response, ""))),
            }
        }
        printed
    }

    /// What a delete is about: kind, path and name of each object.
    pub(super) fn deletions(
        &mut self,
        arguments: &Arguments,
        stdin: &[u8],
    ) -> Result<Vec<(std::sync::Arc<Kind>, String, String)>, Printed> {
        let namespace = arguments.namespace().unwrap_or("default").to_owned();
        if arguments.flag("filename").is_some() {
            let objects = manifest(arguments, stdin).map_err(Printed::error)?;
            let target = |object: &Value| {
                let kind = self.kinds.of(text(object, "/apiVersion"), text(object, "/kind")).cloned()?;
                let own = match text(object, "/metadata/namespace") {
                    "" => &namespace,
                    own => own,
                };
                let name = text(object, "/metadata/name");
                Some((kind.clone(), object_path(&kind, own, name), name.to_owned()))
            };
            return Ok(objects.iter().filter_map(target).collect());
        }
        let mut targets = Vec::new();
        for Wanted { kind, names } in self.wanted(&arguments.words).map_err(Printed::error)? {
            targets.extend(names.iter().map(|name| (kind.clone(), object_path(&kind, &namespace, name), name.clone())));
            if !names.is_empty() {
                continue;
            }
            if arguments.flag("selector").is_none()
                && arguments.flag("field-selector").is_none()
                && !arguments.is_set("all")
            {
                return Err(Printed::error("error: resource(s) were provided, but no name was specified\n"));
            }
            let response = self.ask(
                "GET",
                &format!("{}?{}", collection(&kind, arguments.namespace()), selection(arguments)),
                None,
            );
            for object in list(&response.json(), "/items") {
                let name = text(object, "/metadata/name");
                targets.push((
                    kind.clone(),
                    object_path(&kind, text(object, "/metadata/namespace"), name),
                    name.to_owned(),
                ));
            }
        }
        Ok(targets)
    }

    /// Runs `change` on each object the words name; what it prints.
    fn each(
        &mut self,
        arguments: &Arguments,
        words: &[String],
        mut change: impl FnMut(&mut Self, &Kind, &str, &Value) -> Printed,
    ) -> Printed {
        let namespace = arguments.namespace().unwrap_or("default").to_owned();
        let wanted = match self.wanted(words) {
            Ok(wanted) => wanted,
            Err(refusal) => return Printed::error(refusal),
        };
        let mut printed = Printed::default();
        for Wanted { kind, mut names } in wanted {
            if names.is_empty() {
                let response =
                    self.ask("GET", &format!("{}?{}", collection(&kind, Some(&namespace)), selection(arguments)), None);
                names.extend(
                    list(&response.json(), "/items").iter().map(|object| text(object, "/metadata/name").to_owned()),
                );
            }
            for name in names {
                let path = object_path(&kind, &namespace, &name);
                let response = self.ask("GET", &path, None);
                if response.status == 200 {
                    let object = response.json();
                    printed.join(&change(self, &kind, &path, &object));
                } else {
                    printed.join(&Printed::error(server_error(&response, "")));
                }
            }
        }
        printed
    }

    /// Sends a patch; what it printed, by whether anything changed.
    fn send(
        &mut self,
        path: &str,
        content_type: &str,
        patch: &Value,
        before: &Value,
        shown: &str,
        words: (&str, &str),
    ) -> Printed {
        let response = self.ask("PATCH", path, Some((content_type, patch)));
        if response.status >= 300 {
            return Printed::error(server_error(&response, ""));
        }
        let same = text(&response.json(), "/metadata/resourceVersion") == text(before, "/metadata/resourceVersion");
        Printed::ok(format!("{shown} {}\n", if same { words.1 } else { words.0 }))
    }

    pub(super) fn kubectl_patch(&mut self, arguments: &Arguments) -> Printed {
        let content_type = match arguments.flag("type").unwrap_or("strategic") {
            "json" => "application/json-patch+json",
            "merge" => MERGE,
            "strategic" => "application/strategic-merge-patch+json",
            other => {
                return Printed::error(format!(
                    "error: --type must be one of [json merge strategic], not \"{other}\"\n"
                ));
            }
        };
        let Some(patch) = arguments.flag("patch") else {
            return Printed::error(
                "error: must specify --patch or --patch-file containing the contents of the patch\n",
            );
        };
        let Ok(patch) = serde_json::from_str::<Value>(patch)
            .or_else(|_| yaml::documents(patch).map(|mut found| found.pop().unwrap_or_default()))
        else {
            return Printed::error(format!("error: unable to parse \"{patch}\": yaml: could not find expected ':'\n"));
        };
        self.each(arguments, &arguments.words, |cluster, kind, path, object| {
            let shown = format!("{}/{}", kind.qualified_singular(), text(object, "/metadata/name"));
            cluster.send(path, content_type, &patch, object, &shown, ("patched", "patched (no change)"))
        })
    }

    /// `label` and `annotate`: `key=value` sets, `key-` removes.
    pub(super) fn kubectl_mark(&mut self, arguments: &Arguments, field: &'static str) -> Printed {
        let is_mark = |word: &&String| word.contains('=') || word.ends_with('-');
        let marks: Vec<&String> = arguments.words.iter().skip(1).filter(is_mark).collect();
        let words: Vec<String> = arguments.words.iter().filter(|word| !marks.contains(word)).cloned().collect();
        if marks.is_empty() {
            return Printed::error(format!("error: at least one {} update is required\n", &field[..field.len() - 1]));
        }
        let overwrite = arguments.is_set("overwrite");
        self.each(arguments, &words, |cluster, kind, path, object| {
            let shown = format!("{}/{}", kind.qualified_singular(), text(object, "/metadata/name"));
            let mut patch = json!({"metadata": {field: {}}});
            for mark in &marks {
                let (key, value) =
                    mark.split_once('=').map_or((mark.trim_end_matches('-'), None), |(key, value)| (key, Some(value)));
                let old = entries(object, &format!("/metadata/{field}"))
                    .find(|(known, _)| *known == key)
                    .and_then(|(_, value)| value.as_str());
                if let (Some(old), Some(value)) = (old, value)
                    && old != value
                    && !overwrite
                {
                    return Printed::error(format!(
                        "error: '{key}' already has a value ({old}), and --overwrite is false\n"
                    ));
                }
                patch["metadata"][field][key] = value.map_or(Value::Null, Value::from);
            }
            let only_removals = marks.iter().all(|mark| !mark.contains('='));
            let words = match (field, only_removals) {
                ("labels", true) => ("unlabeled", "not labeled"),
                ("labels", false) => ("labeled", "not labeled"),
                _ => ("annotated", "annotated"),
            };
            cluster.send(path, MERGE, &patch, object, &shown, words)
        })
    }

    pub(super) fn kubectl_scale(&mut self, arguments: &Arguments) -> Printed {
        let Some(replicas) = arguments.flag("replicas").and_then(|text| text.parse::<u32>().ok()) else {
            return Printed::error(
                "error: The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0\n",
            );
        };
        self.each(arguments, &arguments.words, |cluster, kind, path, object| {
            let shown = format!("{}/{}", kind.qualified_singular(), text(object, "/metadata/name"));
            cluster.send(path, MERGE, &json!({"spec": {"replicas": replicas}}), object, &shown, ("scaled", "scaled"))
        })
    }

    pub(super) fn kubectl_cordon(&mut self, arguments: &Arguments) -> Printed {
        let closed = arguments.verb == "cordon";
        let mut words = arguments.words.clone();
        words.insert(0, "nodes".to_owned());
        let done = if closed { ("cordoned", "already cordoned") } else { ("uncordoned", "already uncordoned") };
        self.each(arguments, &words, |cluster, kind, path, object| {
            let shown = format!("{}/{}", kind.qualified_singular(), text(object, "/metadata/name"));
            let wanted = if closed { Value::Bool(true) } else { Value::Null };
            cluster.send(path, MERGE, &json!({"spec": {"unschedulable": wanted}}), object, &shown, done)
        })
    }

    /// `rollout restart`: the template changes, so new pods come.
    pub(super) fn kubectl_restart(&mut self, arguments: &Arguments) -> Printed {
        let stamp = self.stamp();
        self.each(arguments, &arguments.words[1..], |cluster, kind, path, object| {
            let shown = format!("{}/{}", kind.qualified_singular(), text(object, "/metadata/name"));
            let mut patch = json!({});
            set(&mut patch, "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt", stamp.as_str());
            cluster.send(path, MERGE, &patch, object, &shown, ("restarted", "restarted"))
        })
    }

    pub(super) fn kubectl_logs(&mut self, arguments: &Arguments) -> Printed {
        let namespace = arguments.namespace().unwrap_or("default").to_owned();
        let Some(word) = arguments.words.first() else {
            return Printed::error(
                "error: expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or TYPE/NAME is a required argument for the logs command\nSee 'kubectl logs -h' for help and examples\n",
            );
        };
        let pod = match word.split_once('/') {
            None => word.clone(),
            Some(("pod" | "pods" | "po", name)) => name.to_owned(),
            Some((kind, name)) => match self.pod_behind(kind, &namespace, name) {
                Ok(pod) => pod,
                Err(refusal) => return refusal,
            },
        };
        let mut printed = Printed::default();
        let container = match arguments.flag("container") {
            Some(container) => container.to_owned(),
            None => self.first_container(&namespace, &pod, &mut printed),
        };
        let tail = arguments.flag("tail").filter(|lines| *lines != "-1");
        let tail = tail.map_or_else(String::new, |lines| format!("&tailLines={lines}"));
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}{tail}");
        let response = self.ask("GET", &path, None);
        let answer = if response.status == 200 {
            Printed::ok(String::from_utf8_lossy(&response.body))
        } else {
            Printed::error(server_error(&response, ""))
        };
        printed.join(&answer);
        printed
    }

    /// The container whose log is shown when none is named, which is said where there are several.
    fn first_container(&self, namespace: &str, pod: &str, printed: &mut Printed) -> String {
        let pod = self.store.get(&crate::kubernetes::store::Key::core("pods", namespace, pod));
        let containers = pod.map_or(&[][..], |pod| crate::kubernetes::value::list(pod, "/spec/containers"));
        let names: Vec<&str> = containers.iter().map(|container| text(container, "/name")).collect();
        let first = names.first().copied().unwrap_or_default();
        if names.len() > 1 {
            let _ = writeln!(printed.err, "Defaulted container \"{first}\" out of: {}", names.join(", "));
        }
        first.to_owned()
    }

    /// The first pod a workload selects.
    fn pod_behind(&mut self, kind: &str, namespace: &str, name: &str) -> Result<String, Printed> {
        let kind = self.kind_named(kind).map_err(Printed::error)?;
        let response = self.ask("GET", &object_path(&kind, namespace, name), None);
        if response.status != 200 {
            return Err(Printed::error(server_error(&response, "")));
        }
        let selector = crate::kubernetes::selector::Labels::of(at(&response.json(), "/spec/selector"));
        let mut pods = self.store.list("", "pods", Some(namespace));
        let found = pods.find(|(_, pod)| !selector.is_empty() && selector.accept(pod));
        found
            .map(|(key, _)| key.name.clone())
            .ok_or_else(|| Printed::error("error: timed out waiting for the condition\n"))
    }
}
