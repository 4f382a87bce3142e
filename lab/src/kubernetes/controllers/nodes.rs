//! Kubelets that report, and what the cluster makes of their silence.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{is_leaving, is_ready};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::options::Propagation;
use crate::kubernetes::store::Key;
use crate::kubernetes::types::{Millis, NodeView};
use crate::kubernetes::value::{self, Condition, at, default, list, set, set_condition, text};

/// Silence after which a node's conditions turn Unknown (kube-controller-manager `--node-monitor-grace-period`).
const GRACE: Millis = 40_000;
/// How long a pod tolerates an unreachable node unless it says otherwise (`DefaultTolerationSeconds` admission).
const TOLERATION: Millis = 300_000;
/// From a kubelet's first registration until its network is set up.
const FIRST_READY: Millis = 5_000;
/// From a kubelet's return until it says so.
const RETURN_READY: Millis = 1_000;
/// How often a kubelet renews its lease.
const LEASE: Millis = 10_000;
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

/// What the control plane knows of the machines.
#[derive(Debug, Default)]
pub(in crate::kubernetes) struct Kubelets {
    known: BTreeMap<String, Kubelet>,
}

#[derive(Debug)]
struct Kubelet {
    view: NodeView,
    /// The start of the kubelet that last registered the Node object.
    registered: Option<Millis>,
    /// Since when it is silent.
    lost: Option<Millis>,
    /// When it will call itself ready.
    ready: Millis,
    /// The version of its Node object that says all there is to say.
    told: Option<String>,
    /// Whether the machine is still one of the cluster's.
    listed: bool,
}

impl Kubelets {
    /// The machine behind a Node object, while its kubelet is reachable.
    pub(in crate::kubernetes) fn reachable(&self, name: &str) -> Option<&NodeView> {
        self.known.get(name).filter(|kubelet| kubelet.lost.is_none()).map(|kubelet| &kubelet.view)
    }

    /// The machine behind a Node object, as last seen.
    pub(in crate::kubernetes) fn view(&self, name: &str) -> Option<&NodeView> {
        self.known.get(name).filter(|kubelet| kubelet.listed).map(|kubelet| &kubelet.view)
    }

    /// Whether the machine runs and can be reached, whether or not its kubelet finds an API server.
    pub(in crate::kubernetes) fn connected(&self, name: &str) -> bool {
        self.view(name).is_some_and(|view| view.connected)
    }

    /// The boot of the machine; empty for one that is no longer the cluster's.
    pub(in crate::kubernetes) fn boot(&self, name: &str) -> String {
        self.view(name).map(|view| view.boot_id.clone()).unwrap_or_default()
    }

    /// Since when the machine is silent; none while it talks.
    pub(super) fn lost(&self, name: &str) -> Option<Millis> {
        self.known.get(name).map_or(Some(0), |kubelet| kubelet.lost)
    }

    /// The machines that run an API server.
    pub(super) fn control_planes(&self) -> impl Iterator<Item = &NodeView> {
        self.known
            .values()
            .filter(|kubelet| kubelet.lost.is_none() && !kubelet.view.worker)
            .map(|kubelet| &kubelet.view)
    }
}

impl Kubernetes {
    /// Takes in what the machines look like; true when anything differs from the last time.
    pub(in crate::kubernetes) fn observe(&mut self, nodes: &[NodeView]) -> bool {
        let now = self.now;
        let mut moved = false;
        for view in nodes {
            let kubelet = self.kubelets.known.entry(view.name.clone()).or_insert_with(|| {
                moved = true;
                Kubelet {
                    view: view.clone(),
                    registered: None,
                    lost: (!view.reachable).then_some(now),
                    ready: now + FIRST_READY,
                    told: None,
                    listed: true,
                }
            });
            kubelet.listed = true;
            if kubelet.view != *view {
                moved = true;
                kubelet.told = None;
            }
            if view.reachable && kubelet.lost.take().is_some() {
                moved = true;
                kubelet.ready = now + RETURN_READY;
            } else if !view.reachable && kubelet.lost.is_none() {
                moved = true;
                kubelet.lost = Some(now);
            }
            kubelet.view = view.clone();
        }
        for (name, kubelet) in &mut self.kubelets.known {
            if kubelet.listed && !nodes.iter().any(|view| view.name == *name) {
                kubelet.lost.get_or_insert(now);
                kubelet.registered = None;
                kubelet.listed = false;
                moved = true;
            }
        }
        moved
    }

    /// When the kubelet of a node last renewed its lease.
    pub(in crate::kubernetes) fn last_heartbeat(&self, name: &str) -> Option<Millis> {
        let kubelet = self.kubelets.known.get(name)?;
        let start = kubelet.view.kubelet_started;
        let last = kubelet.lost.unwrap_or(self.now);
        Some(start + last.saturating_sub(start) / LEASE * LEASE)
    }

    pub(super) fn run_nodes(&mut self) {
        let names: Vec<String> = self.kubelets.known.keys().cloned().collect();
        for name in names {
            if self.kubelets.reachable(&name).is_some() {
                self.report(&name);
            }
        }
        for (key, node) in self.all_of("", "nodes") {
            // Somebody may have written a Node object that no machine stands behind.
            let Some(kubelet) = self.kubelets.known.get(&key.name) else {
                if self.due(text(&node, "/metadata/uid"), "first word", GRACE) {
                    self.declare_lost(&key, true);
                }
                continue;
            };
            let Some(lost) = kubelet.lost else { continue };
            if self.now < lost + GRACE {
                self.wake_at(lost + GRACE);
                continue;
            }
            self.declare_lost(&key, false);
            self.evict(&key.name, lost + GRACE);
        }
        self.collect_orphans();
    }

    /// A talking kubelet registers its node and keeps its status true.
    fn report(&mut self, name: &str) {
        let Some(kubelet) = self.kubelets.known.get_mut(name) else { return };
        let key = Key::core("nodes", "", name);
        let version = self.store.get(&key).map(|node| text(node, "/metadata/resourceVersion"));
        if version.is_some() && kubelet.told.as_deref() == version {
            return;
        }
        let exists = version.is_some();
        let view = kubelet.view.clone();
        let restarted = kubelet.registered != Some(view.kubelet_started);
        if !exists && !restarted {
            // A kubelet registers at its start; a Node object deleted under it stays away until it is started again.
            return;
        }
        kubelet.registered = Some(view.kubelet_started);
        if !exists {
            kubelet.ready = self.now + FIRST_READY;
        }
        let ready_at = kubelet.ready;
        if !exists {
            self.register(&view);
        }
        let ready = self.now >= ready_at;
        if !ready {
            self.wake_at(ready_at);
        }
        let stamp = self.stamp();
        self.edit(&key, |node| {
            default(node, "/metadata/annotations", annotations(&view));
            for (label, value) in labels(&view) {
                value::object(node, "/metadata/labels").insert(label, value);
            }
            facts(node, &view);
            health(node, ready, &stamp);
            if ready {
                untaint(node);
            }
        });
        let version = self.store.get(&key).map(|node| text(node, "/metadata/resourceVersion").to_owned());
        if let Some(kubelet) = self.kubelets.known.get_mut(name) {
            kubelet.told = version.filter(|_| ready);
        }
    }

    fn register(&mut self, view: &NodeView) {
        self.make(
            "",
            "nodes",
            json!({"metadata": {"name": view.name, "labels": labels(view), "annotations": annotations(view)},
            "spec": {}, "status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}}}}),
        );
        let owner = json!([{"apiVersion": "v1", "kind": "Node", "name": view.name,
            "uid": self.store.get(&Key::core("nodes", "", &view.name)).map_or(Value::Null, |node| node["metadata"]["uid"].clone())}]);
        let started = self.clock.micro(self.now);
        self.make(
            "coordination.k8s.io",
            "leases",
            json!({"metadata": {"name": view.name, "namespace": "kube-node-lease", "ownerReferences": owner},
            "spec": {"holderIdentity": view.name, "leaseDurationSeconds": 40, "renewTime": started}}),
        );
        self.make(
            "storage.k8s.io",
            "csinodes",
            json!({"metadata": {"name": view.name, "ownerReferences": owner}, "spec": {"drivers": null}}),
        );
    }

    /// `never`: no kubelet has ever reported for this node.
    fn declare_lost(&mut self, key: &Key, never: bool) {
        let (reason, message) = if never {
            ("NodeStatusNeverUpdated", "Kubelet never posted node status.")
        } else {
            ("NodeStatusUnknown", "Kubelet stopped posting node status.")
        };
        let stamp = self.stamp();
        self.edit(key, |node| {
            for kind in ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"] {
                set_condition(node, &Condition { kind, status: "Unknown", reason, message }, &stamp);
            }
            let mut taints = list(node, "/spec/taints").to_vec();
            for effect in ["NoSchedule", "NoExecute"] {
                if !taints.iter().any(|taint| taint["key"] == UNREACHABLE && taint["effect"] == effect) {
                    taints.push(json!({"key": UNREACHABLE, "effect": effect, "timeAdded": stamp}));
                }
            }
            set(node, "/spec/taints", taints);
        });
        for (pod_key, pod) in self.all_of("", "pods") {
            if text(&pod, "/spec/nodeName") == key.name && is_ready(&pod) {
                let condition = Condition { kind: "Ready", status: "False", reason: "NodeNotReady", message: "" };
                self.edit(&pod_key, |pod| {
                    set_condition(pod, &condition, &stamp);
                });
            }
        }
    }

    /// Pods leave an unreachable node when they no longer tolerate it; they stay Terminating until it returns or is removed.
    fn evict(&mut self, node: &str, tainted: Millis) {
        for (key, pod) in self.all_of("", "pods") {
            if text(&pod, "/spec/nodeName") != node || is_leaving(&pod) {
                continue;
            }
            let Some(patience) = patience(&pod) else { continue };
            if self.now >= tainted + patience {
                self.discard(&key, Propagation::Background, None);
            } else {
                self.wake_at(tainted + patience);
            }
        }
    }

    /// Pods bound to nodes that no longer exist are removed by force (kube-controller-manager `podgc`).
    fn collect_orphans(&mut self) {
        for (key, pod) in self.all_of("", "pods") {
            let node = text(&pod, "/spec/nodeName");
            if !node.is_empty() && self.store.get(&Key::core("nodes", "", node)).is_none() {
                self.erase(&key);
            }
        }
    }
}

/// How long a pod tolerates its node being unreachable; none for ever.
fn patience(pod: &Value) -> Option<Millis> {
    for toleration in list(pod, "/spec/tolerations") {
        let key = text(toleration, "/key");
        let effect = text(toleration, "/effect");
        let key_fits = key == UNREACHABLE || key.is_empty() && toleration["operator"] == "Exists";
        if key_fits && (effect.is_empty() || effect == "NoExecute") {
            let seconds = at(toleration, "/tolerationSeconds").as_u64()?;
            return Some(seconds * 1000);
        }
    }
    Some(TOLERATION)
}

/// The labels every `MicroK8s` kubelet sets (canonical/microk8s `microk8s-resources/default-args/kubelet`).
fn labels(view: &NodeView) -> Map<String, Value> {
    let role = if view.worker { "worker" } else { "controlplane" };
    let fixed = [
        ("beta.kubernetes.io/arch".to_owned(), "amd64".to_owned()),
        ("beta.kubernetes.io/os".to_owned(), "linux".to_owned()),
        ("kubernetes.io/arch".to_owned(), "amd64".to_owned()),
        ("kubernetes.io/hostname".to_owned(), view.name.clone()),
        ("kubernetes.io/os".to_owned(), "linux".to_owned()),
        ("microk8s.io/cluster".to_owned(), "true".to_owned()),
        (format!("node.kubernetes.io/microk8s-{role}"), format!("microk8s-{role}")),
    ];
    fixed.into_iter().chain(view.labels.clone()).map(|(key, value)| (key, value.into())).collect()
}

fn annotations(view: &NodeView) -> Value {
    json!({"node.alpha.kubernetes.io/ttl": "0", "projectcalico.org/IPv4Address": format!("{}/24", view.address),
        "projectcalico.org/IPv4VXLANTunnelAddr": format!("10.1.{}.0", view.address.octets()[3]),
        "volumes.kubernetes.io/controller-managed-attach-detach": "true"})
}

fn facts(node: &mut Value, view: &NodeView) {
    let memory = format!("{}Ki", view.memory_kib);
    let capacity = json!({"cpu": view.cpus.to_string(), "memory": memory, "pods": "110", "ephemeral-storage": "61255492Ki",
        "hugepages-1Gi": "0", "hugepages-2Mi": "0"});
    set(
        node,
        "/status/addresses",
        json!([{"type": "InternalIP", "address": view.address}, {"type": "Hostname", "address": view.name}]),
    );
    set(node, "/status/capacity", capacity.clone());
    set(node, "/status/allocatable", capacity);
    let version = format!("v{}", view.version.trim_start_matches('v'));
    set(
        node,
        "/status/nodeInfo",
        json!({"machineID": view.machine_id, "systemUUID": view.machine_id, "bootID": view.boot_id, "kernelVersion": view.kernel,
            "osImage": view.os_image, "containerRuntimeVersion": "containerd://2.1.9+unknown", "kubeletVersion": version,
            "kubeProxyVersion": "", "operatingSystem": "linux", "architecture": "amd64"}),
    );
}

fn health(node: &mut Value, ready: bool, stamp: &str) {
    for (kind, reason, message) in [
        ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ] {
        set_condition(node, &Condition { kind, status: "False", reason, message }, stamp);
    }
    let condition = if ready {
        Condition { kind: "Ready", status: "True", reason: "KubeletReady", message: "kubelet is posting ready status" }
    } else if value::condition(node, "Ready") == "True" {
        return;
    } else {
        let message = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized";
        Condition { kind: "Ready", status: "False", reason: "KubeletNotReady", message }
    };
    set_condition(node, &condition, stamp);
}

fn untaint(node: &mut Value) {
    let left: Vec<Value> =
        list(node, "/spec/taints").iter().filter(|taint| taint["key"] != UNREACHABLE).cloned().collect();
    if left.is_empty() {
        value::remove(node, "/spec/taints");
    } else {
        set(node, "/spec/taints", left);
    }
}
