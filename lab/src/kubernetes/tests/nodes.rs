//! Kubelets that come, fall silent and return.

use serde_json::{Value, json};

use super::bench::{Bench, deployment};

fn condition(node: &Value, kind: &str) -> (String, String) {
    let found = node["status"]["conditions"].as_array().unwrap().iter().find(|c| c["type"] == kind).unwrap().clone();
    (found["status"].as_str().unwrap().to_owned(), found["reason"].as_str().unwrap().to_owned())
}

fn ready(bench: &mut Bench, name: &str) -> (String, String) {
    condition(&bench.get(&format!("/api/v1/nodes/{name}")), "Ready")
}

fn own(left: &str, right: &str) -> (String, String) {
    (left.to_owned(), right.to_owned())
}

#[test]
fn a_kubelet_registers_and_gets_ready() {
    let mut bench = Bench::fresh(1);
    bench.pass(1_000);
    assert_eq!(ready(&mut bench, "nuc1"), own("False", "KubeletNotReady"));
    bench.pass(5_000);
    assert_eq!(ready(&mut bench, "nuc1"), own("True", "KubeletReady"));
    let node = bench.get("/api/v1/nodes/nuc1");
    assert_eq!(
        node["status"]["addresses"],
        json!([{"type": "InternalIP", "address": "10.77.0.11"}, {"type": "Hostname", "address": "nuc1"}])
    );
    assert_eq!(node["metadata"]["labels"]["node.kubernetes.io/microk8s-controlplane"], "microk8s-controlplane");
    assert_eq!(node["metadata"]["annotations"]["projectcalico.org/IPv4Address"], "10.77.0.11/24");
    assert_eq!(node["status"]["nodeInfo"]["machineID"].as_str().map(str::len), Some(32));
    assert_eq!(node["spec"].get("podCIDR"), None);
}

#[test]
fn a_silent_node_turns_unknown_after_forty_seconds_and_recovers() {
    let mut bench = Bench::settled(3);
    bench.view("nuc3").reachable = false;
    bench.pass(39_000);
    assert_eq!(ready(&mut bench, "nuc3").0, "True");
    bench.pass(2_000);
    assert_eq!(ready(&mut bench, "nuc3"), own("Unknown", "NodeStatusUnknown"));
    let pods = bench.get("/api/v1/pods?fieldSelector=spec.nodeName%3Dnuc3");
    assert!(pods["items"].as_array().unwrap().iter().all(|pod| condition(pod, "Ready").0 == "False"));
    bench.view("nuc3").reachable = true;
    bench.pass(3_000);
    assert_eq!(ready(&mut bench, "nuc3").0, "True");
    assert_eq!(bench.get("/api/v1/nodes/nuc3")["spec"].get("taints"), None);
    let pods = bench.get("/api/v1/pods?fieldSelector=spec.nodeName%3Dnuc3");
    assert!(pods["items"].as_array().unwrap().iter().all(|pod| condition(pod, "Ready").0 == "True"));
}

#[test]
fn pods_of_a_lost_node_are_replaced_after_five_minutes_daemons_stay() {
    let mut bench = Bench::settled(3);
    bench.post("/apis/apps/v1/namespaces/default/deployments", &deployment("d", 3, "i:1"));
    bench.pass(10_000);
    let on = |bench: &mut Bench| -> Vec<Value> {
        let pods = bench.get("/api/v1/namespaces/default/pods?fieldSelector=spec.nodeName%3Dnuc2");
        pods["items"].as_array().unwrap().clone()
    };
    assert_eq!(on(&mut bench).len(), 1);
    bench.view("nuc2").reachable = false;
    bench.pass(330_000);
    assert!(on(&mut bench)[0]["metadata"].get("deletionTimestamp").is_none());
    bench.pass(20_000);
    assert!(on(&mut bench)[0]["metadata"].get("deletionTimestamp").is_some(), "Terminating until the node returns");
    let deployed = bench.get("/apis/apps/v1/namespaces/default/deployments/d");
    assert_eq!(deployed["status"]["readyReplicas"], 3);
    let daemons = bench.get("/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dcalico-node");
    assert_eq!(daemons["items"].as_array().unwrap().len(), 3);
    assert!(bench.cluster.delete_node(bench.now, "nuc2"));
    bench.pass(5_000);
    assert!(on(&mut bench).is_empty());
}

#[test]
fn a_deleted_node_comes_back_only_with_a_new_start_of_its_kubelet() {
    let mut bench = Bench::settled(2);
    assert!(bench.cluster.delete_node(bench.now, "nuc2"));
    bench.pass(30_000);
    assert_eq!(bench.cluster.nodes(), [("nuc1".to_owned(), true)]);
    bench.view("nuc2").kubelet_started = bench.now;
    bench.pass(10_000);
    assert_eq!(bench.cluster.nodes(), [("nuc1".to_owned(), true), ("nuc2".to_owned(), true)]);
    assert!(!bench.cluster.delete_node(bench.now, "nuc9"));
}

#[test]
fn a_machine_that_left_is_silent_and_its_lease_grows_old() {
    let mut bench = Bench::settled(2);
    let lease = |bench: &mut Bench, name: &str| {
        bench.get(&format!("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}"))["spec"]["renewTime"].as_str().unwrap().to_owned()
    };
    let before = lease(&mut bench, "nuc1");
    let version = bench.cluster.resource_version();
    bench.pass(20_000);
    assert!(lease(&mut bench, "nuc1") > before);
    assert_eq!(bench.cluster.resource_version(), version, "a cluster at rest writes nothing");
    bench.views.pop();
    let stopped = lease(&mut bench, "nuc2");
    bench.pass(60_000);
    assert_eq!(lease(&mut bench, "nuc2"), stopped);
    assert_eq!(bench.cluster.nodes(), [("nuc1".to_owned(), true), ("nuc2".to_owned(), false)]);
}

#[test]
fn a_node_object_nobody_stands_behind_is_never_ready() {
    let mut bench = Bench::settled(1);
    bench.post("/api/v1/nodes", &json!({"metadata": {"name": "garage"}, "status": {"addresses": [{"type": "InternalIP", "address": "10.77.0.99"}]}}));
    bench.pass(60_000);
    assert_eq!(ready(&mut bench, "garage"), own("Unknown", "NodeStatusNeverUpdated"));
    assert_eq!(bench.get("/api/v1/nodes/garage")["status"]["addresses"][0]["address"], "10.77.0.99");
}

#[test]
fn a_changed_address_shows() {
    let mut bench = Bench::settled(1);
    bench.view("nuc1").address = "10.77.0.77".parse().unwrap();
    bench.pass(1_000);
    assert_eq!(bench.get("/api/v1/nodes/nuc1")["status"]["addresses"][0]["address"], "10.77.0.77");
}
