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
mod tests;
