//! Deployments, daemons, sets, jobs and what is behind Services.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::bench::{Bench, MERGE, deployment};
use crate::kubernetes::NodeView;

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const PODS: &str = "/api/v1/namespaces/default/pods";

fn items(list: &Value) -> &[Value] {
    list["items"].as_array().unwrap()
}

fn pod_spec(image: &str) -> Value {
    json!({"containers": [{"name": "main", "image": image}]})
}

#[test]
fn a_deployment_becomes_available() {
    let mut bench = Bench::settled(3);
    bench.post(DEPLOYMENTS, &deployment("d", 3, "i:1"));
    bench.pass(500);
    let early = bench.get(&format!("{DEPLOYMENTS}/d"));
    assert_eq!(
        (&early["status"]["observedGeneration"], &early["status"]["unavailableReplicas"]),
        (&json!(1), &json!(3))
    );
    bench.pass(10_000);
    let done = bench.get(&format!("{DEPLOYMENTS}/d"));
    assert_eq!(
        (&done["status"]["readyReplicas"], &done["status"]["updatedReplicas"], &done["status"]["availableReplicas"]),
        (&json!(3), &json!(3), &json!(3))
    );
    let conditions = done["status"]["conditions"].as_array().unwrap();
    assert!(conditions.iter().any(|c| c["type"] == "Available" && c["status"] == "True"));
    assert!(conditions.iter().any(|c| c["type"] == "Progressing" && c["reason"] == "NewReplicaSetAvailable"));
    let pods = bench.get(PODS);
    let mut nodes: Vec<&str> = items(&pods).iter().map(|pod| pod["spec"]["nodeName"].as_str().unwrap()).collect();
    nodes.sort_unstable();
    assert_eq!(nodes, ["nuc1", "nuc2", "nuc3"]);
    assert!(items(&pods)[0]["status"]["podIP"].as_str().unwrap().starts_with("10.1."));
    assert_eq!(bench.status(&format!("{PODS}/{}/log", items(&pods)[0]["metadata"]["name"].as_str().unwrap())), 200);
}

#[test]
fn a_new_template_rolls_without_losing_availability() {
    let mut bench = Bench::settled(3);
    bench.post(DEPLOYMENTS, &deployment("d", 4, "i:1"));
    bench.pass(10_000);
    let patch = json!({"spec": {"template": {"metadata": {"annotations": {"turn": "2"}}}}});
    bench.write("PATCH", &format!("{DEPLOYMENTS}/d"), MERGE, &patch);
    for _ in 0..40 {
        bench.pass(500);
        let status = bench.get(&format!("{DEPLOYMENTS}/d"))["status"].clone();
        assert!(status["availableReplicas"].as_i64().unwrap_or_default() >= 3, "{status}");
    }
    let done = bench.get(&format!("{DEPLOYMENTS}/d"));
    assert_eq!((&done["status"]["replicas"], &done["status"]["updatedReplicas"]), (&json!(4), &json!(4)));
    assert_eq!(done["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "2");
    let sets = bench.get("/apis/apps/v1/namespaces/default/replicasets");
    let mut sizes: Vec<i64> = items(&sets).iter().map(|set| set["spec"]["replicas"].as_i64().unwrap()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [0, 4]);
}

#[test]
fn without_a_ready_node_pods_stay_pending_and_progress_runs_out() {
    let mut bench = Bench::settled(0);
    bench.post(DEPLOYMENTS, &deployment("d", 1, "i:1"));
    bench.pass(601_000);
    let pods = bench.get(PODS);
    assert_eq!(items(&pods)[0]["status"]["phase"], "Pending");
    let done = bench.get(&format!("{DEPLOYMENTS}/d"));
    assert!(done["status"]["conditions"].as_array().unwrap().iter().any(|c| c["reason"] == "ProgressDeadlineExceeded"));
}

#[test]
fn daemons_run_on_every_node_also_on_new_ones() {
    let mut bench = Bench::settled(2);
    let daemon = "/apis/apps/v1/namespaces/kube-system/daemonsets/calico-node";
    assert_eq!(bench.get(daemon)["status"]["numberReady"], 2);
    bench.views.push(NodeView { kubelet_started: bench.now, ..NodeView::new("nuc3", Ipv4Addr::new(10, 77, 0, 13)) });
    bench.pass(20_000);
    let status = bench.get(daemon)["status"].clone();
    assert_eq!(
        (&status["desiredNumberScheduled"], &status["numberReady"], &status["numberAvailable"]),
        (&json!(3), &json!(3), &json!(3))
    );
    let pods = bench.get(
        "/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dcalico-node&fieldSelector=spec.nodeName%3Dnuc3",
    );
    assert_eq!(items(&pods)[0]["status"]["podIP"], "10.77.0.13", "on the host's network");
}

#[test]
fn stateful_pods_come_in_order_and_keep_their_claims() {
    let mut bench = Bench::settled(2);
    bench.cluster.install_hostpath_storage(bench.now);
    bench.pass(5_000);
    bench.post("/apis/apps/v1/namespaces/default/statefulsets", &json!({"metadata": {"name": "db"}, "spec": {"replicas": 2, "serviceName": "db",
        "selector": {"matchLabels": {"app": "db"}}, "template": {"metadata": {"labels": {"app": "db"}}, "spec": pod_spec("i:1")},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]}}));
    bench.pass(1_000);
    assert_eq!(items(&bench.get(PODS)).len(), 1, "the second waits for the first");
    bench.pass(20_000);
    let pods = bench.get(PODS);
    let names: Vec<&Value> = items(&pods).iter().map(|pod| &pod["metadata"]["name"]).collect();
    assert_eq!(json!(names), json!(["db-0", "db-1"]));
    let claim = bench.get("/api/v1/namespaces/default/persistentvolumeclaims/data-db-0");
    assert_eq!(
        (&claim["status"]["phase"], &claim["spec"]["storageClassName"]),
        (&json!("Bound"), &json!("microk8s-hostpath"))
    );
    bench.delete("/apis/apps/v1/namespaces/default/statefulsets/db");
    bench.pass(10_000);
    assert!(items(&bench.get(PODS)).is_empty());
    assert_eq!(bench.status("/api/v1/namespaces/default/persistentvolumeclaims/data-db-0"), 200);
    bench.delete("/api/v1/namespaces/default/persistentvolumeclaims/data-db-0");
    bench.pass(1_000);
    assert_eq!(items(&bench.get("/api/v1/persistentvolumes")).len(), 1, "the other claim's volume is left");
}

#[test]
fn a_job_completes() {
    let mut bench = Bench::settled(1);
    let jobs = "/apis/batch/v1/namespaces/default/jobs";
    bench.post(
        jobs,
        &json!({"metadata": {"name": "j"}, "spec": {"completions": 2, "ttlSecondsAfterFinished": 60,
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "i:1"}]}}}}),
    );
    bench.pass(20_000);
    let job = bench.get(&format!("{jobs}/j"));
    assert_eq!(job["status"]["succeeded"], 2);
    assert!(
        job["status"]["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .any(|c| c["type"] == "Complete" && c["status"] == "True")
    );
    assert!(items(&bench.get(PODS)).iter().all(|pod| pod["status"]["phase"] == "Succeeded"));
    bench.pass(60_000);
    assert_eq!(bench.status(&format!("{jobs}/j")), 404);
}

#[test]
fn endpoints_follow_ready_pods() {
    let mut bench = Bench::settled(2);
    bench.post("/api/v1/namespaces/default/services", &json!({"metadata": {"name": "s"}, "spec": {"selector": {"app": "d"}, "ports": [{"port": 80, "targetPort": "http"}]}}));
    bench.post(DEPLOYMENTS, &deployment("d", 2, "i:1"));
    bench.pass(10_000);
    let endpoints = bench.get("/api/v1/namespaces/default/endpoints/s");
    assert_eq!(
        (endpoints["subsets"][0]["addresses"].as_array().unwrap().len(), &endpoints["subsets"][0]["ports"][0]["port"]),
        (2, &json!(8080))
    );
    let slices = bench.get(
        "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io/service-name%3Ds",
    );
    assert_eq!(items(&slices)[0]["endpoints"].as_array().unwrap().len(), 2);
    let route = bench.cluster.routes().into_iter().find(|route| route.service == "s").unwrap();
    assert_eq!((route.ports[0].port, route.ports[0].backends.len(), route.ports[0].backends[0].port), (80, 2, 8080));
    bench.view("nuc2").reachable = false;
    bench.pass(41_000);
    let endpoints = bench.get("/api/v1/namespaces/default/endpoints/s");
    assert_eq!(endpoints["subsets"][0]["addresses"].as_array().unwrap().len(), 1);
    let api = bench.get("/api/v1/namespaces/default/endpoints/kubernetes");
    assert_eq!(
        api["subsets"][0],
        json!({"addresses": [{"ip": "10.77.0.11"}], "ports": [{"name": "https", "port": 16443, "protocol": "TCP"}]})
    );
    bench.delete("/api/v1/namespaces/default/services/s");
    bench.pass(1_000);
    assert_eq!(bench.status("/api/v1/namespaces/default/endpoints/s"), 404);
}

#[test]
fn events_pass_away_after_five_minutes() {
    let mut bench = Bench::settled(1);
    bench.post(DEPLOYMENTS, &deployment("d", 1, "i:1"));
    bench.pass(5_000);
    assert!(!items(&bench.get("/api/v1/namespaces/default/events")).is_empty());
    bench.pass(301_000);
    assert!(items(&bench.get("/api/v1/events")).is_empty());
    assert_eq!(bench.cluster.next_event(), None, "a cluster at rest waits for nothing");
}
