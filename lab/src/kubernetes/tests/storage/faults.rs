//! What goes wrong with volumes on demand.

use serde_json::json;

use super::bench::{JIVA, JOBS};
use crate::kubernetes::tests::bench::Bench;
use crate::kubernetes::{Fault, ReplicaMode};

fn modes(bench: &Bench) -> Vec<ReplicaMode> {
    bench.cluster.storage_view().replicas.iter().map(|replica| replica.mode).collect()
}

#[test]
fn the_wrong_kubelet_directory_looks_healthy_but_mounts_nothing() {
    let mut bench = Bench::with_kubelet_dir(3, 3, &[], "/var/lib/kubelet/");
    bench.cluster.run_containers_outside();
    let volume = bench.claim("data", JIVA);
    bench.job("writer", "data", "nuc1");
    bench.pass(60_000);
    let jiva = bench.jiva(&volume);
    assert_eq!((&jiva["status"]["phase"], &jiva["status"]["status"]), (&json!("Ready"), &json!("RW")));
    assert_eq!(jiva["metadata"]["labels"]["nodeID"], "nuc1");
    assert!(bench.run_of("writer").is_some(), "the pod runs");
    let view = bench.cluster.storage_view();
    assert!(bench.mounts().is_empty(), "but its volume is an ordinary directory: {:?}", bench.mounts());
    assert_eq!(view.sessions.len(), 1, "the login is real");
    assert!(bench.messages("FailedMount").is_empty());
}

#[test]
fn one_replica_stays_write_only() {
    let mut bench = Bench::with_openebs(3, 3, &[Fault::ReplicaStaysWriteOnly]);
    let volume = bench.claim("data", JIVA);
    bench.pass(600_000);
    assert_eq!(modes(&bench), [ReplicaMode::ReadWrite, ReplicaMode::ReadWrite, ReplicaMode::WriteOnly]);
    let jiva = bench.jiva(&volume);
    assert_eq!((&jiva["status"]["phase"], &jiva["status"]["replicaCount"]), (&json!("Ready"), &json!(3)));
    assert_eq!(jiva["status"]["replicaStatus"][2]["mode"], "WO");
}

#[test]
fn a_replica_is_lost_once_and_rebuilt() {
    let mut bench = Bench::with_openebs(3, 3, &[Fault::ReplicaLost]);
    bench.claim("data", JIVA);
    let mut seen = Vec::new();
    for _ in 0..160 {
        bench.pass(500);
        let view = bench.cluster.storage_view();
        let mode = view.replicas.iter().find(|replica| replica.ordinal == 1).map(|replica| replica.mode);
        if seen.last() != Some(&mode) {
            seen.push(mode);
        }
    }
    let (lost, down) = (None, Some(ReplicaMode::Down));
    let (rebuilt, whole) = (Some(ReplicaMode::WriteOnly), Some(ReplicaMode::ReadWrite));
    assert_eq!(seen, [lost, down, whole, lost, rebuilt, whole]);
    bench.claim("more", JIVA);
    bench.pass(120_000);
    assert!(modes(&bench).iter().all(|mode| *mode == ReplicaMode::ReadWrite));
}

#[test]
fn a_volume_turns_read_only_when_it_was_mounted() {
    let mut bench = Bench::with_openebs(3, 3, &[Fault::ReadOnlyVolume]);
    bench.cluster.run_containers_outside();
    let volume = bench.claim("data", JIVA);
    bench.pass(60_000);
    assert_eq!(bench.jiva(&volume)["status"]["status"], "RW");
    bench.job("writer", "data", "nuc1");
    bench.pass(10_000);
    let jiva = bench.jiva(&volume);
    assert_eq!((&jiva["status"]["phase"], &jiva["status"]["status"]), (&json!("Syncing"), &json!("RO")));
    assert_eq!(modes(&bench), [ReplicaMode::ReadWrite, ReplicaMode::Down, ReplicaMode::Down]);
    assert!(bench.run_of("writer").is_some());
    assert!(bench.pod_mounts().iter().all(|mount| mount.read_only) && bench.pod_mounts().len() == 1);
}

#[test]
fn a_stale_owner_keeps_other_nodes_out_while_it_is_ready() {
    let mut bench = Bench::with_openebs(3, 3, &[Fault::StaleMountOwner]);
    bench.cluster.run_containers_outside();
    let volume = bench.claim("data", JIVA);
    bench.job("writer", "data", "nuc1");
    bench.pass(60_000);
    bench.end("writer", 0);
    bench.pass(5_000);
    let view = bench.cluster.storage_view();
    assert!(bench.mounts().is_empty() && view.sessions.is_empty());
    let jiva = bench.jiva(&volume);
    assert_eq!(jiva["metadata"]["labels"]["nodeID"], "nuc1");
    assert!(
        jiva["spec"]["mountInfo"]["stagingPath"].is_string() && jiva["spec"]["mountInfo"]["targetPath"].is_string()
    );
    bench.job("reader", "data", "nuc2");
    bench.pass(20_000);
    assert!(
        bench.messages("FailedMount").iter().any(|message| message.contains("already mounted at more than one place"))
    );
    assert!(bench.run_of("reader").is_none());
    let patch = json!({"metadata": {"labels": {"nodeID": null}}, "spec": {"mountInfo": null}});
    let path = format!("/apis/openebs.io/v1/namespaces/openebs/jivavolumes/{volume}");
    bench.write("PATCH", &path, crate::kubernetes::tests::bench::MERGE, &patch);
    bench.pass(40_000);
    assert!(bench.run_of("reader").is_some(), "cleared by hand it can be mounted");
}

#[test]
fn a_slow_volume_is_waited_for() {
    let mut bench = Bench::with_openebs(3, 3, &[Fault::SlowVolume]);
    bench.cluster.run_containers_outside();
    let volume = bench.claim("data", JIVA);
    bench.job("writer", "data", "nuc1");
    bench.pass(80_000);
    assert_eq!(bench.jiva(&volume)["status"]["status"], "RO");
    assert!(bench.run_of("writer").is_none());
    bench.pass(60_000);
    assert_eq!(bench.jiva(&volume)["status"]["status"], "RW");
    assert!(bench.run_of("writer").is_some());
}

#[test]
fn a_volume_that_never_gets_ready_says_so() {
    let mut bench = Bench::with_openebs(1, 3, &[]);
    bench.cluster.run_containers_outside();
    let volume = bench.claim("data", JIVA);
    bench.job("writer", "data", "nuc1");
    bench.pass(130_000);
    let expected = format!(
        "MountVolume.MountDevice failed for volume \"{volume}\" : rpc error: code = FailedPrecondition desc = Max retry count exceeded, volume: {{{volume}}} is not ready"
    );
    assert_eq!(bench.messages("FailedMount"), [expected]);
    assert_eq!(bench.get(&format!("{JOBS}/writer"))["status"]["active"], 1);
}

#[test]
fn without_iscsid_or_the_driver_nothing_is_staged() {
    let mut bench = Bench::with_openebs(3, 3, &[]);
    bench.view("nuc1").iscsi = false;
    bench.cluster.run_containers_outside();
    bench.claim("data", JIVA);
    bench.job("writer", "data", "nuc1");
    bench.pass(60_000);
    assert!(
        bench.messages("FailedMount").iter().any(|message| message.contains("can not connect to iSCSI daemon (111)!"))
    );
    bench.view("nuc1").iscsi = true;
    bench.pass(130_000);
    assert!(bench.run_of("writer").is_some());
    bench.end("writer", 0);
    bench.delete("/apis/apps/v1/namespaces/openebs/daemonsets/openebs-jiva-csi-node");
    bench.pass(10_000);
    bench.job("late", "data", "nuc2");
    bench.pass(10_000);
    assert!(bench.messages("FailedMount").iter().any(|message| {
        message.ends_with("driver name jiva.csi.openebs.io not found in the list of registered CSI drivers")
    }));
}

#[test]
fn a_container_that_outlives_its_pod_keeps_mount_and_session() {
    let mut bench = Bench::with_openebs(3, 3, &[Fault::OrphanedContainer]);
    bench.cluster.run_containers_outside();
    let volume = bench.claim("data", JIVA);
    bench.job("writer", "data", "nuc1");
    bench.pass(60_000);
    bench.end("writer", 0);
    bench.pass(60_000);
    let view = bench.cluster.storage_view();
    assert_eq!((bench.pod_mounts().len(), view.sessions.len(), view.orphans.len()), (1, 1, 1));
    assert_eq!(bench.jiva(&volume)["metadata"]["labels"]["nodeID"], "nuc1");
    let uid = view.orphans[0].uid.clone();
    bench.cluster.end_orphan("nuc1", &uid);
    bench.pass(5_000);
    let view = bench.cluster.storage_view();
    assert!(bench.mounts().is_empty() && view.sessions.is_empty() && view.orphans.is_empty());
    assert_eq!(bench.jiva(&volume)["metadata"]["labels"]["nodeID"], "");
}

#[test]
fn a_file_system_stays_read_only_after_the_quorum_is_back_until_it_is_mounted_anew() {
    let mut bench = Bench::with_openebs(3, 3, &[Fault::ReadOnlyVolume]);
    bench.cluster.run_containers_outside();
    let volume = bench.claim("data", JIVA);
    bench.pass(60_000);
    bench.job("writer", "data", "nuc1");
    bench.pass(10_000);
    bench.cluster.set_fault(Fault::ReadOnlyVolume, false);
    bench.pass(60_000);
    assert_eq!(bench.jiva(&volume)["status"]["status"], "RW");
    assert_eq!(modes(&bench), [ReplicaMode::ReadWrite; 3]);
    assert!(bench.pod_mounts().iter().all(|mount| mount.read_only) && bench.pod_mounts().len() == 1);
    bench.end("writer", 0);
    bench.pass(5_000);
    bench.job("reader", "data", "nuc2");
    bench.pass(60_000);
    assert!(bench.pod_mounts().iter().all(|mount| !mount.read_only) && bench.pod_mounts().len() == 1);
}
