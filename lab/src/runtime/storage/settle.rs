//! Volumes and their mounts, made what the views say.

use std::collections::BTreeMap;

use anyhow::Result;

use super::rebuild::Wanted;
use super::replica::State;
use super::volume::Volume;
use super::{NodeHandle, Storage, copy, mounts};
use crate::kubernetes::{Content, HostMount, ReplicaDirectory, ReplicaMode};

impl Storage {
    pub(super) fn settle_replicas(&mut self, replicas: &[&ReplicaDirectory], nodes: &[NodeHandle]) {
        let mut wanted: BTreeMap<Content, Vec<&ReplicaDirectory>> = BTreeMap::new();
        for replica in replicas {
            wanted.entry(Content::Volume(replica.volume.clone())).or_default().push(replica);
        }
        for content in wanted.keys() {
            let done = self.volume(content, nodes).map(drop);
            self.check(done);
        }
        let there = |name: &str| nodes.iter().any(|node| node.name == name && node.on());
        let mut results = Vec::new();
        for (content, volume) in &mut self.volumes {
            let of_volume = wanted.remove(content).unwrap_or_default();
            if let Some(size) = of_volume.iter().map(|replica| replica.size).max() {
                results.push(volume.set_size(size));
            }
            let replicas: Vec<Wanted> = of_volume
                .iter()
                .filter_map(|replica| {
                    let node = nodes.iter().find(|node| node.name == replica.node)?;
                    let state = match replica.mode {
                        _ if !node.on() => State::Away,
                        ReplicaMode::ReadWrite => State::Complete,
                        ReplicaMode::WriteOnly => State::Rebuilding,
                        ReplicaMode::Down => State::Away,
                    };
                    Some(Wanted { node: &replica.node, root: &node.root, path: &replica.path, state })
                })
                .collect();
            let had = !volume.replicas.is_empty();
            results.push(volume.settle_replicas(&replicas, there));
            volume.deleted |= had && volume.replicas.is_empty();
        }
        for result in results {
            self.check(result);
        }
    }

    /// The volume with these bytes.
    fn volume(&mut self, content: &Content, nodes: &[NodeHandle]) -> Result<&mut Volume> {
        if !self.volumes.contains_key(content) {
            self.made += 1;
            let folder = self.folder.join(self.made.to_string());
            let volume = match content {
                Content::Volume(_) => Volume::on_device(folder)?,
                Content::Directory { node, path } => {
                    let node = nodes.iter().find(|other| other.name == *node);
                    let node = node.ok_or_else(|| anyhow::anyhow!("there is no node with the directory {path}"))?;
                    // The runtime makes it for root, the provisioner of hostpath volumes for everybody.
                    let mode = if mounts::pod_of(path).is_some() { 0o755 } else { 0o777 };
                    copy::make_directory(&node.on_disk(path), mode)?;
                    self.mounts.note_pod(node, path);
                    Volume::in_directory(folder, node.on_disk(path))?
                }
            };
            self.volumes.insert(content.clone(), volume);
        }
        self.volumes.get_mut(content).ok_or_else(|| anyhow::anyhow!("a volume vanished"))
    }

    pub(super) fn settle_mounts(&mut self, wanted: &[HostMount], nodes: &[NodeHandle]) {
        let surplus = self.mounts.surplus(wanted);
        if !surplus.is_empty() {
            self.pass();
        }
        for mount in surplus {
            let Some(node) = nodes.iter().find(|node| node.name == mount.node && node.on()) else { continue };
            let done = self.mounts.detach(&mount, node);
            self.check(done);
        }
        for mount in wanted {
            let Some(node) = nodes.iter().find(|node| node.name == mount.node && node.on()) else { continue };
            let done = self.settle_mount(mount, node, nodes);
            self.check(done);
        }
        let mut results = Vec::new();
        for (content, volume) in &mut self.volumes {
            let of_volume = || wanted.iter().filter(|mount| mount.content == *content && !mounts::binds(mount));
            let used: Vec<&str> = of_volume().map(|mount| mount.source.as_str()).collect();
            results.push(volume.keep_shares(&used));
            // A pod may ask for a mount of its own to be read-only; the file system is when no mount of it takes writes.
            // Whoever has it from elsewhere cannot write to it then either.
            let mut own = of_volume().filter(|mount| mount.fstype != "nfs4").peekable();
            results.push(volume.set_read_only(own.peek().is_some() && own.all(|mount| mount.read_only)));
        }
        for result in results {
            self.check(result);
        }
        self.volumes.retain(|content, volume| {
            let gone = match content {
                Content::Volume(_) => volume.deleted && volume.replicas.is_empty(),
                Content::Directory { .. } => true,
            };
            !gone || wanted.iter().any(|mount| mount.content == *content)
        });
    }

    fn settle_mount(&mut self, mount: &HostMount, node: &NodeHandle, nodes: &[NodeHandle]) -> Result<()> {
        if !self.mounts.is_there(&mount.node, &mount.path) {
            let volume = self.volume(&mount.content, nodes)?;
            let share = if mounts::binds(mount) { None } else { Some(volume.share(&mount.source)?.to_owned()) };
            self.mounts.attach(mount, node, share.as_deref())?;
        }
        if let Some(permissions) = &mount.root {
            self.volume(&mount.content, nodes)?.set_permissions(&mount.source, permissions)?;
        }
        self.mounts.protect(mount)
    }
}
