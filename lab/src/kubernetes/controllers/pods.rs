//! Kubelets running pods: images come, containers start, get ready, end.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::events::Note;
use super::{is_leaving, jobs};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::names;
use crate::kubernetes::store::Key;
use crate::kubernetes::types::Millis;
use crate::kubernetes::value::{Condition, at, list, number, set, set_condition, text};

/// From a deleted pod's order until its containers are gone.
const STOP: Millis = 1_500;
/// How long the program of a job runs.
const RUN: Millis = 2_000;
/// From the failure of a container that is to be restarted until it is (the first `CrashLoopBackOff`).
const RESTART: Millis = 10_000;

impl Kubernetes {
    pub(super) fn run_pods(&mut self) {
        for (key, pod) in self.all_of("", "pods") {
            let node = text(&pod, "/spec/nodeName");
            let Some(view) = self.kubelets.reachable(node) else { continue };
            let address = view.address;
            if is_leaving(&pod) {
                self.stop(&key, &pod);
                continue;
            }
            match text(&pod, "/status/phase") {
                "Succeeded" | "Failed" => {}
                "Running" => self.keep(&key, &pod),
                _ => self.start(&key, &pod, address),
            }
        }
    }

    /// The containers end, then the volumes are unmounted, then the object goes.
    fn stop(&mut self, key: &Key, pod: &Value) {
        let uid = text(pod, "/metadata/uid");
        let ended = if self.runs_outside(pod) { !self.has_processes(uid) } else { self.due(uid, "stop", STOP) };
        if ended {
            self.unmount_volumes(uid);
            if list(pod, "/metadata/finalizers").is_empty() {
                self.erase(key);
            }
        }
    }

    fn start(&mut self, key: &Key, pod: &Value, node: Ipv4Addr) {
        let stamp = self.stamp();
        let uid = text(pod, "/metadata/uid").to_owned();
        if text(pod, "/status/startTime").is_empty() {
            self.edit(key, |pod| accept(pod, node, &stamp));
        }
        if !self.claims_bound(pod) || !self.mount_volumes(pod) {
            return;
        }
        if !self.due(&uid, "start", start_delay(&uid)) || self.hindered(key, pod) {
            return;
        }
        let host = at(pod, "/spec/hostNetwork") == true;
        let address = if host { node } else { self.pod_address(text(pod, "/spec/nodeName"), node) };
        self.edit(key, |pod| run(pod, address, &stamp));
        self.tell_start(pod);
        let Some(pod) = self.store.get(key).cloned() else { return };
        if self.runs_outside(&pod) {
            self.launch(&pod);
        }
        self.keep(key, &pod);
    }

    fn tell_start(&mut self, pod: &Value) {
        for container in list(pod, "/spec/containers") {
            let (name, image) = (text(container, "/name"), text(container, "/image"));
            let pulled = format!("Container image \"{image}\" already present on machine");
            for (reason, message) in [
                ("Pulled", pulled),
                ("Created", format!("Created container: {name}")),
                ("Started", format!("Started container {name}")),
            ] {
                self.note(pod, &Note { kind: "Normal", reason, message: &message, component: "kubelet" });
            }
        }
    }

    /// A running pod gets ready after its probe's delay, and ready again when its node returns; a job's comes to its end.
    fn keep(&mut self, key: &Key, pod: &Value) {
        if self.runs_outside(pod) {
            self.follow(key, pod);
            return;
        }
        if Self::is_simulated(pod) {
            self.attend(key, pod);
            return;
        }
        // After its machine was off a pod's volumes have to be mounted again.
        self.mount_volumes(pod);
        let ending = jobs::ends(pod);
        if super::is_ready(pod) && !ending {
            return;
        }
        let uid = text(pod, "/metadata/uid").to_owned();
        let stamp = self.stamp();
        let node_ready = self
            .store
            .get(&Key::core("nodes", "", text(pod, "/spec/nodeName")))
            .is_some_and(|node| super::is_ready(node));
        if !node_ready || !self.due(&uid, "ready", readiness(pod)) {
            return;
        }
        if ending {
            self.edit(key, |pod| mark_ready(pod, true, &stamp));
            if self.due(&uid, "end", RUN) {
                self.edit(key, |pod| end(pod, &[], &stamp));
            }
            return;
        }
        self.edit(key, |pod| mark_ready(pod, true, &stamp));
    }

    /// A pod whose containers run outside: ready while they run, and finished as they end.
    fn follow(&mut self, key: &Key, pod: &Value) {
        let uid = text(pod, "/metadata/uid").to_owned();
        let stamp = self.stamp();
        let exits = self.exits(pod);
        if text(pod, "/spec/restartPolicy") == "OnFailure" {
            for (container, _) in exits.iter().filter(|(_, status)| status.is_some_and(|status| status != 0)) {
                if self.due(&uid, "restart", RESTART) {
                    self.reset(&uid, "restart");
                    self.relaunch(&uid, container);
                    self.edit(key, |pod| count_restart(pod, container));
                }
            }
            if exits.iter().any(|(_, status)| *status != Some(0)) {
                return;
            }
        }
        let statuses: Option<Vec<(String, i32)>> =
            exits.into_iter().map(|(name, status)| Some((name, status?))).collect();
        if let Some(statuses) = statuses {
            self.edit(key, |pod| end(pod, &statuses, &stamp));
        } else if !super::is_ready(pod) && self.due(&uid, "ready", readiness(pod)) {
            self.edit(key, |pod| mark_ready(pod, true, &stamp));
        }
    }

    /// The next free address of the node's part of the pod network.
    fn pod_address(&self, node: &str, address: Ipv4Addr) -> Ipv4Addr {
        let block = address.octets()[3];
        let taken: Vec<&str> = self
            .store
            .list("", "pods", None)
            .filter(|(_, pod)| text(pod, "/spec/nodeName") == node)
            .map(|(_, pod)| text(pod, "/status/podIP"))
            .collect();
        (2..=250)
            .map(|host| Ipv4Addr::new(10, 1, block, host))
            .find(|free| !taken.contains(&free.to_string().as_str()))
            .unwrap_or(Ipv4Addr::new(10, 1, block, 251))
    }
}

fn container_statuses(pod: &Value, status: impl Fn(&Value) -> Value) -> Value {
    list(pod, "/spec/containers")
        .iter()
        .map(|container| {
            let mut entry = json!({"name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0,
                "ready": false, "started": false, "lastState": {}});
            if let (Value::Object(entry), Value::Object(more)) = (&mut entry, status(container)) {
                entry.extend(more);
            }
            entry
        })
        .collect()
}

fn accept(pod: &mut Value, node: Ipv4Addr, stamp: &str) {
    let waiting = container_statuses(pod, |_| json!({"state": {"waiting": {"reason": "ContainerCreating"}}}));
    set(pod, "/status/phase", "Pending");
    set(pod, "/status/startTime", stamp);
    set(pod, "/status/hostIP", node.to_string());
    set(pod, "/status/hostIPs", json!([{"ip": node}]));
    set(pod, "/status/qosClass", "BestEffort");
    set(pod, "/status/containerStatuses", waiting);
    for (kind, status) in [("PodReadyToStartContainers", "False"), ("Initialized", "True"), ("PodScheduled", "True")] {
        set_condition(pod, &Condition { kind, status, reason: "", message: "" }, stamp);
    }
    mark_ready(pod, false, stamp);
}

fn run(pod: &mut Value, address: Ipv4Addr, stamp: &str) {
    let uid = text(pod, "/metadata/uid").to_owned();
    let running = container_statuses(pod, |container| {
        let id = names::digest_hex(&[uid.as_bytes(), text(container, "/name").as_bytes()]);
        json!({"state": {"running": {"startedAt": stamp}}, "started": true, "containerID": format!("containerd://{id}"),
            "imageID": format!("{}@sha256:{}", text(container, "/image"), names::digest_hex(&[text(container, "/image").as_bytes()]))})
    });
    set(pod, "/status/phase", "Running");
    set(pod, "/status/podIP", address.to_string());
    set(pod, "/status/podIPs", json!([{"ip": address}]));
    set(pod, "/status/containerStatuses", running);
    set_condition(
        pod,
        &Condition { kind: "PodReadyToStartContainers", status: "True", reason: "", message: "" },
        stamp,
    );
}

pub(in crate::kubernetes) fn mark_ready(pod: &mut Value, ready: bool, stamp: &str) {
    let names: Vec<&str> = list(pod, "/spec/containers").iter().map(|container| text(container, "/name")).collect();
    let unready = format!("containers with unready status: [{}]", names.join(" "));
    let (status, reason, message) =
        if ready { ("True", "", "") } else { ("False", "ContainersNotReady", unready.as_str()) };
    for kind in ["Ready", "ContainersReady"] {
        set_condition(pod, &Condition { kind, status, reason, message }, stamp);
    }
    for container in pod.pointer_mut("/status/containerStatuses").and_then(Value::as_array_mut).into_iter().flatten() {
        container["ready"] = ready.into();
    }
}

/// The containers have ended with these statuses; with 0 where none is given.
pub(in crate::kubernetes) fn end(pod: &mut Value, statuses: &[(String, i32)], stamp: &str) {
    let failed = statuses.iter().any(|(_, status)| *status != 0);
    set(pod, "/status/phase", if failed { "Failed" } else { "Succeeded" });
    for container in pod.pointer_mut("/status/containerStatuses").and_then(Value::as_array_mut).into_iter().flatten() {
        let started = at(container, "/state/running/startedAt").clone();
        let status =
            statuses.iter().find(|(name, _)| container["name"] == name.as_str()).map_or(0, |(_, status)| *status);
        let reason = if status == 0 { "Completed" } else { "Error" };
        container["ready"] = false.into();
        container["started"] = false.into();
        container["state"] =
            json!({"terminated": {"exitCode": status, "reason": reason, "startedAt": started, "finishedAt": stamp}});
    }
    let reason = if failed { "PodFailed" } else { "PodCompleted" };
    for kind in ["Ready", "ContainersReady"] {
        set_condition(pod, &Condition { kind, status: "False", reason, message: "" }, stamp);
    }
}

fn count_restart(pod: &mut Value, name: &str) {
    let containers = pod.pointer_mut("/status/containerStatuses").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten().filter(|container| container["name"] == name) {
        container["restartCount"] = (number(container, "/restartCount") + 1).into();
    }
}

/// From the kubelet's acceptance until the containers run: the image is there or comes quickly.
fn start_delay(uid: &str) -> Millis {
    let spread = Millis::from_str_radix(uid.get(..4).unwrap_or_default(), 16).unwrap_or_default();
    1_500 + spread % 1_500
}

/// How long after its start a pod passes its readiness probe.
fn readiness(pod: &Value) -> Millis {
    let probes = list(pod, "/spec/containers").iter().map(|container| at(container, "/readinessProbe"));
    let longest = probes.filter(|probe| !probe.is_null()).map(|probe| {
        let delay = number(probe, "/initialDelaySeconds");
        u64::try_from(delay).unwrap_or_default() * 1000 + 1_000
    });
    longest.max().unwrap_or(200)
}
