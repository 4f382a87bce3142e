//! Volumes in the world: what the addon and the charts install provisions, mounts and goes wrong as it really does.

use homeprov_lab::kubernetes::{Content, ReplicaMode, StorageView};
use homeprov_lab::world::{Config, Os, World};
use serde_json::{Value, json};

const CLAIMS: &str = "persistentvolumeclaims";
const NFS: &str = "helm3 upgrade --install nfs nfs/nfs-provisioner -n openebs --version 0.11.0 --set nfsStorageClass.name=openebs-rwx --set nfsStorageClass.backendStorageClass=openebs-jiva-csi-default --set nfsStorageClass.filePermissions.UID=991";

/// Three machines with the addon, the NFS provisioner, and faults.
fn homelab(faults: &[&str]) -> World {
    let mut config = Config::homelab(3, Os::Ubuntu2404, "2026-11-21T01:45:00Z".parse().unwrap());
    config.faults = faults.iter().map(|name| name.parse().unwrap()).collect();
    let mut world = World::in_memory(config);
    world.prepare_cluster(3, 0);
    for node in ["nuc1", "nuc2", "nuc3"] {
        assert_eq!(world.run(node, &["systemctl", "enable", "--now", "iscsid"], b"").exit, 0);
    }
    for line in [
        "enable community",
        "enable community/openebs",
        "helm3 repo add nfs https://openebs.github.io/dynamic-nfs-provisioner",
        NFS,
    ] {
        microk8s(&mut world, line, b"");
    }
    world.run_containers_outside();
    pass(&mut world, 60_000);
    world
}

fn pass(world: &mut World, length: u64) {
    world.advance(world.now() + length);
}

fn microk8s(world: &mut World, line: &str, stdin: &[u8]) {
    let argv: Vec<&str> = ["microk8s"].into_iter().chain(line.split(' ')).collect();
    let output = world.run("nuc1", &argv, stdin);
    assert_eq!(output.exit, 0, "{line}: {output:?}");
}

/// A claim of a class and a job on a node that uses it.
fn use_claim(world: &mut World, class: &str, node: &str) {
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "default"},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": class, "resources": {"requests": {"storage": "128Mi"}}}});
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "writer", "namespace": "default"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "nodeSelector": {"kubernetes.io/hostname": node},
            "containers": [{"name": "main", "image": "busybox:1.37", "command": ["sleep", "60"], "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}}}});
    for object in [claim, job] {
        microk8s(world, "kubectl apply -f -", object.to_string().as_bytes());
    }
}

fn object(world: &World, kind: &str, namespace: &str, name: &str) -> Value {
    let found = world.cluster_of("nuc1").unwrap().kubernetes.object(kind, namespace, name);
    found.unwrap_or_else(|| panic!("{kind} {namespace}/{name} should be there"))
}

fn view(world: &World) -> StorageView {
    world.storage().remove(0).1
}

fn volume(world: &World, namespace: &str, claim: &str) -> String {
    object(world, CLAIMS, namespace, claim)["spec"]["volumeName"].as_str().unwrap().to_owned()
}

#[test]
fn the_addons_class_replicates_to_three_disks() {
    let mut world = homelab(&[]);
    use_claim(&mut world, "openebs-jiva-csi-default", "nuc2");
    pass(&mut world, 60_000);
    let name = volume(&world, "default", "data");
    let jiva = object(&world, "jv", "openebs", &name);
    assert_eq!((&jiva["status"]["phase"], &jiva["status"]["replicaCount"]), (&json!("Ready"), &json!(3)));
    assert_eq!(jiva["metadata"]["labels"]["nodeID"], "nuc2");
    let view = view(&world);
    assert_eq!(view.replicas.len(), 3);
    assert!(view.replicas.iter().all(|replica| replica.mode == ReplicaMode::ReadWrite));
    assert!(
        view.replicas
            .iter()
            .all(|replica| replica.path.starts_with("/var/snap/microk8s/common/var/openebs/local/pvc-"))
    );
    let devices = view.mounts.iter().filter(|mount| mount.content == Content::Volume(name.clone()));
    assert_eq!(
        devices.map(|mount| (mount.node.as_str(), mount.source.as_str())).collect::<Vec<_>>(),
        [("nuc2", "/dev/sdb"); 2]
    );
    assert_eq!(view.containers.len(), 1);
    let table = world.run("nuc1", &["microk8s", "kubectl", "get", "jv", "-n", "openebs"], b"");
    assert!(table.stdout.starts_with("NAME "), "{table:?}");
    assert!(table.stdout.contains("REPLICACOUNT   PHASE   STATUS\n"), "{table:?}");
}

#[test]
fn a_share_needs_the_client_on_its_users_node() {
    let mut world = homelab(&["nfs-client-missing"]);
    use_claim(&mut world, "openebs-rwx", "nuc3");
    pass(&mut world, 120_000);
    assert!(view(&world).containers.is_empty());
    for line in [&["apt-get", "update"][..], &["apt-get", "install", "-y", "nfs-common"]] {
        assert_eq!(world.run("nuc3", line, b"").exit, 0);
    }
    pass(&mut world, 130_000);
    let share = volume(&world, "default", "data");
    let backend = volume(&world, "openebs", &format!("nfs-{share}"));
    let view = view(&world);
    let mount = view.mounts.iter().find(|mount| mount.fstype == "nfs4").expect("it is mounted");
    assert_eq!((mount.node.as_str(), &mount.content), ("nuc3", &Content::Volume(backend)));
    assert_eq!(mount.root.as_ref().unwrap().uid, 991);
    assert_eq!(view.containers.len(), 1);
}

#[test]
fn a_chart_that_ignores_the_kubelet_directory_mounts_inside_the_driver() {
    let mut world = homelab(&["kubelet-dir"]);
    use_claim(&mut world, "openebs-jiva-csi-default", "nuc2");
    pass(&mut world, 60_000);
    let name = volume(&world, "default", "data");
    assert_eq!(object(&world, "jv", "openebs", &name)["status"]["status"], "RW");
    let view = view(&world);
    assert_eq!((view.containers.len(), view.sessions.len()), (1, 1), "everything looks well");
    assert!(view.mounts.iter().all(|mount| mount.source != "/dev/sdb"));
}

#[test]
fn containers_tell_the_world_of_their_end() {
    let mut world = homelab(&[]);
    use_claim(&mut world, "openebs-hostpath", "nuc1");
    pass(&mut world, 30_000);
    let (id, view) = world.storage().remove(0);
    let run = &view.containers[0];
    world.container_wrote(id, &run.uid, &run.container, b"hello\n");
    world.container_ended(id, &run.uid, &run.container, 0);
    pass(&mut world, 2_000);
    let log = world.run("nuc1", &["microk8s", "kubectl", "logs", "job/writer"], b"");
    assert_eq!(log.stdout, "hello\n");
    assert_eq!(object(&world, "jobs", "default", "writer")["status"]["succeeded"], 1);
    microk8s(&mut world, "kubectl delete job writer", b"");
    microk8s(&mut world, "kubectl delete pvc data", b"");
    pass(&mut world, 10_000);
    let (_, view) = world.storage().remove(0);
    assert_eq!(view, StorageView::default());
}
