//! Claims and volumes in general.

use serde_json::json;

use super::bench::{CLAIMS, JIVA, PODS};
use crate::kubernetes::Content;
use crate::kubernetes::tests::bench::{Bench, MERGE};

fn pod(name: &str, claim: &str) -> serde_json::Value {
    json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "main", "image": "i:1", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]}})
}

#[test]
fn a_local_volume_waits_for_its_consumer_and_pins_it() {
    let mut bench = Bench::with_openebs(2, 2, &[]);
    let volume = bench.claim("data", "openebs-hostpath");
    bench.pass(10_000);
    assert_eq!(bench.get(&format!("{CLAIMS}/data"))["status"]["phase"], "Pending");
    bench.post(PODS, &pod("p", "data"));
    bench.pass(10_000);
    let claim = bench.get(&format!("{CLAIMS}/data"));
    let node = claim["metadata"]["annotations"]["volume.kubernetes.io/selected-node"].as_str().unwrap().to_owned();
    assert_eq!(bench.get(&format!("{PODS}/p"))["spec"]["nodeName"], node.as_str());
    let path = format!("/var/snap/microk8s/common/var/openebs/local/{volume}");
    let object = bench.get(&format!("/api/v1/persistentvolumes/{volume}"));
    assert_eq!(object["spec"]["local"]["path"], path.as_str());
    let mount = bench.pod_mounts().remove(0);
    assert!(mount.path.ends_with(&format!("/volumes/kubernetes.io~local-volume/{volume}")));
    assert_eq!((mount.source, mount.content), (path.clone(), Content::Directory { node: node.clone(), path }));
    // A second user of the claim has no choice.
    bench.kubectl(&format!("cordon {node}"), "");
    bench.post(PODS, &pod("q", "data"));
    bench.pass(5_000);
    let messages = bench.messages("FailedScheduling");
    let expected = "0/2 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity, 1 node(s) were unschedulable. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.";
    assert!(messages.iter().any(|message| message == expected), "{messages:?}");
    bench.kubectl(&format!("uncordon {node}"), "");
    bench.pass(10_000);
    assert_eq!(bench.get(&format!("{PODS}/q"))["status"]["phase"], "Running");
}

#[test]
fn a_retained_volume_is_released_and_can_be_switched_to_delete() {
    let mut bench = Bench::with_openebs(3, 3, &[]);
    let volume = bench.claim("data", JIVA);
    let path = format!("/api/v1/persistentvolumes/{volume}");
    bench.pass(30_000);
    bench.write("PATCH", &path, MERGE, &json!({"spec": {"persistentVolumeReclaimPolicy": "Retain"}}));
    bench.delete(&path);
    bench.pass(1_000);
    assert_eq!(bench.get(&path)["status"]["phase"], "Bound", "a bound volume is protected");
    assert_eq!(bench.get(&format!("{CLAIMS}/data"))["status"]["phase"], "Bound");
    let second = bench.claim("more", JIVA);
    let path = format!("/api/v1/persistentvolumes/{second}");
    bench.pass(30_000);
    bench.write("PATCH", &path, MERGE, &json!({"spec": {"persistentVolumeReclaimPolicy": "Retain"}}));
    bench.delete(&format!("{CLAIMS}/more"));
    bench.pass(30_000);
    assert_eq!(bench.get(&path)["status"]["phase"], "Released");
    assert_eq!(bench.jiva(&second)["status"]["phase"], "Ready");
    bench.write("PATCH", &path, MERGE, &json!({"spec": {"persistentVolumeReclaimPolicy": "Delete"}}));
    bench.pass(30_000);
    assert_eq!(bench.status(&path), 404);
    assert!(bench.cluster.storage_view().replicas.iter().all(|replica| replica.volume != second));
}

#[test]
fn a_retained_volume_binds_again_once_its_claim_is_struck_out() {
    let mut bench = Bench::with_openebs(1, 1, &[]);
    let volume = bench.claim("data", JIVA);
    let path = format!("/api/v1/persistentvolumes/{volume}");
    bench.pass(20_000);
    bench.write("PATCH", &path, MERGE, &json!({"spec": {"persistentVolumeReclaimPolicy": "Retain"}}));
    bench.delete(&format!("{CLAIMS}/data"));
    bench.pass(2_000);
    bench.write("PATCH", &path, MERGE, &json!({"spec": {"claimRef": null}}));
    bench.pass(1_000);
    assert_eq!(bench.get(&path)["status"]["phase"], "Available");
    bench.claim("again", JIVA);
    bench.pass(1_000);
    assert_eq!(bench.get(&format!("{CLAIMS}/again"))["spec"]["volumeName"], volume.as_str());
}

#[test]
fn what_is_missing_is_said_in_events() {
    let mut bench = Bench::with_openebs(1, 1, &[]);
    bench.claim("a", "no-such-class");
    bench.post(PODS, &pod("p", "a"));
    bench.post(PODS, &pod("q", "nowhere"));
    bench.pass(2_000);
    assert_eq!(bench.messages("ProvisioningFailed"), ["storageclass.storage.k8s.io \"no-such-class\" not found"]);
    let scheduling = bench.messages("FailedScheduling");
    assert!(scheduling.iter().any(|message| message.contains("persistentvolumeclaim \"nowhere\" not found")));
    let unbound = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.";
    assert!(scheduling.iter().any(|message| message.starts_with(unbound)), "{scheduling:?}");
}

#[test]
fn without_openebs_running_nothing_is_provisioned() {
    let mut bench = Bench::with_openebs(3, 3, &[]);
    bench.kubectl("scale -n openebs statefulset openebs-jiva-csi-controller --replicas=0", "");
    bench.pass(10_000);
    bench.claim("data", JIVA);
    bench.pass(60_000);
    assert_eq!(bench.get(&format!("{CLAIMS}/data"))["status"]["phase"], "Pending");
    assert!(bench.messages("ExternalProvisioning")[0].contains("'jiva.csi.openebs.io'"));
    bench.kubectl("scale -n openebs statefulset openebs-jiva-csi-controller --replicas=1", "");
    bench.pass(20_000);
    assert_eq!(bench.get(&format!("{CLAIMS}/data"))["status"]["phase"], "Bound");
}
