//! Shared volumes: an NFS server on a volume of its own.

use serde_json::json;

use super::bench::{CLAIMS, JOBS, ROOT, RWX};
use crate::kubernetes::tests::bench::{Bench, MERGE};
use crate::kubernetes::{Content, RootPermissions};

const SERVERS: &str = "/apis/apps/v1/namespaces/openebs/deployments";

fn backend(bench: &mut Bench, volume: &str) -> String {
    let claim = bench.get(&format!("/api/v1/namespaces/openebs/persistentvolumeclaims/nfs-{volume}"));
    claim["spec"]["volumeName"].as_str().unwrap().to_owned()
}

#[test]
fn two_nodes_see_the_bytes_of_one_jiva_volume() {
    let mut bench = Bench::with_openebs(3, 3, &[]);
    bench.cluster.run_containers_outside();
    let volume = bench.claim("media", RWX);
    bench.job("writer", "media", "nuc1");
    bench.job("reader", "media", "nuc2");
    bench.pass(90_000);
    let backend = backend(&mut bench, &volume);
    assert_ne!(backend, volume);
    let address = bench.get(&format!("/api/v1/namespaces/openebs/services/nfs-{volume}"));
    let address = address["spec"]["clusterIP"].as_str().unwrap().to_owned();
    let object = bench.get(&format!("/api/v1/persistentvolumes/{volume}"));
    assert_eq!(object["spec"]["nfs"], json!({"server": address, "path": "/"}));
    for (job, node) in [("writer", "nuc1"), ("reader", "nuc2")] {
        let run = bench.run_of(job).unwrap();
        let path = format!("{ROOT}/pods/{}/volumes/kubernetes.io~nfs/{volume}", run.uid);
        assert_eq!(run.volumes[0].host_path, path);
        let mount = bench.pod_mounts().into_iter().find(|mount| mount.path == path).unwrap();
        assert_eq!((mount.node.as_str(), mount.fstype.as_str()), (node, "nfs4"));
        assert_eq!(mount.source, format!("{address}:/"));
        assert_eq!(mount.content, Content::Volume(backend.clone()));
        assert_eq!(mount.root, Some(RootPermissions { uid: 991, gid: 991, mode: "0775".to_owned() }));
    }
    let server = bench.get(&format!("{SERVERS}/nfs-{volume}"));
    assert_eq!(server["spec"]["strategy"]["type"], "Recreate");
    assert_eq!(server["metadata"]["labels"]["nfs.openebs.io/nfs-pvc-name"], "media");
    let env = &server["spec"]["template"]["spec"]["containers"][0]["env"];
    assert!(env.as_array().unwrap().contains(&json!({"name": "NFS_LEASE_TIME", "value": "30"})));
    assert!(env.as_array().unwrap().contains(&json!({"name": "NFS_GRACE_TIME", "value": "90"})));
}

#[test]
fn a_deleted_share_takes_its_server_along_and_a_kept_one_is_collected_later() {
    let mut bench = Bench::with_openebs(3, 3, &[]);
    let gone = bench.claim("gone", RWX);
    let kept = bench.claim("kept", RWX);
    bench.pass(60_000);
    let path = format!("/api/v1/persistentvolumes/{kept}");
    bench.write("PATCH", &path, MERGE, &json!({"spec": {"persistentVolumeReclaimPolicy": "Retain"}}));
    for claim in ["gone", "kept"] {
        bench.delete(&format!("{CLAIMS}/{claim}"));
    }
    bench.pass(60_000);
    assert_eq!(bench.status(&format!("{SERVERS}/nfs-{gone}")), 404);
    assert_eq!(bench.get(&path)["status"]["phase"], "Released");
    bench.pass(400_000);
    assert_eq!(bench.status(&format!("{SERVERS}/nfs-{kept}")), 200, "its volume is still there");
    bench.delete(&path);
    bench.pass(310_000);
    assert_eq!(bench.status(&format!("{SERVERS}/nfs-{kept}")), 404);
    bench.pass(30_000);
    assert!(bench.cluster.storage_view().replicas.is_empty());
}

#[test]
fn a_node_without_the_client_cannot_mount() {
    let mut bench = Bench::with_openebs(3, 3, &[]);
    bench.view("nuc3").nfs_client = false;
    bench.cluster.run_containers_outside();
    let volume = bench.claim("media", RWX);
    bench.job("reader", "media", "nuc3");
    bench.pass(90_000);
    let messages = bench.messages("FailedMount");
    let wanted = messages.iter().find(|message| message.contains("MountVolume.SetUp")).expect("it failed");
    assert!(wanted.starts_with(&format!("MountVolume.SetUp failed for volume \"{volume}\" : mount failed: exit status 32\nMounting command: mount\nMounting arguments: -t nfs 10.152.183.")), "{wanted}");
    assert!(wanted.contains("you might need a /sbin/mount.<type> helper program."), "{wanted}");
    bench.view("nuc3").nfs_client = true;
    bench.pass(130_000);
    assert!(bench.run_of("reader").is_some());
}

#[test]
fn a_backend_that_does_not_bind_times_out_and_is_tried_again() {
    let mut bench = Bench::with_openebs(3, 3, &[]);
    bench.kubectl("scale -n openebs statefulset openebs-jiva-csi-controller --replicas=0", "");
    bench.pass(10_000);
    let volume = bench.claim("media", RWX);
    bench.pass(70_000);
    let expected = format!(
        "failed to provision volume with StorageClass \"{RWX}\": timed out waiting for PVC{{openebs/nfs-{volume}}} to bound"
    );
    assert_eq!(bench.messages("ProvisioningFailed"), [expected]);
    bench.kubectl("scale -n openebs statefulset openebs-jiva-csi-controller --replicas=1", "");
    bench.pass(60_000);
    assert_eq!(bench.get(&format!("{CLAIMS}/media"))["status"]["phase"], "Bound");
}

#[test]
fn a_server_in_its_own_root_exports_a_directory_of_its_node() {
    let mut bench = Bench::with_kubelet_dir(3, 3, &[], "/var/lib/kubelet/");
    bench.cluster.run_containers_outside();
    let volume = bench.claim("media", RWX);
    bench.job("writer", "media", "nuc1");
    bench.pass(90_000);
    let mount = bench.pod_mounts().remove(0);
    let backend = backend(&mut bench, &volume);
    let Content::Directory { path, .. } = &mount.content else { panic!("{mount:?}") };
    assert!(path.ends_with(&format!("/volumes/kubernetes.io~csi/{backend}/mount")), "{path}");
    assert_eq!(bench.get(&format!("{JOBS}/writer"))["status"]["active"], 1);
}
