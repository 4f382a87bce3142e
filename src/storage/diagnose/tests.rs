//! What was seen, spoilt one way at a time, and the cause that is named.

use super::super::seen::fixtures::{jiva_volume, look, nfs_share};
use super::*;
use crate::storage::proof::Access;

fn of(seen: &Seen) -> Option<Cause> {
    cause(seen, &judge::evidence(seen))
}

fn name(seen: &Seen) -> &'static str {
    of(seen).map_or("none", |cause| cause.name())
}

/// The pod that should read, stuck with this said of it.
fn reader_stuck(seen: &mut Seen, event: &str) {
    let (_, pod) = seen.reader.as_mut().unwrap();
    pod.log.clear();
    pod.phase = "Pending".into();
    pod.waits = Some("ContainerCreating".into());
    pod.events = vec![event.to_owned()];
}

fn writer_failed(seen: &mut Seen, log: &str) {
    let pod = seen.writer.as_mut().unwrap();
    pod.phase = "Failed".into();
    pod.log = log.to_owned();
    (seen.reader, seen.files, seen.mounts) = (None, vec![], vec![]);
}

#[test]
fn what_is_healthy_has_no_cause() {
    assert_eq!(of(&jiva_volume()), None);
    assert_eq!(of(&nfs_share()), None);
}

#[test]
fn nothing_seen_is_no_proof() {
    let mut seen = jiva_volume();
    (seen.reader, seen.writer, seen.files, seen.mounts, seen.volume, seen.chain) =
        (None, None, vec![], vec![], None, None);
    assert_eq!(name(&seen), "unexplained");
}

#[test]
fn wrong_kubelet_directory() {
    let mut seen = jiva_volume();
    seen.driver_directory = Some("/var/lib/kubelet/".into());
    assert_eq!(of(&seen), None, "what works is not doubted for its name");
    look(&mut seen, 0).mount = None;
    look(&mut seen, 0).stray = vec!["/x/canary".into()];
    let text = of(&seen).unwrap().text();
    assert!(text.contains("/var/lib/kubelet/") && text.contains("/var/snap/microk8s/common/var/lib/kubelet"), "{text}");
    assert_eq!(name(&seen), "wrong-kubelet-directory");
}

#[test]
fn wrong_kubelet_directory_behind_a_share() {
    let mut seen = nfs_share();
    seen.driver_directory = Some("/var/lib/kubelet/".into());
    look(&mut seen, 1).mount = None;
    assert!(matches!(of(&seen), Some(Cause::WrongKubeletDirectory { node, .. }) if node == "nuc3"));
}

#[test]
fn wrong_kubelet_directory_seen_through_an_owner_of_files() {
    let mut seen = jiva_volume();
    writer_failed(&mut seen, "");
    seen.driver_directory = Some("/var/lib/kubelet/".into());
    let event = "FailedMount: MountVolume.SetUp failed for volume \"pvc-1\" : applyFSGroup failed for vol pvc-1: lstat /k/mount: no such file or directory";
    seen.writer.as_mut().unwrap().events = vec![event.into()];
    assert_eq!(name(&seen), "wrong-kubelet-directory");
}

#[test]
fn wrong_kubelet_directory_without_its_slash() {
    let mut seen = jiva_volume();
    seen.driver_directory = Some("/var/snap/microk8s/common/var/lib/kubelet".into());
    look(&mut seen, 0).mount = None;
    assert_eq!(name(&seen), "wrong-kubelet-directory");
}

#[test]
fn not_mounted_though_the_directory_is_right() {
    let mut seen = jiva_volume();
    look(&mut seen, 0).mount = None;
    assert_eq!(name(&seen), "not-mounted");
}

#[test]
fn multipath_has_the_device() {
    let mut seen = jiva_volume();
    look(&mut seen, 0).mount.as_mut().unwrap().source = "/dev/mapper/mpatha".into();
    let cause = of(&seen).unwrap();
    assert_eq!(cause.name(), "other-device");
    assert!(cause.remedy().contains("multipath"));
}

#[test]
fn replicas_not_rw() {
    let mut seen = jiva_volume();
    seen.volume.as_mut().unwrap().modes[1] = "WO".into();
    assert_eq!(name(&seen), "replicas-not-rw");
    let mut seen = jiva_volume();
    let volume = seen.volume.as_mut().unwrap();
    (volume.connected, volume.modes) = (2, vec!["RW".into(); 2]);
    assert_eq!(name(&seen), "replicas-not-rw");
}

#[test]
fn backend_class_wrong() {
    let mut seen = nfs_share();
    seen.other_backend = Some("openebs-hostpath".into());
    assert_eq!(
        of(&seen),
        Some(Cause::BackendClass {
            class: "openebs-rwx".into(),
            backend: "openebs-hostpath".into(),
            wanted: "homeprov-jiva-retain".into(),
        })
    );
}

#[test]
fn nfs_client_missing() {
    let mut seen = nfs_share();
    reader_stuck(
        &mut seen,
        "FailedMount: MountVolume.SetUp failed for volume \"pvc-x\" : mount failed: exit status 32\nOutput: mount: /k: bad option; for several filesystems (e.g. nfs, cifs) you might need a /sbin/mount.<type> helper program.",
    );
    assert_eq!(of(&seen), Some(Cause::NfsClientMissing { node: "nuc2".into() }));
}

#[test]
fn volume_read_only() {
    let mut seen = jiva_volume();
    writer_failed(&mut seen, "dd: can't open 'canary': Read-only file system\n");
    assert_eq!(name(&seen), "volume-read-only");
    let mut seen = jiva_volume();
    look(&mut seen, 0).mount.as_mut().unwrap().read_only = true;
    assert_eq!(name(&seen), "volume-read-only");
    let mut seen = jiva_volume();
    let volume = seen.volume.as_mut().unwrap();
    (volume.status, volume.phase, volume.modes) = ("RO".into(), "Syncing".into(), vec!["RW".into()]);
    assert_eq!(name(&seen), "volume-read-only");
}

#[test]
fn stale_owner_of_the_mount() {
    let mut seen = jiva_volume();
    seen.volume.as_mut().unwrap().owner = Some("nuc1".into());
    reader_stuck(
        &mut seen,
        "FailedMount: MountVolume.MountDevice failed for volume \"pvc-1\" : rpc error: code = Internal desc = volume {pvc-1} is already mounted at more than one place: {{/k/globalmount  ext4 /dev/sdb}}",
    );
    assert_eq!(of(&seen), Some(Cause::StaleOwner { volume: "pvc-1".into(), owner: Some("nuc1".into()) }));
}

#[test]
fn stale_owner_of_the_mount_of_a_share() {
    let mut seen = nfs_share();
    writer_failed(&mut seen, "");
    seen.server_events = vec!["FailedMount: volume {pvc-1} is already mounted at more than one place: {{}}".into()];
    assert_eq!(name(&seen), "stale-mount-owner");
}

#[test]
fn what_went_wrong_on_the_way_is_past() {
    let mut seen = jiva_volume();
    let (_, pod) = seen.reader.as_mut().unwrap();
    pod.events = vec!["FailedMount: volume {pvc-1} is already mounted at more than one place: {{}}".into()];
    assert_eq!(of(&seen), None);
}

#[test]
fn the_target_does_not_answer() {
    let mut seen = jiva_volume();
    reader_stuck(&mut seen, "FailedMount: iSCSI Target not reachable, TargetPortal: {10.152.183.50:3260}");
    assert_eq!(name(&seen), "target-unreachable");
}

#[test]
fn class_missing_and_nothing_provisioned() {
    let mut seen = jiva_volume();
    seen.class_there = false;
    assert_eq!(name(&seen), "class-missing");
    let mut seen = jiva_volume();
    (seen.chain, seen.volume, seen.writer, seen.reader) = (None, None, None, None);
    (seen.files, seen.mounts) = (vec![], vec![]);
    seen.claim_events = Some(vec!["ExternalProvisioning: waiting for a volume to be created".into()]);
    assert_eq!(name(&seen), "not-provisioned");
}

#[test]
fn image_not_pulled() {
    let mut seen = jiva_volume();
    writer_failed(&mut seen, "");
    let pod = seen.writer.as_mut().unwrap();
    pod.waits = Some("ImagePullBackOff".into());
    pod.events = vec!["Failed: Failed to pull image \"busybox\": toomanyrequests".into(), "BackOff: Back-off".into()];
    assert!(of(&seen).unwrap().text().contains("toomanyrequests"));
    assert_eq!(name(&seen), "image-not-pulled");
}

#[test]
fn the_pod_found_no_node() {
    let mut seen = jiva_volume();
    writer_failed(&mut seen, "");
    seen.writer.as_mut().unwrap().waits = Some("Unschedulable".into());
    assert_eq!(name(&seen), "not-scheduled");
}

#[test]
fn no_room_and_no_right_to_write() {
    let mut seen = jiva_volume();
    writer_failed(&mut seen, "dd: error writing 'canary': No space left on device\n");
    assert_eq!(name(&seen), "no-space");
    let mut seen = nfs_share();
    writer_failed(&mut seen, "dd: can't open 'canary': Permission denied\n");
    assert_eq!(of(&seen), Some(Cause::PermissionDenied { user: 991 }));
}

#[test]
fn other_bytes_are_read() {
    let mut seen = jiva_volume();
    seen.reader.as_mut().unwrap().1.log = format!("hash {}\n", "0".repeat(64));
    assert_eq!(name(&seen), "hash-differs");
}

#[test]
fn another_node_sees_nothing() {
    let mut seen = jiva_volume();
    seen.chain.as_mut().unwrap().keeper = Keeper::Other;
    seen.access = Access::ReadWriteMany;
    seen.reader.as_mut().unwrap().1.log = "absent\n".into();
    assert_eq!(of(&seen), Some(Cause::OneNodeOnly { wrote: "nuc1".into(), reader: "nuc2".into() }));
}

#[test]
fn a_replica_lacks_the_bytes() {
    let mut seen = jiva_volume();
    seen.files[1].after.as_mut().unwrap().blocks = 17;
    assert_eq!(of(&seen), Some(Cause::ReplicasLackData { wanted: 3, found: vec!["nuc1".into(), "nuc3".into()] }));
}
