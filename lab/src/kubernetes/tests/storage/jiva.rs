//! Volumes of Jiva from the claim to the mount, and back.

use serde_json::json;

use super::bench::{CLAIMS, JIVA, JOBS, PODS, ROOT};
use crate::kubernetes::tests::bench::{Bench, MERGE};
use crate::kubernetes::{Content, ReplicaMode};

#[test]
fn a_claim_becomes_a_volume_with_replicas_on_three_nodes() {
    let mut bench = Bench::with_openebs(3, 3, &[]);
    let volume = bench.claim("data", JIVA);
    bench.pass(2_000);
    assert_eq!(bench.get(&format!("{CLAIMS}/data"))["status"]["phase"], "Bound");
    bench.pass(40_000);
    let jiva = bench.jiva(&volume);
    assert_eq!(
        (&jiva["status"]["phase"], &jiva["status"]["status"], &jiva["status"]["replicaCount"]),
        (&json!("Ready"), &json!("RW"), &json!(3))
    );
    assert!(
        jiva["status"]["replicaStatus"]
            .as_array()
            .unwrap()
            .iter()
            .all(|replica| { replica["mode"] == "RW" && replica["address"].as_str().unwrap().ends_with(":9502") })
    );
    assert_eq!((&jiva["spec"]["capacity"], &jiva["spec"]["accessType"]), (&json!("1Gi"), &json!("mount")));
    assert_eq!(jiva["spec"]["iscsiSpec"]["iqn"], format!("iqn.2016-09.com.openebs.jiva:{volume}"));
    let base = "/apis/apps/v1/namespaces/openebs";
    assert_eq!(bench.get(&format!("{base}/deployments/{volume}-jiva-ctrl"))["status"]["readyReplicas"], 1);
    assert_eq!(bench.get(&format!("{base}/statefulsets/{volume}-jiva-rep"))["status"]["readyReplicas"], 3);
    assert_eq!(bench.status(&format!("/apis/policy/v1/namespaces/openebs/poddisruptionbudgets/{volume}-pdb")), 200);
    let view = bench.cluster.storage_view();
    let mut nodes: Vec<&str> = view.replicas.iter().map(|replica| replica.node.as_str()).collect();
    nodes.sort_unstable();
    assert_eq!(nodes, ["nuc1", "nuc2", "nuc3"]);
    for replica in &view.replicas {
        let claim = format!("openebs-{volume}-jiva-rep-{}", replica.ordinal);
        let claim = bench.get(&format!("/api/v1/namespaces/openebs/persistentvolumeclaims/{claim}"));
        let disk = claim["spec"]["volumeName"].as_str().unwrap();
        assert_eq!(replica.path, format!("/var/snap/microk8s/common/var/openebs/local/{disk}"));
        assert_eq!((replica.mode, replica.size), (ReplicaMode::ReadWrite, 1 << 30));
    }
    assert!(bench.mounts().is_empty(), "nobody uses it yet");
}

#[test]
fn a_job_mounts_the_device_and_another_node_takes_over() {
    let mut bench = Bench::with_openebs(3, 3, &[]);
    bench.cluster.run_containers_outside();
    let volume = bench.claim("data", JIVA);
    bench.job("writer", "data", "nuc1");
    bench.pass(60_000);
    let run = bench.run_of("writer").expect("it runs");
    let path = format!("{ROOT}/pods/{}/volumes/kubernetes.io~csi/{volume}/mount", run.uid);
    assert_eq!(run.volumes[0].host_path, path);
    assert_eq!(run.command, ["sh", "-c", "echo writer on nuc1"]);
    let mounts = bench.mounts();
    assert_eq!(mounts.len(), 2, "staged and published: {mounts:?}");
    for mount in &mounts {
        assert_eq!((mount.source.as_str(), mount.fstype.as_str(), mount.read_only), ("/dev/sdb", "ext4", false));
        assert_eq!(mount.content, Content::Volume(volume.clone()));
    }
    let session = bench.cluster.storage_view().sessions.remove(0);
    let jiva = bench.jiva(&volume);
    let address = jiva["spec"]["iscsiSpec"]["targetIP"].as_str().unwrap();
    assert_eq!((session.portal, session.number), (format!("{address}:3260"), 1));
    assert_eq!(jiva["metadata"]["labels"]["nodeID"], "nuc1");
    assert_eq!(jiva["spec"]["mountInfo"]["targetPath"], path);
    assert!(jiva["spec"]["mountInfo"]["devicePath"].as_str().unwrap().starts_with("/dev/disk/by-path/ip-"));
    bench.end("writer", 0);
    bench.pass(3_000);
    assert!(bench.mounts().is_empty(), "a finished job's volume is unmounted");
    let jiva = bench.jiva(&volume);
    assert_eq!(
        (&jiva["metadata"]["labels"]["nodeID"], &jiva["spec"]["mountInfo"]["targetPath"]),
        (&json!(""), &json!(null))
    );
    bench.job("reader", "data", "nuc2");
    bench.pass(10_000);
    assert_eq!(bench.run_of("reader").expect("it runs").node, "nuc2");
    assert_eq!(bench.pod_mounts()[0].node, "nuc2");
}

#[test]
fn a_second_node_is_refused_while_the_first_has_it() {
    let mut bench = Bench::with_openebs(3, 3, &[]);
    bench.cluster.run_containers_outside();
    let volume = bench.claim("data", JIVA);
    bench.job("first", "data", "nuc1");
    bench.pass(60_000);
    bench.job("second", "data", "nuc2");
    bench.pass(10_000);
    assert!(bench.run_of("second").is_none());
    let messages = bench.messages("FailedMount");
    let start = format!(
        "MountVolume.MountDevice failed for volume \"{volume}\" : rpc error: code = FailedPrecondition desc = volume {{{volume}}} is already mounted at more than one place: {{{{{ROOT}/plugins/kubernetes.io/csi/jiva.csi.openebs.io/"
    );
    assert!(messages.iter().any(|message| message.starts_with(&start)), "{messages:?}");
    bench.end("first", 0);
    bench.pass(60_000);
    assert_eq!(bench.run_of("second").expect("it runs at last").node, "nuc2");
}

#[test]
fn a_lost_node_costs_a_replica_which_is_rebuilt() {
    let mut bench = Bench::with_openebs(3, 3, &[]);
    let volume = bench.claim("data", JIVA);
    bench.pass(60_000);
    let view = bench.view("nuc3");
    (view.reachable, view.connected) = (false, false);
    bench.pass(2_000);
    let at_nuc3 = |bench: &Bench| {
        bench.cluster.storage_view().replicas.into_iter().find(|replica| replica.node == "nuc3").unwrap().mode
    };
    assert_eq!(at_nuc3(&bench), ReplicaMode::Down);
    // Its controller may have been there, and is replaced once the node counts as lost.
    bench.pass(70_000);
    assert_eq!(bench.jiva(&volume)["status"]["status"], "RW", "two of three are a quorum");
    let view = bench.view("nuc3");
    (view.reachable, view.connected) = (true, true);
    view.boot_id = "another".to_owned();
    bench.pass(14_000);
    assert_eq!(at_nuc3(&bench), ReplicaMode::WriteOnly);
    bench.pass(20_000);
    assert_eq!(at_nuc3(&bench), ReplicaMode::ReadWrite);
}

#[test]
fn two_replicas_tolerate_no_loss() {
    let mut bench = Bench::with_openebs(2, 2, &[]);
    bench.cluster.run_containers_outside();
    let volume = bench.claim("data", JIVA);
    bench.job("writer", "data", "nuc1");
    bench.pass(60_000);
    assert_eq!(bench.jiva(&volume)["status"]["status"], "RW");
    let pod = format!("/api/v1/namespaces/openebs/pods/{volume}-jiva-rep-1");
    bench.delete(&pod);
    bench.pass(1_000);
    assert_eq!(
        (&bench.jiva(&volume)["status"]["status"], &bench.jiva(&volume)["status"]["phase"]),
        (&json!("RO"), &json!("Syncing"))
    );
    assert!(bench.pod_mounts().iter().all(|mount| mount.read_only));
    bench.pass(60_000);
    assert_eq!(bench.jiva(&volume)["status"]["status"], "RW");
}

#[test]
fn a_boot_unmounts_and_fails_the_job() {
    let mut bench = Bench::with_openebs(3, 3, &[]);
    bench.cluster.run_containers_outside();
    bench.claim("data", JIVA);
    bench.job("writer", "data", "nuc2");
    bench.pass(60_000);
    let view = bench.view("nuc2");
    (view.reachable, view.connected) = (false, false);
    bench.pass(10_000);
    assert!(bench.run_of("writer").is_some(), "nobody has reported its end");
    let view = bench.view("nuc2");
    (view.reachable, view.connected) = (true, true);
    view.boot_id = "another".to_owned();
    bench.pass(5_000);
    assert!(bench.run_of("writer").is_none());
    assert!(bench.mounts().is_empty());
    let pods = bench.get(PODS);
    assert_eq!(pods["items"][0]["status"]["phase"], "Failed");
    assert_eq!(pods["items"][0]["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"], 137);
}

#[test]
fn fewer_nodes_than_replicas_leave_one_pending() {
    let mut bench = Bench::with_openebs(2, 3, &[]);
    let volume = bench.claim("data", JIVA);
    bench.pass(60_000);
    let jiva = bench.jiva(&volume);
    assert_eq!((&jiva["status"]["phase"], &jiva["status"]["replicaCount"]), (&json!("Ready"), &json!(2)));
    let message = "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.";
    assert!(bench.messages("FailedScheduling").iter().any(|known| known == message));
}

#[test]
fn a_replica_more_comes_when_it_is_wished_for() {
    let mut bench = Bench::with_openebs(3, 2, &[]);
    let volume = bench.claim("data", JIVA);
    bench.pass(60_000);
    let path = format!("/apis/openebs.io/v1/namespaces/openebs/jivavolumes/{volume}");
    bench.write("PATCH", &path, MERGE, &json!({"spec": {"desiredReplicationFactor": 3}}));
    bench.pass(90_000);
    let jiva = bench.jiva(&volume);
    assert_eq!((&jiva["status"]["replicaCount"], &jiva["status"]["phase"]), (&json!(3), &json!("Ready")));
    assert_eq!(jiva["spec"]["policy"]["target"]["replicationFactor"], 3);
}

#[test]
fn deletion_leaves_nothing() {
    let mut bench = Bench::with_openebs(3, 3, &[]);
    bench.pass(400_000);
    let before = bench.cluster.describe();
    bench.cluster.run_containers_outside();
    let volume = bench.claim("data", JIVA);
    bench.job("writer", "data", "nuc1");
    bench.pass(60_000);
    bench.delete(&format!("{CLAIMS}/data"));
    bench.pass(5_000);
    let claim = bench.get(&format!("{CLAIMS}/data"));
    assert!(!claim["metadata"]["deletionTimestamp"].is_null(), "it is in use and waits");
    bench.delete(&format!("{JOBS}/writer?propagationPolicy=Background"));
    bench.pass(1_000);
    let run = bench.run_of("writer").expect("it runs until somebody ends it");
    assert!(run.ending && run.grace_seconds == 5, "{run:?}");
    assert!(!bench.pod_mounts().is_empty(), "nothing is unmounted under it");
    bench.end("writer", 143);
    bench.pass(60_000);
    assert!(bench.object_at(&format!("/api/v1/persistentvolumes/{volume}")).is_none());
    let view = bench.cluster.storage_view();
    assert_eq!(view, crate::kubernetes::StorageView::default());
    bench.pass(400_000);
    assert_eq!(names(&bench.cluster.describe()), names(&before));
    assert_eq!(bench.cluster.next_event(), None, "and nothing is waited for");
}

fn names(objects: &serde_json::Value) -> Vec<&str> {
    objects.as_array().unwrap().iter().map(|object| object["at"].as_str().unwrap()).collect()
}
