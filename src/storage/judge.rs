//! What the readings come to, an evidence a line. Pure.

use super::evidence::MountLook;
use super::pod::PodLook;
use super::proof::{DISKS, DRILL, ELSEWHERE, Evidence, Keeper, MOUNT, VOLUME};
use super::seen::{DrillSeen, FilesSeen, MountSeen, Seen, Whose};

/// The evidence, in the order of its numbers.
pub fn evidence(seen: &Seen) -> Vec<Evidence> {
    let mut lines: Vec<Evidence> = vec![];
    let keeper = seen.keeper();
    // A directory on one node has no device of its own to be looked for.
    if keeper != Some(Keeper::Hostpath) || seen.chain.as_ref().is_some_and(|chain| chain.share.is_some()) {
        lines.extend(seen.mounts.iter().filter_map(|mount| mounted(seen, mount)));
    }
    if let (Some(Keeper::Jiva), Some(volume)) = (keeper, &seen.volume) {
        let path = format!("jivavolumes/{}", volume.name);
        let text = format!("the volume says {}; {} wanted", volume.text(), seen.replicas);
        lines.push(Evidence::object(VOLUME, path, text, volume.whole(seen.replicas)));
    }
    lines.extend(seen.files.iter().map(|files| found(seen, files)));
    if keeper == Some(Keeper::Jiva) && !seen.files.is_empty() {
        let nodes = seen.whole_on();
        let count = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
        if count < seen.replicas {
            let text = format!("all bytes are on the disks of {count} nodes; {} wanted", seen.replicas);
            lines.push(Evidence { number: DISKS, node: None, path: None, text, holds: false });
        }
        lines.extend(seen.mounts.iter().filter_map(nothing_stray));
    }
    if let Some(writer) = seen.writer.as_ref().filter(|writer| !writer.uid.is_empty()) {
        lines.push(said(seen, writer, writer.node.as_deref().unwrap_or("no node"), "wrote"));
    }
    if let Some((node, reader)) = &seen.reader {
        lines.push(said(seen, reader, node, if seen.other_node { "reads" } else { "reads again" }));
    }
    if let Some(drill) = &seen.drill {
        lines.extend(drilled(seen, drill));
    }
    lines.sort_by_key(|line| line.number);
    lines
}

/// What could not be tried, and why.
pub fn not_tried(seen: &Seen, drill_wanted: bool) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    let Some(keeper) = seen.keeper() else { return lines };
    match keeper {
        Keeper::Jiva => {}
        Keeper::Hostpath => lines.push(
            "(1), (2) not tried: the volume is a directory on one node's root disk; it is stored, not replicated"
                .to_owned(),
        ),
        Keeper::Other => {
            lines.push("(2) not tried: homeprov does not know what this class says of its replicas".to_owned());
            lines.push("(3) not tried: homeprov does not know where this class keeps its bytes".to_owned());
        }
    }
    if seen.reader.is_some() && !seen.other_node {
        lines.push("(4) not tried from another node: there is no other one the volume can be used on".to_owned());
    }
    if drill_wanted && seen.drill.is_none() {
        let why = match keeper {
            Keeper::Jiva if seen.replicas < 3 => "with fewer than three replicas losing one makes the volume read-only",
            Keeper::Jiva if !seen.other_node => "it takes another node to read from",
            Keeper::Jiva => "the proof did not get that far",
            _ => "there are no replicas homeprov could take away",
        };
        lines.push(format!("(5) not tried: {why}"));
    }
    lines
}

fn mounted(seen: &Seen, mount: &MountSeen) -> Option<Evidence> {
    let who = match mount.whose {
        Whose::Pod => "the pod's mount",
        Whose::Server => "the NFS server's mount",
    };
    let look = match &mount.look {
        Ok(look) => look,
        Err(problem) => {
            return Some(Evidence {
                number: MOUNT,
                node: Some(mount.node.clone()),
                path: None,
                text: format!("{who} could not be looked at: {problem}"),
                holds: false,
            });
        }
    };
    let line = |text: String, holds| Some(Evidence::on(MOUNT, &mount.node, &look.path, text, holds));
    let Some(found) = &look.mount else {
        return line(format!("{who} is missing: an ordinary directory of the root disk is in its place"), false);
    };
    let (source, kind) = (&found.source, &found.kind);
    if found.read_only {
        return line(format!("{who} is {source} ({kind}), mounted read-only"), false);
    }
    if on_root(look) {
        return line(format!("{who} is {source} ({kind}), which is the root disk"), false);
    }
    if let (Whose::Pod, Some(share)) = (mount.whose, seen.chain.as_ref().and_then(|chain| chain.share.as_ref())) {
        let right = from_server(source, &share.address);
        let which = if right { "the NFS share" } else { "not the NFS share" };
        return line(format!("{who} is {source} ({kind}), {which}, not the root disk"), right);
    }
    match seen.keeper() {
        Some(Keeper::Jiva) => match &look.device {
            Some(device) if device == source => {
                line(format!("{who} is {source} ({kind}), the volume's iSCSI device, not the root disk"), true)
            }
            Some(device) => {
                line(format!("{who} is {source} ({kind}), but the volume's iSCSI device is {device}"), false)
            }
            None => line(format!("{who} is {source} ({kind}), but the volume has no iSCSI device on this node"), false),
        },
        _ => line(format!("{who} is {source} ({kind}), not the root disk"), true),
    }
}

/// Whether the mount is of the root file system's device.
pub(super) fn on_root(look: &MountLook) -> bool {
    look.mount.as_ref().is_some_and(|mount| Some(&mount.device) == look.root.as_ref())
}

/// Whether a mount's source is a share of that server.
fn from_server(source: &str, address: &str) -> bool {
    source
        .strip_prefix(address)
        .or_else(|| source.strip_prefix(&format!("[{address}]")))
        .is_some_and(|rest| rest.starts_with(':'))
}

fn found(seen: &Seen, files: &FilesSeen) -> Evidence {
    let path = &files.replica.path;
    let look = match &files.after {
        Ok(look) => look,
        Err(problem) => {
            return Evidence::on(DISKS, &files.node, path, format!("could not be looked at: {problem}"), false);
        }
    };
    if let Some(problem) = &look.problem {
        return Evidence::on(DISKS, &files.node, path, format!("could not be read: {problem}"), false);
    }
    let grown = files.before.map(|before| look.allocated.saturating_sub(before));
    // File systems that compress take less than what was written.
    let grew = grown.is_none_or(|grown| grown >= seen.size / 2);
    let room = match grown {
        Some(grown) => format!("{} more of the disk taken", mebibytes(grown)),
        None => format!("{} of the disk taken", mebibytes(look.allocated)),
    };
    let text = format!("{} of {} blocks found in {}; {room}", look.blocks, seen.blocks, look.files.join(", "));
    Evidence::on(DISKS, &files.node, path, text, look.blocks == seen.blocks && grew)
}

fn nothing_stray(mount: &MountSeen) -> Option<Evidence> {
    let look = mount.look.as_ref().ok()?;
    let pod = look.path.split("/volumes/").next().unwrap_or(&look.path);
    Some(match look.stray.first() {
        None => {
            Evidence::on(DISKS, &mount.node, pod, "nothing of it lies in the pod's own space on the root disk", true)
        }
        Some(stray) => {
            Evidence::on(DISKS, &mount.node, stray, "the bytes lie in the pod's own space on the root disk", false)
        }
    })
}

fn said(seen: &Seen, pod: &PodLook, node: &str, verb: &str) -> Evidence {
    let (text, holds) = match pod.hash() {
        Some(hash) if hash == seen.hash => {
            (format!("{verb} {} with SHA-256 {}", mebibytes(seen.size), short(hash)), true)
        }
        Some(hash) => (format!("{verb} other bytes: SHA-256 {}, not {}", short(hash), short(&seen.hash)), false),
        None if pod.log.lines().any(|line| line == "absent") => ("sees no file on the volume".to_owned(), false),
        None => (format!("said nothing: {}", last_word(pod)), false),
    };
    Evidence { number: ELSEWHERE, node: Some(node.to_owned()), path: None, text, holds }
}

/// The last thing a pod printed, or that was said of it.
pub(super) fn last_word(pod: &PodLook) -> String {
    let printed = pod.log.lines().rfind(|line| !line.trim().is_empty() && *line != "failed").map(str::to_owned);
    let said = pod.events.last().cloned();
    let waits = pod.waits.clone();
    printed.or(said).or(waits).unwrap_or_else(|| format!("its pod is {}", pod.phase.to_lowercase()))
}

fn drilled(seen: &Seen, drill: &DrillSeen) -> Vec<Evidence> {
    let mut lines = vec![];
    let meanwhile = drill.meanwhile.as_ref().map(|volume| format!(" ({})", volume.text())).unwrap_or_default();
    let mut read = said(seen, &drill.reader.1, &drill.reader.0, "reads");
    read.number = DRILL;
    read.text = format!("while {} lost its replica {}{meanwhile}: {}", drill.node, drill.pod, read.text);
    lines.push(read);
    let back = drill.after.as_ref().is_some_and(|volume| volume.whole(seen.replicas));
    let text = match &drill.after {
        Some(volume) if back => format!("the replica on {} is back: the volume says {}", drill.node, volume.text()),
        Some(volume) => format!("the replica on {} is not back: the volume says {}", drill.node, volume.text()),
        None => format!("the replica on {} is not back: the volume is gone", drill.node),
    };
    let path = drill.after.as_ref().map(|volume| format!("jivavolumes/{}", volume.name));
    lines.push(Evidence { number: DRILL, node: None, path, text, holds: back });
    lines
}

/// Bytes as people read them.
pub(super) fn mebibytes(bytes: u64) -> String {
    let tenths = bytes * 10 / (1 << 20);
    if tenths.is_multiple_of(10) {
        format!("{} MiB", tenths / 10)
    } else {
        format!("{}.{} MiB", tenths / 10, tenths % 10)
    }
}

fn short(hash: &str) -> String {
    format!("{}…", &hash[..hash.len().min(12)])
}

#[cfg(test)]
mod tests {
    use super::super::seen::fixtures::{jiva_volume, look, nfs_share};
    use super::*;

    fn lines(seen: &Seen) -> String {
        let shown =
            evidence(seen).into_iter().map(|line| format!("{} {}", if line.holds { "✔" } else { "✘" }, line.line()));
        let not_tried = not_tried(seen, false).into_iter().map(|line| format!("- {line}"));
        shown.chain(not_tried).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_replicated_volume() {
        insta::assert_snapshot!(lines(&jiva_volume()), @r"
        ✔ (1) nuc1: the pod's mount is /dev/sdb (ext4), the volume's iSCSI device, not the root disk [/var/snap/microk8s/common/var/lib/kubelet/pods/uid-nuc1/volumes/kubernetes.io~csi/pvc-1/mount]
        ✔ (2) the volume says phase Ready, status RW, replicas RW, RW, RW; 3 wanted [jivavolumes/pvc-1]
        ✔ (3) nuc1: 1024 of 1024 blocks found in volume-head-000.img; 64 MiB more of the disk taken [/var/snap/microk8s/common/var/openebs/local/pvc-r0]
        ✔ (3) nuc2: 1024 of 1024 blocks found in volume-head-000.img; 64 MiB more of the disk taken [/var/snap/microk8s/common/var/openebs/local/pvc-r1]
        ✔ (3) nuc3: 1024 of 1024 blocks found in volume-head-000.img; 64 MiB more of the disk taken [/var/snap/microk8s/common/var/openebs/local/pvc-r2]
        ✔ (3) nuc1: nothing of it lies in the pod's own space on the root disk [/var/snap/microk8s/common/var/lib/kubelet/pods/uid-nuc1]
        ✔ (4) nuc1: wrote 64 MiB with SHA-256 0f67d5967aee…
        ✔ (4) nuc2: reads 64 MiB with SHA-256 0f67d5967aee…
        ");
    }

    #[test]
    fn a_share_on_a_replicated_volume() {
        insta::assert_snapshot!(lines(&nfs_share()), @r"
        ✔ (1) nuc1: the pod's mount is 10.152.183.77:/ (nfs4), the NFS share, not the root disk [/var/snap/microk8s/common/var/lib/kubelet/pods/uid-nuc1/volumes/kubernetes.io~nfs/pvc-x]
        ✔ (1) nuc3: the NFS server's mount is /dev/sdb (ext4), the volume's iSCSI device, not the root disk [/var/snap/microk8s/common/var/lib/kubelet/pods/uid-nuc3/volumes/kubernetes.io~csi/pvc-1/mount]
        ✔ (2) the volume says phase Ready, status RW, replicas RW, RW, RW; 3 wanted [jivavolumes/pvc-1]
        ✔ (3) nuc1: 1024 of 1024 blocks found in volume-head-000.img; 64 MiB more of the disk taken [/var/snap/microk8s/common/var/openebs/local/pvc-r0]
        ✔ (3) nuc2: 1024 of 1024 blocks found in volume-head-000.img; 64 MiB more of the disk taken [/var/snap/microk8s/common/var/openebs/local/pvc-r1]
        ✔ (3) nuc3: 1024 of 1024 blocks found in volume-head-000.img; 64 MiB more of the disk taken [/var/snap/microk8s/common/var/openebs/local/pvc-r2]
        ✔ (3) nuc1: nothing of it lies in the pod's own space on the root disk [/var/snap/microk8s/common/var/lib/kubelet/pods/uid-nuc1]
        ✔ (3) nuc3: nothing of it lies in the pod's own space on the root disk [/var/snap/microk8s/common/var/lib/kubelet/pods/uid-nuc3]
        ✔ (4) nuc1: wrote 64 MiB with SHA-256 0f67d5967aee…
        ✔ (4) nuc2: reads 64 MiB with SHA-256 0f67d5967aee…
        ");
    }

    #[test]
    fn bytes_in_the_pods_own_space() {
        let mut seen = jiva_volume();
        look(&mut seen, 0).mount = None;
        look(&mut seen, 0).stray = vec!["/k/pods/uid-nuc1/volumes/kubernetes.io~csi/pvc-1/mount/canary".into()];
        for files in &mut seen.files {
            let found = files.after.as_mut().unwrap();
            (found.blocks, found.allocated) = (0, 2 << 20);
        }
        if let Some((_, reader)) = &mut seen.reader {
            reader.log = "absent\n".into();
        }
        insta::assert_snapshot!(lines(&seen), @r"
        ✘ (1) nuc1: the pod's mount is missing: an ordinary directory of the root disk is in its place [/var/snap/microk8s/common/var/lib/kubelet/pods/uid-nuc1/volumes/kubernetes.io~csi/pvc-1/mount]
        ✔ (2) the volume says phase Ready, status RW, replicas RW, RW, RW; 3 wanted [jivavolumes/pvc-1]
        ✘ (3) nuc1: 0 of 1024 blocks found in volume-head-000.img; 0 MiB more of the disk taken [/var/snap/microk8s/common/var/openebs/local/pvc-r0]
        ✘ (3) nuc2: 0 of 1024 blocks found in volume-head-000.img; 0 MiB more of the disk taken [/var/snap/microk8s/common/var/openebs/local/pvc-r1]
        ✘ (3) nuc3: 0 of 1024 blocks found in volume-head-000.img; 0 MiB more of the disk taken [/var/snap/microk8s/common/var/openebs/local/pvc-r2]
        ✘ (3) all bytes are on the disks of 0 nodes; 3 wanted
        ✘ (3) nuc1: the bytes lie in the pod's own space on the root disk [/k/pods/uid-nuc1/volumes/kubernetes.io~csi/pvc-1/mount/canary]
        ✔ (4) nuc1: wrote 64 MiB with SHA-256 0f67d5967aee…
        ✘ (4) nuc2: sees no file on the volume
        ");
    }

    #[test]
    fn the_root_disk_is_no_volume() {
        let mut seen = jiva_volume();
        seen.chain.as_mut().unwrap().keeper = Keeper::Other;
        assert!(evidence(&seen)[0].holds);
        look(&mut seen, 0).mount.as_mut().unwrap().device = "253:0".into();
        assert!(!evidence(&seen)[0].holds);
    }

    #[test]
    fn a_read_only_mount_does_not_hold() {
        let mut seen = jiva_volume();
        look(&mut seen, 0).mount.as_mut().unwrap().read_only = true;
        assert!(!evidence(&seen)[0].holds);
    }

    #[test]
    fn two_replicas_on_one_node_count_once() {
        let mut seen = jiva_volume();
        seen.files[2].node = "nuc2".into();
        assert!(evidence(&seen).iter().any(|line| line.number == DISKS && !line.holds));
    }

    #[test]
    fn room_that_did_not_grow_does_not_hold() {
        let mut seen = jiva_volume();
        seen.files[0].before = Some(60 << 20);
        assert!(!evidence(&seen).iter().find(|line| line.number == DISKS).unwrap().holds);
    }

    #[test]
    fn servers_are_told_by_whole_addresses() {
        assert!(from_server("10.152.183.7:/", "10.152.183.7"));
        assert!(!from_server("10.152.183.77:/", "10.152.183.7"));
        assert!(from_server("[fd00::1]:/", "fd00::1"));
    }
}
