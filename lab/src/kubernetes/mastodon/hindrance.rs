//! What keeps a container from being created: its image, or an object its variables or volumes come from
//! (k8s.io/kubernetes `pkg/kubelet/kubelet_pods.go`, `pkg/kubelet/images/image_manager.go`).

use serde_json::{Value, json};

use super::program::{repository, tag};
use super::state::Pull;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::controllers::Note;
use crate::kubernetes::store::Key;
use crate::kubernetes::types::{Fault, Millis};
use crate::kubernetes::value::{at, list, set, text};

/// How long the kubelet shows a failed pull before it shows that it waits.
const SHOWN: Millis = 4_000;
/// The first pause before the next pull, and the longest.
const PAUSES: (Millis, Millis) = (10_000, 300_000);
/// How often a container is tried again whose variables lack something.
const AGAIN: Millis = 12_000;
/// How long the fault keeps an image away.
const IMAGE_AWAY: Millis = 120_000;
/// The newest version of Mastodon there is an image of.
const NEWEST: [u32; 3] = [4, 6, 3];

/// Why a container is not created.
struct Hindrance {
    reason: &'static str,
    message: String,
    /// What the kubelet says of it, in its order.
    notes: Vec<(&'static str, &'static str, String)>,
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

    /// A pull that fails, or the pause after it.
    fn image_problem(&mut self, uid: &str, container: &Value) -> Option<Hindrance> {
        let image = text(container, "/image").to_owned();
        let Some(why) = self.pull_failure(&image) else {
            // A kubelet in its pause does not know yet that it would succeed now.
            let pull = self.programs.pulls.get(uid).copied()?;
            let next = pull.tried + pull.pause;
            if self.now >= next {
                self.programs.pulls.remove(uid);
                return None;
            }
            self.wake_at(next);
            return Some(self.back_off(uid, &image, pull));
        };
        let pull = self.programs.pulls.get(uid).copied();
        let due = pull.is_none_or(|pull| self.now >= pull.tried + pull.pause);
        if let Some(pull) = pull.filter(|_| !due) {
            let (shown, next) = (pull.tried + SHOWN, pull.tried + pull.pause);
            if self.now >= shown {
                self.wake_at(next);
                return Some(self.back_off(uid, &image, pull));
            }
            self.wake_at(shown);
            return Some(Hindrance { reason: "ErrImagePull", message: why, notes: Vec::new() });
        }
        let pause = pull.map_or(PAUSES.0, |pull| (pull.pause * 2).min(PAUSES.1));
        self.programs.pulls.insert(uid.to_owned(), Pull { tried: self.now, pause, told: false });
        self.wake_at(self.now + SHOWN);
        let notes = vec![
            ("Normal", "Pulling", format!("Pulling image \"{image}\"")),
            ("Warning", "Failed", format!("Failed to pull image \"{image}\": {why}")),
            ("Warning", "Failed", "Error: ErrImagePull".to_owned()),
        ];
        Some(Hindrance { reason: "ErrImagePull", message: why, notes })
    }

    fn back_off(&mut self, uid: &str, image: &str, pull: Pull) -> Hindrance {
        let message = format!("Back-off pulling image \"{image}\"");
        let mut notes = Vec::new();
        if !pull.told {
            notes = vec![
                ("Normal", "BackOff", message.clone()),
                ("Warning", "Failed", "Error: ImagePullBackOff".to_owned()),
            ];
            self.programs.pulls.insert(uid.to_owned(), Pull { told: true, ..pull });
        }
        Hindrance { reason: "ImagePullBackOff", message, notes }
    }

    /// What containerd says of an image it cannot get: those that Docker Hub no longer has (bitnami/charts issue 36318),
    /// versions of Mastodon that there are none of, and the one the fault keeps away.
    fn pull_failure(&mut self, image: &str) -> Option<String> {
        let (name, version) = (repository(image), tag(image));
        if self.faults.contains(&Fault::ImagePull) && name.ends_with("/redis") {
            let until = *self.programs.no_pull_until.get_or_insert(self.now + IMAGE_AWAY);
            if self.now < until {
                return Some(format!(
                    "failed to pull and unpack image \"{image}\": failed to copy: httpReadSeeker: failed open: unexpected status code https://registry-1.docker.io/v2/{name}/manifests/{version}: 429 Too Many Requests - Server message: toomanyrequests: You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit"
                ));
            }
        }
        let official = image.starts_with("ghcr.io/mastodon/");
        let gone = name.starts_with("bitnami/") && version != "latest" || official && !is_released(version);
        gone.then(|| {
            let full = if image.contains('.') && image.split('/').next().is_some_and(|host| host.contains('.')) {
                image.to_owned()
            } else {
                format!("docker.io/{image}")
            };
            format!("rpc error: code = NotFound desc = failed to pull and unpack image \"{full}\": failed to resolve reference \"{full}\": {full}: not found")
        })
    }

    /// A Secret or ConfigMap, or a key of one, that a container's variables need.
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

    /// A Secret or ConfigMap that a volume of the pod is made of.
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

/// Whether there is an image of that version.
fn is_released(tag: &str) -> bool {
    if ["latest", "edge", "nightly"].contains(&tag) {
        return true;
    }
    let Some(version) = tag.strip_prefix('v') else { return false };
    let version = version.split('-').next().unwrap_or_default();
    let numbers: Option<Vec<u32>> = version.split('.').map(|part| part.parse().ok()).collect();
    numbers.is_some_and(|numbers| !numbers.is_empty() && numbers.len() <= 3 && numbers.as_slice() <= &NEWEST[..])
}
