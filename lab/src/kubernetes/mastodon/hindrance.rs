//! What keeps a container from being created: its image, or an object its variables or volumes come from
//! (k8s.io/kubernetes `pkg/kubelet/kubelet_pods.go`).

use serde_json::{Value, json};

use crate::kubernetes::Kubernetes;
use crate::kubernetes::controllers::Note;
use crate::kubernetes::store::Key;
use crate::kubernetes::types::Millis;
use crate::kubernetes::value::{at, list, set, text};

/// How often a container is tried again whose variables lack something.
const AGAIN: Millis = 12_000;

/// Why a container is not created.
pub(super) struct Hindrance {
    pub(super) reason: &'static str,
    pub(super) message: String,
    /// What the kubelet says of it, in its order.
    pub(super) notes: Vec<(&'static str, &'static str, String)>,
}

impl Kubernetes {
    /// Whether something keeps a pod's containers from starting; it is then in the pod's status, and told as an event.
    pub(in crate::kubernetes) fn hindered(&mut self, key: &Key, pod: &Value) -> bool {
        let uid = text(pod, "/metadata/uid").to_owned();
        if let Some(message) = self.volume_problem(pod) {
            if !self.programs.pulls.contains_key(&uid) && self.again(&uid) {
                self.note(
                    pod,
                    &Note { kind: "Warning", reason: "FailedMount", message: &message, component: "kubelet" },
                );
            }
            return true;
        }
        for (field, statuses) in [("initContainers", "initContainerStatuses"), ("containers", "containerStatuses")] {
            for container in list(pod, &format!("/spec/{field}")) {
                if let Some(hindrance) =
                    self.image_problem(&uid, container).or_else(|| self.config_problem(&uid, pod, container))
                {
                    self.show_hindrance(key, pod, statuses, container, &hindrance);
                    return true;
                }
            }
        }
        self.reset(&uid, "config");
        if at(pod, "/status/initContainerStatuses").is_array() {
            self.edit(key, |pod| {
                let shown = pod.pointer_mut("/status/initContainerStatuses").and_then(Value::as_array_mut);
                for status in shown.into_iter().flatten() {
                    status["state"] = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
                    status["ready"] = true.into();
                }
            });
        }
        false
    }

    fn show_hindrance(&mut self, key: &Key, pod: &Value, statuses: &str, container: &Value, hindrance: &Hindrance) {
        let name = text(container, "/name").to_owned();
        let waiting = json!({"waiting": {"reason": hindrance.reason, "message": hindrance.message}});
        let initial = statuses == "initContainerStatuses";
        self.edit(key, |pod| {
            if initial && at(pod, "/status/initContainerStatuses").is_null() {
                let fresh: Vec<Value> = list(pod, "/spec/initContainers")
                    .iter()
                    .map(|container| {
                        json!({"name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0, "ready": false,
                            "started": false, "lastState": {}, "state": {"waiting": {"reason": "PodInitializing"}}})
                    })
                    .collect();
                set(pod, "/status/initContainerStatuses", fresh);
            }
            let shown = pod.pointer_mut(&format!("/status/{statuses}")).and_then(Value::as_array_mut);
            for status in shown.into_iter().flatten().filter(|status| status["name"] == name.as_str()) {
                status["state"] = waiting.clone();
            }
        });
        for (kind, reason, message) in &hindrance.notes {
            self.note(pod, &Note { kind, reason, message, component: "kubelet" });
        }
    }

    /// A Secret or `ConfigMap`, or a key of one, that a container's variables need.
    fn config_problem(&mut self, uid: &str, pod: &Value, container: &Value) -> Option<Hindrance> {
        let message = self.missing_variable(text(pod, "/metadata/namespace"), container)?;
        let mut notes = Vec::new();
        if self.again(uid) {
            let image = text(container, "/image");
            notes = vec![
                ("Normal", "Pulled", format!("Container image \"{image}\" already present on machine")),
                ("Warning", "Failed", format!("Error: {message}")),
            ];
        }
        Some(Hindrance { reason: "CreateContainerConfigError", message, notes })
    }

    /// Whether it is time to try, and complain, again; at once for the first time.
    fn again(&mut self, uid: &str) -> bool {
        let first = !self.timers.contains_key(&(uid.to_owned(), "config"));
        let due = self.due(uid, "config", AGAIN);
        if due {
            self.reset(uid, "config");
            self.due(uid, "config", AGAIN);
        }
        first || due
    }

    fn missing_variable(&self, namespace: &str, container: &Value) -> Option<String> {
        let optional = |reference: &Value| at(reference, "/optional") == true;
        for source in list(container, "/envFrom") {
            for (field, plural, word) in
                [("configMapRef", "configmaps", "configmap"), ("secretRef", "secrets", "secret")]
            {
                let reference = &source[field];
                let name = text(reference, "/name");
                if reference.is_object()
                    && !optional(reference)
                    && self.store.get(&Key::core(plural, namespace, name)).is_none()
                {
                    return Some(format!("{word} \"{name}\" not found"));
                }
            }
        }
        for variable in list(container, "/env") {
            for (field, plural, kind) in
                [("configMapKeyRef", "configmaps", "ConfigMap"), ("secretKeyRef", "secrets", "Secret")]
            {
                let reference = at(variable, &format!("/valueFrom/{field}"));
                if !reference.is_object() || optional(reference) {
                    continue;
                }
                let (name, key) = (text(reference, "/name"), text(reference, "/key"));
                match self.store.get(&Key::core(plural, namespace, name)) {
                    None => return Some(format!("{} \"{name}\" not found", kind.to_lowercase())),
                    Some(object) if object["data"][key].is_null() => {
                        return Some(format!("couldn't find key {key} in {kind} {namespace}/{name}"));
                    }
                    Some(_) => {}
                }
            }
        }
        None
    }

    /// A Secret or `ConfigMap` that a volume of the pod is made of.
    fn volume_problem(&self, pod: &Value) -> Option<String> {
        super::program::main_container(pod)?;
        let namespace = text(pod, "/metadata/namespace");
        for volume in list(pod, "/spec/volumes") {
            for (field, plural, word, name) in
                [("secret", "secrets", "secret", "/secretName"), ("configMap", "configmaps", "configmap", "/name")]
            {
                let source = &volume[field];
                if !source.is_object() || at(source, "/optional") == true {
                    continue;
                }
                let failed = |why: &str| {
                    Some(format!("MountVolume.SetUp failed for volume \"{}\" : {why}", text(volume, "/name")))
                };
                let Some(object) = self.store.get(&Key::core(plural, namespace, text(source, name))) else {
                    return failed(&format!("{word} \"{}\" not found", text(source, name)));
                };
                let lacks = list(source, "/items").iter().find(|item| object["data"][text(item, "/key")].is_null());
                if let Some(item) = lacks {
                    return failed(&format!("references non-existent {word} key: {}", text(item, "/key")));
                }
            }
        }
        None
    }
}
