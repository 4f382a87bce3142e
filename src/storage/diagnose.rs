//! Which cause explains what was seen. Pure; the more specific causes come first.

use super::cause::Cause;
use super::judge::{self, last_word};
use super::pod::PodLook;
use super::proof::{Evidence, Keeper};
use super::seen::{MountSeen, Seen};

/// The cause, when not all of the evidence holds or there is none.
pub fn cause(seen: &Seen, evidence: &[Evidence]) -> Option<Cause> {
    let before_writing = before(seen);
    if before_writing.is_some() {
        return before_writing;
    }
    if !evidence.is_empty() && evidence.iter().all(|line| line.holds) && written(seen) && read(seen) {
        return None;
    }
    let tests = [mounting, wrong_directory, read_only, pods, other_device, replicas_not_rw, data];
    let known = tests.iter().find_map(|test| test(seen));
    Some(known.unwrap_or_else(|| {
        let failing = evidence.iter().find(|line| !line.holds).map(Evidence::line);
        Cause::Unexplained { seen: failing.unwrap_or_else(|| "nothing was seen".to_owned()) }
    }))
}

fn written(seen: &Seen) -> bool {
    seen.writer.as_ref().is_some_and(|pod| pod.hash() == Some(&seen.hash))
}

fn read(seen: &Seen) -> bool {
    seen.reader.as_ref().is_some_and(|(_, pod)| pod.hash() == Some(&seen.hash))
}

/// What is wrong before a pod is needed to see it.
fn before(seen: &Seen) -> Option<Cause> {
    if !seen.class_there {
        return Some(Cause::ClassMissing { class: seen.class.clone() });
    }
    if let Some(backend) = &seen.other_backend {
        let wanted = seen.backend.clone().unwrap_or_default();
        return Some(Cause::BackendClass { class: seen.class.clone(), backend: backend.clone(), wanted });
    }
    None
}

/// Everything said of pods that should mount the volume, with the node of each.
fn said(seen: &Seen) -> Vec<(&str, &str)> {
    let drill = seen.drill.as_ref().map(|drill| &drill.reader);
    let readers = seen.reader.iter().chain(drill).map(|(node, pod)| (node.as_str(), pod));
    let pods = seen.writer.iter().map(|pod| (pod.node.as_deref().unwrap_or_default(), pod)).chain(readers);
    let of_pods = pods.flat_map(|(node, pod)| failing(pod).iter().map(move |event| (node, event.as_str())));
    let server = seen.server_node.as_deref().unwrap_or_default();
    let share_stuck = !written(seen) || !read(seen);
    let of_server = seen.server_events.iter().filter(|_| share_stuck).map(|event| (server, event.as_str()));
    of_pods.chain(of_server).collect()
}

/// What was said of a pod, when it did not get through; what went wrong on the way of one that did is past.
fn failing(pod: &PodLook) -> &[String] {
    if pod.hash().is_some() { &[] } else { &pod.events }
}

/// Whether kubelet could not mount NFS for want of its helper (`mount(8)`, exit status 32).
pub(super) fn no_nfs_client(event: &str) -> bool {
    event.contains("you might need a /sbin/mount.<type> helper program")
        || event.contains("unknown filesystem type 'nfs")
}

/// Whether the CSI driver says that another node has it (openebs/jiva-operator `pkg/driver/node.go`).
pub(super) fn owned_elsewhere(event: &str) -> bool {
    event.contains("is already mounted at more than one place")
}

fn mounting(seen: &Seen) -> Option<Cause> {
    let said = said(seen);
    let find = |test: fn(&str) -> bool| said.iter().find(|(_, event)| test(event));
    if let Some((node, _)) = find(no_nfs_client) {
        return Some(Cause::NfsClientMissing { node: (*node).to_owned() });
    }
    let volume = || seen.volume.as_ref().map(|volume| volume.name.clone()).unwrap_or_default();
    if find(owned_elsewhere).is_some() {
        let owner = seen.volume.as_ref().and_then(|volume| volume.owner.clone());
        return Some(Cause::StaleOwner { volume: volume(), owner });
    }
    // An fsGroup makes the silent kind of the wrong directory a visible one (openebs/openebs#3532).
    let visible =
        |event: &str| event.contains("applyFSGroup failed for vol") && event.contains("no such file or directory");
    if let Some((node, _)) = find(visible) {
        return directories(seen, node);
    }
    if find(|event| event.contains("iSCSI Target not reachable")).is_some() {
        return Some(Cause::TargetUnreachable { volume: volume() });
    }
    None
}

/// The driver's directory is another one than kubelet's on that node.
fn directories(seen: &Seen, node: &str) -> Option<Cause> {
    let driver = seen.driver_directory.as_deref()?;
    let kubelet = seen.kubelet_roots.get(node)?;
    let differs = driver.trim_end_matches('/') != kubelet.trim_end_matches('/') || !driver.ends_with('/');
    differs.then(|| Cause::WrongKubeletDirectory {
        node: node.to_owned(),
        driver: driver.to_owned(),
        kubelet: kubelet.trim_end_matches('/').to_owned(),
    })
}

fn wrong_directory(seen: &Seen) -> Option<Cause> {
    let bare = |mount: &&MountSeen| {
        mount.look.as_ref().is_ok_and(|look| look.mount.is_none() || judge::on_root(look) || !look.stray.is_empty())
    };
    if seen.keeper() == Some(Keeper::Hostpath) {
        return None;
    }
    let mount = seen.mounts.iter().find(bare)?;
    if seen.keeper() == Some(Keeper::Jiva)
        && let Some(cause) = directories(seen, &mount.node)
    {
        return Some(cause);
    }
    let path = mount.look.as_ref().ok()?.path.clone();
    Some(Cause::NotMounted { node: mount.node.clone(), path })
}

fn read_only(seen: &Seen) -> Option<Cause> {
    let refused = |pod: &PodLook| pod.hash().is_none() && pod.log.to_lowercase().contains("read-only file system");
    if let Some(volume) = seen.volume.as_ref().filter(|volume| volume.status == "RO") {
        return Some(Cause::ReadOnly { seen: format!("{} says {}", volume.name, volume.text()) });
    }
    if let Some(node) = seen.writer.as_ref().filter(|pod| refused(pod)).and_then(|pod| pod.node.clone()) {
        return Some(Cause::ReadOnly { seen: format!("writing on {node} was refused: read-only file system") });
    }
    let mount = seen.mounts.iter().find_map(|mount| {
        let look = mount.look.as_ref().ok()?;
        look.mount.as_ref().filter(|found| found.read_only).map(|found| (&mount.node, found, &look.path))
    })?;
    Some(Cause::ReadOnly { seen: format!("{} is mounted read-only on {} at {}", mount.1.source, mount.0, mount.2) })
}

fn pods(seen: &Seen) -> Option<Cause> {
    if let Some(events) = &seen.claim_events {
        let said = events.last().cloned().unwrap_or_else(|| "nothing was said of the claim".to_owned());
        return Some(Cause::NotProvisioned { class: seen.class.clone(), said });
    }
    let readers = seen.reader.iter().map(|(_, pod)| pod);
    let stuck = seen.writer.iter().chain(readers).find(|pod| pod.hash().is_none())?;
    let printed = |text: &str| stuck.log.contains(text);
    if stuck.waits.as_deref().is_some_and(|reason| {
        reason.starts_with("ErrImage") || reason.starts_with("ImagePull") || reason == "InvalidImageName"
    }) {
        let said = stuck.events.iter().rfind(|event| event.contains("pull")).cloned();
        return Some(Cause::ImageNotPulled {
            image: seen.image.clone(),
            said: said.unwrap_or_else(|| last_word(stuck)),
        });
    }
    if printed("No space left on device") {
        return Some(Cause::NoSpace { node: stuck.node.clone().unwrap_or_default() });
    }
    if printed("Permission denied") {
        return Some(Cause::PermissionDenied { user: seen.user });
    }
    if stuck.waits.as_deref() == Some("Unschedulable") {
        let said = stuck.events.iter().rfind(|event| event.starts_with("FailedScheduling")).cloned();
        return Some(Cause::NotScheduled { said: said.unwrap_or_else(|| last_word(stuck)) });
    }
    None
}

fn other_device(seen: &Seen) -> Option<Cause> {
    seen.mounts.iter().find_map(|mount| {
        let look = mount.look.as_ref().ok()?;
        let (found, device) = (look.mount.as_ref()?, look.device.as_ref()?);
        (found.source != *device).then(|| Cause::OtherDevice {
            node: mount.node.clone(),
            source: found.source.clone(),
            expected: device.clone(),
        })
    })
}

fn replicas_not_rw(seen: &Seen) -> Option<Cause> {
    if seen.keeper() != Some(Keeper::Jiva) {
        return None;
    }
    match &seen.volume {
        Some(volume) if volume.whole(seen.replicas) => None,
        Some(volume) => Some(Cause::ReplicasNotRw { wanted: seen.replicas, found: volume.text() }),
        None => {
            Some(Cause::ReplicasNotRw { wanted: seen.replicas, found: "nothing: there is no JivaVolume".to_owned() })
        }
    }
}

fn data(seen: &Seen) -> Option<Cause> {
    let wrote = seen.writer_node().unwrap_or_default().to_owned();
    let pods = seen
        .writer
        .iter()
        .map(|pod| (wrote.as_str(), pod))
        .chain(seen.reader.iter().map(|(node, pod)| (node.as_str(), pod)));
    for (node, pod) in pods {
        if let Some(hash) = pod.hash().filter(|hash| *hash != seen.hash) {
            return Some(Cause::HashDiffers { node: node.to_owned(), read: hash.to_owned() });
        }
    }
    if let Some((node, reader)) = &seen.reader
        && reader.log.lines().any(|line| line == "absent")
    {
        return Some(Cause::OneNodeOnly { wrote, reader: node.clone() });
    }
    let whole = seen.whole_on();
    let wanted = match seen.keeper() {
        Some(Keeper::Jiva) => seen.replicas,
        Some(Keeper::Hostpath) => 1,
        _ => return None,
    };
    let few = u32::try_from(whole.len()).unwrap_or(u32::MAX) < wanted;
    (few && written(seen) && !seen.files.is_empty()).then_some(Cause::ReplicasLackData { wanted, found: whole })
}

#[cfg(test)]
mod tests {
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
        assert!(
            text.contains("/var/lib/kubelet/") && text.contains("/var/snap/microk8s/common/var/lib/kubelet"),
            "{text}"
        );
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
        pod.events =
            vec!["Failed: Failed to pull image \"busybox\": toomanyrequests".into(), "BackOff: Back-off".into()];
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
}
