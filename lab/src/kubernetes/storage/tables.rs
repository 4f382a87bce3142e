//! The tables of [`StorageView`], drawn up from the objects and what the kubelets have done.

use super::jiva::stage_path;
use super::kubelet::{PodMount, Source};
use super::quantity::bytes;
use super::view::{
    Content, HostMount, IscsiSession, ReplicaDirectory, ReplicaMode, RootPermissions, StorageView, VolumeDirectory,
};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::store::Key;
use crate::kubernetes::value::{list, text};

impl Kubernetes {
    /// What the nodes' kernels, disks and container runtimes hold of the cluster's volumes now.
    pub fn storage_view(&self) -> StorageView {
        if self.storage.is_idle() {
            let (replicas, directories) = (self.replica_directories(), self.other_directories());
            return StorageView { replicas, directories, ..StorageView::default() };
        }
        StorageView {
            directories: self.other_directories(),
            mounts: self.host_mounts(),
            sessions: self.sessions(),
            replicas: self.replica_directories(),
            containers: self.container_runs(),
            orphans: self.orphans(),
        }
    }

    fn host_mounts(&self) -> Vec<HostMount> {
        let staged =
            self.storage.stages.iter().filter(|(_, stage)| stage.on_host).map(|((node, handle), stage)| HostMount {
                node: node.clone(),
                path: stage_path(handle),
                source: stage.device.clone(),
                fstype: stage.fstype.clone(),
                read_only: stage.aborted || !self.writable(handle),
                content: Content::Volume(handle.clone()),
                root: None,
            });
        let mut mounts: Vec<HostMount> =
            staged.chain(self.storage.mounts.values().filter_map(|mount| self.pod_mount(mount))).collect();
        mounts.sort();
        mounts
    }

    fn pod_mount(&self, mount: &PodMount) -> Option<HostMount> {
        let shown = |source: String, fstype: &str, read_only: bool, content: Content| HostMount {
            node: mount.node.clone(),
            path: mount.path.clone(),
            source,
            fstype: fstype.to_owned(),
            read_only: mount.read_only || read_only,
            content,
            root: None,
        };
        match &mount.source {
            Source::Block(handle) => {
                let stage = self.storage.stages.get(&(mount.node.clone(), handle.clone()))?;
                let content = Content::Volume(handle.clone());
                let read_only = stage.aborted || !self.writable(handle);
                stage.on_host.then(|| shown(stage.device.clone(), &stage.fstype, read_only, content))
            }
            Source::Share { server, content } => {
                // While the server is away its clients wait for what they saw last.
                let content = self.share_content(server).or_else(|| content.clone())?;
                let read_only = matches!(&content, Content::Volume(handle) if !self.writable(handle));
                let root = self.share_server(server).and_then(root_permissions);
                Some(HostMount { root, ..shown(format!("{server}:/"), "nfs4", read_only, content) })
            }
            Source::Bound(path) => {
                let content = Content::Directory { node: mount.node.clone(), path: path.clone() };
                Some(shown(path.clone(), "ext4", false, content))
            }
            Source::Plain => None,
        }
    }

    /// Where the bytes are that an NFS server exports: its pod's own volume.
    pub(super) fn share_content(&self, server: &str) -> Option<Content> {
        let pod = self.share_server(server)?;
        let uid = text(pod, "/metadata/uid");
        let (_, mount) = self.storage.mounts.iter().find(|((of, _), _)| of == uid)?;
        let beneath = |path: &str| Content::Directory { node: mount.node.clone(), path: path.to_owned() };
        match &mount.source {
            Source::Block(handle) => {
                let stage = self.storage.stages.get(&(mount.node.clone(), handle.clone()))?;
                Some(if stage.on_host { Content::Volume(handle.clone()) } else { beneath(&mount.path) })
            }
            Source::Bound(path) => Some(beneath(path)),
            Source::Plain => Some(beneath(&mount.path)),
            Source::Share { content, .. } => content.clone(),
        }
    }

    fn sessions(&self) -> Vec<IscsiSession> {
        let session = |((node, handle), stage): (&(String, String), &super::jiva::Stage)| IscsiSession {
            node: node.clone(),
            number: stage.number,
            portal: stage.portal.clone(),
            iqn: super::jiva::iqn(handle),
            device: stage.device.clone(),
        };
        let mut sessions: Vec<IscsiSession> = self.storage.stages.iter().map(session).collect();
        sessions.sort();
        sessions
    }

    fn other_directories(&self) -> Vec<VolumeDirectory> {
        let disks = self.replica_disks();
        let directory = |volume: &serde_json::Value| {
            let path = match text(volume, "/spec/local/path") {
                "" => text(volume, "/spec/hostPath/path"),
                local => local,
            };
            let node = super::hostpath::node_of(volume)?.to_owned();
            (!path.is_empty()).then(|| VolumeDirectory { node, path: path.to_owned() })
        };
        let volumes = self.store.list("", "persistentvolumes", None);
        let others = volumes.filter(|(key, _)| !disks.iter().any(|(_, _, disk)| *disk == key.name));
        others.filter_map(|(_, volume)| directory(volume)).collect()
    }

    fn replica_directories(&self) -> Vec<ReplicaDirectory> {
        let directory = |(volume, ordinal, disk): (String, u32, String)| {
            let disk = self.store.get(&Key::core("persistentvolumes", "", &disk))?;
            let replica = self.storage.volumes.get(&volume).and_then(|replicas| replicas.get(&ordinal));
            if replica.is_some_and(|replica| replica.emptied) {
                return None;
            }
            let capacity = self.jiva_volume(&volume).map(|(_, object)| text(&object, "/spec/capacity").to_owned());
            Some(ReplicaDirectory {
                ordinal,
                node: super::hostpath::node_of(disk)?.to_owned(),
                path: text(disk, "/spec/local/path").to_owned(),
                mode: replica.map_or(ReplicaMode::Down, super::jiva::Replica::shown),
                size: bytes(&capacity.unwrap_or_else(|| text(disk, "/spec/capacity/storage").to_owned())),
                volume,
            })
        };
        self.replica_disks().into_iter().filter_map(directory).collect()
    }
}

/// What the server does to the root of its share at its start, if it was told anything.
fn root_permissions(pod: &serde_json::Value) -> Option<RootPermissions> {
    let variables = list(pod, "/spec/containers").iter().flat_map(|container| list(container, "/env"));
    let known: Vec<(&str, &str)> =
        variables.map(|variable| (text(variable, "/name"), text(variable, "/value"))).collect();
    let value = |name: &str| known.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value);
    let number = |name: &str| value(name).parse().unwrap_or_default();
    let told = ["UID", "GID", "MODE"].iter().any(|part| !value(&format!("FILEPERMISSIONS_{part}")).is_empty());
    told.then(|| RootPermissions {
        uid: number("FILEPERMISSIONS_UID"),
        gid: number("FILEPERMISSIONS_GID"),
        mode: value("FILEPERMISSIONS_MODE").to_owned(),
    })
}
