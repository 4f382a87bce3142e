//! What a node's own mount namespace and `/dev` show of volumes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use super::NodeHandle;
use super::{copy, namespace};
use crate::kubernetes::{Content, HostMount, IscsiSession};

/// Where a node's kubelet keeps its pods (`--root-dir` in `MicroK8s`' `args/kubelet`).
pub const PODS: &str = "/var/snap/microk8s/common/var/lib/kubelet/pods";
/// SCSI disks have this major number; minor numbers from here on no driver has: nobody reaches a disk of this machine.
const DISK: (u64, u64) = (8, 1 << 16);

/// What is mounted and attached now.
#[derive(Debug, Default)]
pub struct Mounts {
    /// By node and path, with the node's first process.
    mounted: BTreeMap<(String, String), (i32, HostMount)>,
    disks: BTreeSet<(i32, IscsiSession)>,
    /// Pods with a directory on a node: node and uid.
    pods: BTreeSet<(String, String)>,
}

impl Mounts {
    /// Forgets what went with a node's power.
    pub fn forget_lost(&mut self, nodes: &[NodeHandle]) {
        let on = |pid: i32| nodes.iter().any(|node| node.pid == pid);
        self.mounted.retain(|_, (pid, _)| on(*pid));
        self.disks.retain(|(pid, _)| on(*pid));
    }

    /// The mounts that are there and should not be.
    pub fn surplus(&self, wanted: &[HostMount]) -> Vec<HostMount> {
        let stays = |mount: &HostMount| {
            wanted.iter().any(|other| {
                (&other.node, &other.path, &other.source, &other.content)
                    == (&mount.node, &mount.path, &mount.source, &mount.content)
            })
        };
        // What is mounted last may lie in what was mounted first.
        self.mounted.values().rev().map(|(_, mount)| mount).filter(|mount| !stays(mount)).cloned().collect()
    }

    /// Takes a mount away, and its mount point, as the kubelet does.
    pub fn detach(&mut self, mount: &HostMount, node: &NodeHandle) -> Result<()> {
        self.mounted.remove(&(mount.node.clone(), mount.path.clone()));
        let done = namespace::detach(node.pid, &mount.path);
        // There may be files below where nothing was ever mounted; those stay.
        let point = node.on_disk(&mount.path);
        if fs::remove_dir(&point).is_ok() && mount.path.ends_with("/globalmount") {
            point.parent().map(fs::remove_dir);
        }
        done
    }

    /// Whether a mount is there.
    pub fn is_there(&self, node: &str, path: &str) -> bool {
        self.mounted.contains_key(&(node.to_owned(), path.to_owned()))
    }

    /// Mounts the file system the lab has at `share`, or binds a directory of the node.
    pub fn attach(&mut self, mount: &HostMount, node: &NodeHandle, share: Option<&Path>) -> Result<()> {
        self.note_pod(node, &mount.path);
        fs::create_dir_all(node.on_disk(&mount.path)).with_context(|| format!("making {}", mount.path))?;
        match share {
            Some(share) => {
                namespace::attach(node.pid, &namespace::copy_of(share)?, &mount.path, mount.read_only)?;
            }
            None => namespace::bind(node.pid, &mount.source, &mount.path, mount.read_only)?,
        }
        self.mounted.insert((mount.node.clone(), mount.path.clone()), (node.pid, mount.clone()));
        Ok(())
    }

    /// Lets a mount that is there take writes, or none, as it is wanted.
    pub fn protect(&mut self, wanted: &HostMount) -> Result<()> {
        let Some((pid, mount)) = self.mounted.get_mut(&(wanted.node.clone(), wanted.path.clone())) else {
            return Ok(());
        };
        if mount.read_only != wanted.read_only {
            namespace::set_read_only(*pid, &mount.path, wanted.read_only)?;
            mount.read_only = wanted.read_only;
        }
        Ok(())
    }

    /// The disks of iSCSI sessions, and udev's links to them.
    pub fn settle_disks(&mut self, sessions: &[IscsiSession], nodes: &[NodeHandle]) -> Result<()> {
        let wanted: BTreeSet<_> = sessions
            .iter()
            .filter_map(|session| {
                let node = nodes.iter().find(|node| node.name == session.node && node.on())?;
                Some((node.pid, session.clone()))
            })
            .collect();
        for (pid, session) in self.disks.difference(&wanted) {
            namespace::inside(*pid, || {
                copy::remove(&by_path(session))?;
                Ok(copy::remove(Path::new(&session.device))?)
            })?;
        }
        for (pid, session) in wanted.difference(&self.disks) {
            namespace::inside(*pid, || make_disk(session))?;
        }
        self.disks = wanted;
        Ok(())
    }

    /// Notes that a path may be in a pod's directory, which is removed with the pod.
    pub fn note_pod(&mut self, node: &NodeHandle, path: &str) {
        if let Some(uid) = pod_of(path) {
            self.pods.insert((node.name.clone(), uid.to_owned()));
        }
    }

    /// Removes the directories of pods that are gone. The kubelet of a node that is off does so later.
    pub fn remove_pods(&mut self, living: &BTreeSet<(String, String)>, nodes: &[NodeHandle]) -> Result<()> {
        let gone: Vec<_> = self.pods.difference(living).cloned().collect();
        for pod in gone {
            let folder = format!("{PODS}/{}", pod.1);
            let mounted = self.mounted.keys().any(|(node, path)| *node == pod.0 && path.starts_with(&folder));
            let Some(node) = nodes.iter().find(|node| node.name == pod.0 && node.on() && !mounted) else { continue };
            // The lab's own view of the disk has no mounts in it: nothing but what is on the disk is removed.
            copy::remove(&node.on_disk(&folder)).context("removing a pod's directory")?;
            self.pods.remove(&pod);
        }
        Ok(())
    }
}

/// The uid of the pod in whose directory a path is.
pub fn pod_of(path: &str) -> Option<&str> {
    let uid = path.strip_prefix(PODS)?.strip_prefix('/')?.split('/').next()?;
    (!uid.is_empty()).then_some(uid)
}

/// Whether a mount binds a directory of the node it is on.
pub fn binds(mount: &HostMount) -> bool {
    matches!(&mount.content, Content::Directory { node, path } if *node == mount.node && *path == mount.source)
}

/// `/dev/disk/by-path/ip-10.152.183.50:3260-iscsi-iqn.…-lun-0` (systemd's `rules.d/60-persistent-storage.rules`).
fn by_path(session: &IscsiSession) -> PathBuf {
    PathBuf::from(format!("/dev/disk/by-path/ip-{}-iscsi-{}-lun-0", session.portal, session.iqn))
}

fn make_disk(session: &IscsiSession) -> Result<()> {
    let name = session.device.trim_start_matches("/dev/");
    let letters = name.trim_start_matches("sd").bytes().filter(u8::is_ascii_lowercase);
    let index = letters.fold(0, |index, letter| index * 26 + u64::from(letter - b'a' + 1));
    let number = makedev(DISK.0, DISK.1 + index.saturating_sub(1) * 16);
    let mode = Mode::S_IRUSR | Mode::S_IWUSR | Mode::S_IRGRP | Mode::S_IWGRP;
    match mknod(session.device.as_str(), SFlag::S_IFBLK, mode, number) {
        Ok(()) | Err(Errno::EEXIST) => {}
        // Not everybody who may be root may make devices.
        Err(Errno::EPERM) => fs::write(&session.device, b"")?,
        Err(error) => return Err(error).context("making a disk"),
    }
    let link = by_path(session);
    if let Some(folder) = link.parent() {
        fs::create_dir_all(folder)?;
    }
    copy::remove(&link)?;
    symlink(format!("../../{name}"), link).context("linking a disk")
}
