//! Kubelets running pods: images come, containers start, get ready, end.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

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

    fn stop(&mut self, key: &Key, pod: &Value) {
        if self.due(text(pod, "/metadata/uid"), "stop", STOP) && list(pod, "/metadata/finalizers").is_empty() {
            self.erase(key);
        }
    }

    fn start(&mut self, key: &Key, pod: &Value, node: Ipv4Addr) {
        let stamp = self.stamp();
        let uid = text(pod, "/metadata/uid").to_owned();
        if text(pod, "/status/startTime").is_empty() {
            self.edit(key, |pod| accept(pod, node, &stamp));
        }
        if !self.claims_bound(pod) {
            return;
        }
        if !self.due(&uid, "start", start_delay(&uid)) {
            return;
        }
        let host = at(pod, "/spec/hostNetwork") == true;
        let address = if host { node } else { self.pod_address(text(pod, "/spec/nodeName"), node) };
        self.edit(key, |pod| run(pod, address, &stamp));
        self.keep(key, pod);
    }

    /// A running pod gets ready after its probe's delay, and ready again when its node returns; a job's comes to its end.
    fn keep(&mut self, key: &Key, pod: &Value) {
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
                self.edit(key, |pod| end(pod, &stamp));
            }
            return;
        }
        self.edit(key, |pod| mark_ready(pod, true, &stamp));
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

fn mark_ready(pod: &mut Value, ready: bool, stamp: &str) {
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

fn end(pod: &mut Value, stamp: &str) {
    set(pod, "/status/phase", "Succeeded");
    for container in pod.pointer_mut("/status/containerStatuses").and_then(Value::as_array_mut).into_iter().flatten() {
        let started = at(container, "/state/running/startedAt").clone();
        container["ready"] = false.into();
        container["started"] = false.into();
        container["state"] =
            json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": started, "finishedAt": stamp}});
    }
    for kind in ["Ready", "ContainersReady"] {
        set_condition(pod, &Condition { kind, status: "False", reason: "PodCompleted", message: "" }, stamp);
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
