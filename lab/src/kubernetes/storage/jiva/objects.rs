//! The objects of one volume, as the operator makes them (jiva-operator `pkg/controllers/jivavolume_controller.go`).

use serde_json::{Value, json};

use super::super::quantity::bytes;
use crate::kubernetes::value::{at, list, number, text};

/// The release of the operator and of the volumes it makes.
pub(super) const VERSION: &str = "3.3.0";
const IMAGE: &str = "openebs/jiva:3.3.0";
const EXPORTER: &str = "openebs/m-exporter:3.3.0";
const ACCOUNT: &str = "openebs-jiva-operator";

/// The policy of a new volume: what the named one says, completed (`validatePolicySpec`).
pub(super) fn policy(named: Option<&Value>) -> Value {
    let nothing = json!({"requests": {"cpu": "0", "memory": "0"}, "limits": {"cpu": "0", "memory": "0"}});
    let mut policy = named.map_or_else(|| json!({}), |policy| at(policy, "/spec").clone());
    let factor = number(&policy, "/target/replicationFactor");
    crate::kubernetes::value::default(&mut policy, "/replicaSC", "openebs-hostpath");
    crate::kubernetes::value::set(&mut policy, "/target/replicationFactor", if factor == 0 { 3 } else { factor });
    for path in ["/target/resources", "/target/auxResources", "/replica/resources"] {
        crate::kubernetes::value::default(&mut policy, path, nothing.clone());
    }
    for (part, base) in [("target", target_tolerations()), ("replica", replica_tolerations())] {
        let path = format!("/{part}/tolerations");
        let all: Vec<Value> = base.into_iter().chain(list(&policy, &path).iter().cloned()).collect();
        crate::kubernetes::value::set(&mut policy, &path, all);
    }
    policy
}

fn toleration(key: &str) -> Value {
    json!({"key": key, "effect": "NoExecute", "operator": "Exists"})
}

/// The controller leaves a lost node at once.
fn target_tolerations() -> Vec<Value> {
    let keys = ["node.kubernetes.io/notReady", "node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready"];
    let short = |key: &str| {
        let mut toleration = toleration(key);
        toleration["tolerationSeconds"] = 0.into();
        toleration
    };
    keys.into_iter().map(short).collect()
}

/// A replica stays where its disk is.
fn replica_tolerations() -> Vec<Value> {
    let keys = [
        "node.kubernetes.io/notReady",
        "node.cloudprovider.kubernetes.io/uninitialized",
        "node.kubernetes.io/unreachable",
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unschedulable",
        "node.kubernetes.io/out-of-disk",
        "node.kubernetes.io/memory-pressure",
        "node.kubernetes.io/disk-pressure",
        "node.kubernetes.io/network-unavailable",
    ];
    keys.into_iter().map(toleration).collect()
}

fn name(volume: &Value) -> &str {
    text(volume, "/metadata/name")
}

pub(super) fn service_name(volume: &str) -> String {
    format!("{volume}-jiva-ctrl-svc")
}

pub(super) fn controller_name(volume: &str) -> String {
    format!("{volume}-jiva-ctrl")
}

pub(super) fn replicas_name(volume: &str) -> String {
    format!("{volume}-jiva-rep")
}

/// The name of the target.
pub(in crate::kubernetes::storage) fn iqn(volume: &str) -> String {
    format!("iqn.2016-09.com.openebs.jiva:{volume}")
}

fn labels(volume: &Value, component: &str) -> Value {
    json!({"openebs.io/cas-type": "jiva", "openebs.io/component": component, "openebs.io/persistent-volume": name(volume)})
}

fn with(mut labels: Value, key: &str, value: &str) -> Value {
    labels[key] = value.into();
    labels
}

pub(super) fn service(volume: &Value) -> Value {
    let port = |name: &str, port: u16| json!({"name": name, "port": port, "protocol": "TCP", "targetPort": port});
    json!({"metadata": {"name": service_name(name(volume)), "namespace": volume["metadata"]["namespace"],
            "labels": with(labels(volume, "jiva-controller-service"), "openebs.io/version", VERSION),
            "ownerReferences": crate::kubernetes::controllers::reference(volume)},
        "spec": {"type": "ClusterIP", "selector": labels(volume, "jiva-controller"),
            "ports": [port("iscsi", 3260), port("api", 9501), port("exporter", 9500)]}})
}

pub(super) fn controller(volume: &Value) -> Value {
    let claim = text(volume, "/metadata/labels/openebs.io~1persistent-volume-claim");
    let selector = with(labels(volume, "jiva-controller"), "openebs.io/persistent-volume-claim", claim);
    let labels = with(selector.clone(), "openebs.io/version", VERSION);
    let target = at(volume, "/spec/policy/target");
    let factor = number(target, "/replicationFactor").to_string();
    let port = |port: u16| json!({"containerPort": port, "protocol": "TCP"});
    let engine = json!({"name": "jiva-controller", "image": IMAGE, "command": ["launch"],
        "args": ["controller", "--frontend", "gotgt", "--clusterIP", at(volume, "/spec/iscsiSpec/targetIP"), name(volume)],
        "env": [{"name": "REPLICATION_FACTOR", "value": factor}], "ports": [port(3260), port(9501)], "resources": target["resources"]});
    let exporter = json!({"name": "maya-volume-exporter", "image": EXPORTER, "command": ["maya-exporter"], "ports": [port(9500)],
        "resources": target["auxResources"]});
    let annotations =
        json!({"prometheus.io/path": "/metrics", "prometheus.io/port": "9500", "prometheus.io/scrape": "true"});
    json!({"metadata": {"name": controller_name(name(volume)), "namespace": volume["metadata"]["namespace"], "labels": labels,
            "ownerReferences": crate::kubernetes::controllers::reference(volume)},
        "spec": {"replicas": 1, "strategy": {"type": "Recreate"}, "selector": {"matchLabels": selector},
            "template": {"metadata": {"labels": labels, "annotations": annotations},
                "spec": {"serviceAccountName": ACCOUNT, "tolerations": target["tolerations"], "containers": [engine, exporter]}}}})
}

pub(super) fn replicas(volume: &Value) -> Value {
    let policy = at(volume, "/spec/policy");
    let selector = labels(volume, "jiva-replica");
    let labels = with(selector.clone(), "openebs.io/version", VERSION);
    let capacity = text(volume, "/spec/capacity");
    let port = |port: u16| json!({"containerPort": port, "protocol": "TCP"});
    let container = json!({"name": "jiva-replica", "image": IMAGE, "command": ["launch"],
        "args": ["replica", "--frontendIP", at(volume, "/spec/iscsiSpec/targetIP"), "--size", bytes(capacity).to_string(), "openebs"],
        "ports": [port(9502), port(9503), port(9504)], "securityContext": {"privileged": true}, "resources": policy["replica"]["resources"],
        "volumeMounts": [{"name": "openebs", "mountPath": "/openebs"}]});
    let apart = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {"matchLabels": selector}, "topologyKey": "kubernetes.io/hostname"}]}});
    let owner = json!([{"apiVersion": volume["apiVersion"], "kind": volume["kind"], "name": volume["metadata"]["name"],
        "uid": volume["metadata"]["uid"], "controller": true, "blockOwnerDeletion": false}]);
    json!({"metadata": {"name": replicas_name(name(volume)), "namespace": volume["metadata"]["namespace"], "labels": labels,
            "ownerReferences": crate::kubernetes::controllers::reference(volume)},
        "spec": {"replicas": policy["target"]["replicationFactor"], "serviceName": "jiva-replica-svc", "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "RollingUpdate"}, "selector": {"matchLabels": selector},
            "template": {"metadata": {"labels": labels},
                "spec": {"serviceAccountName": ACCOUNT, "tolerations": policy["replica"]["tolerations"], "affinity": apart, "containers": [container]}},
            "volumeClaimTemplates": [{"metadata": {"name": "openebs", "ownerReferences": owner},
                "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": policy["replicaSC"],
                    "resources": {"requests": {"storage": capacity}}}}]}})
}

pub(super) fn disruption_budget(volume: &Value) -> Value {
    let factor = number(volume, "/spec/policy/target/replicationFactor");
    json!({"metadata": {"name": format!("{}-pdb", name(volume)), "namespace": volume["metadata"]["namespace"],
            "ownerReferences": crate::kubernetes::controllers::reference(volume)},
        "spec": {"minAvailable": factor / 2 + 1, "selector": {"matchLabels": labels(volume, "jiva-replica")}}})
}
