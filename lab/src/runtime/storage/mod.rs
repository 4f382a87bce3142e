//! The clusters' volumes made real on the nodes: mounts with the bytes in them, disks, replicas' files, and the processes of
//! jobs' containers.
//!
//! A volume's bytes are copied, a few times a second and before anything a container wrote is passed on, from where they
//! were written to all other mounts of the volume and into the replicas' images, block by block. So a line that was printed
//! after an `fsync` can be read only once the replicas hold what was written.
//!
//! Not kept alike between the mounts of a volume: hard links (they are copied as files), extended attributes, sockets and
//! devices.

pub mod blocks;
pub mod container_init;
mod containers;
mod copy;
mod device;
mod keep;
mod layout;
mod mounts;
mod namespace;
mod rebuild;
mod replica;
mod settle;
mod tree;
mod volume;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::kubernetes::{ContainerRun, Content, HostMount, ReplicaDirectory, StorageView};
use crate::world::ClusterId;
use containers::Containers;
use mounts::Mounts;
use volume::Volume;

pub use containers::{Key, Report};
pub use keep::keep;

/// How often what was written is copied.
const PASS: Duration = Duration::from_millis(100);

/// A node, as far as storage goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeHandle {
    /// Its host name.
    pub name: String,
    /// Its first process, in the lab's own count; 0 while it is off.
    pub pid: i32,
    /// The root directory of its disk, as the lab sees it.
    pub root: PathBuf,
}

impl NodeHandle {
    /// Whether it is on.
    pub fn on(&self) -> bool {
        self.pid != 0
    }

    /// Where a path of its disk lies for the lab; what is mounted there on the node does not show.
    pub fn on_disk(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}

/// What is real of the clusters' volumes.
#[derive(Debug)]
pub struct Storage {
    folder: PathBuf,
    made: u32,
    volumes: BTreeMap<Content, Volume>,
    mounts: Mounts,
    containers: Containers,
    passed: Instant,
    failures: Vec<String>,
}

impl Storage {
    /// Nothing yet. What it needs is kept below `folder`; `program` is the lab's own program, and a pod's grace passes
    /// `speed` times as fast as here.
    pub fn new(folder: &Path, program: PathBuf, speed: u64) -> Result<Self> {
        let containers = Containers::new(program, folder.join("containers"), speed)?;
        let (made, volumes, mounts) = (0, BTreeMap::new(), Mounts::default());
        let (passed, failures) = (Instant::now(), Vec::new());
        Ok(Self { folder: folder.join("volumes"), made, volumes, mounts, containers, passed, failures })
    }

    /// Waits at most so long until a container does something; `nodes` is asked for the nodes then. What it did can be
    /// taken when what it wrote to its volumes is in the replicas.
    pub fn wait(&mut self, most: Duration, nodes: impl FnOnce() -> Vec<NodeHandle>) {
        if self.containers.wait(most, nodes) {
            self.pass();
        }
    }

    /// What the containers did.
    pub fn take_reports(&mut self) -> Vec<Report> {
        self.containers.take_reports()
    }

    /// What could not be done since this was last asked; it is tried again.
    pub fn take_failures(&mut self) -> Vec<String> {
        std::mem::take(&mut self.failures)
    }

    /// Makes the nodes look as the views say.
    pub fn settle(&mut self, views: &[(ClusterId, StorageView)], nodes: &[NodeHandle]) {
        self.mounts.forget_lost(nodes);
        let mounts: Vec<HostMount> = views.iter().flat_map(|(_, view)| view.mounts.iter().cloned()).collect();
        let sessions: Vec<_> = views.iter().flat_map(|(_, view)| view.sessions.iter().cloned()).collect();
        let replicas: Vec<&ReplicaDirectory> = views.iter().flat_map(|(_, view)| &view.replicas).collect();
        let containers: Vec<(ClusterId, &ContainerRun)> =
            views.iter().flat_map(|(id, view)| view.containers.iter().map(|run| (*id, run))).collect();

        self.settle_replicas(&replicas, nodes);
        for session in &sessions {
            // The driver formats a disk when it first stages it, whatever becomes of the mount
            // (openebs/jiva-operator `pkg/driver/node.go`).
            let volume = session.iqn.rsplit(':').next().unwrap_or_default();
            if let Some(volume) = self.volumes.get_mut(&Content::Volume(volume.to_owned())) {
                let done = volume.format();
                self.check(done);
            }
        }
        let done = self.mounts.settle_disks(&sessions, nodes);
        self.check(done);
        self.settle_mounts(&mounts, nodes);

        let at = |node: &str, path: &str| mounts.iter().any(|mount| mount.node == node && mount.path == path);
        for (_, run) in &containers {
            let Some(node) = nodes.iter().find(|node| node.name == run.node && node.on()) else { continue };
            self.mounts.note_pod(node, &format!("{}/{}/", mounts::PODS, run.uid));
            for volume in run.volumes.iter().filter(|volume| !at(&run.node, &volume.host_path)) {
                // The runtime makes what is missing: this is where bytes go when a driver mounts elsewhere.
                let done = copy::make_directory(&node.on_disk(&volume.host_path), 0o755);
                self.check(done.map_err(Into::into));
            }
        }
        let (there, all) = (&self.mounts, &mounts);
        let done = self.containers.settle(&containers, nodes, |run| {
            let needed = |mount: &&HostMount| {
                mount.node == run.node && run.volumes.iter().any(|volume| volume.host_path == mount.path)
            };
            all.iter().filter(needed).all(|mount| there.is_there(&mount.node, &mount.path))
        });
        self.check(done);
        let mut living: BTreeSet<(String, String)> =
            containers.iter().map(|(_, run)| (run.node.clone(), run.uid.clone())).collect();
        // A server whose own volume is not mounted exports what lies in its pod's directory.
        living.extend(self.volumes.keys().filter_map(|content| match content {
            Content::Directory { node, path } => Some((node.clone(), mounts::pod_of(path)?.to_owned())),
            Content::Volume(_) => None,
        }));
        let done = self.mounts.remove_pods(&living, nodes);
        self.check(done);
        if self.passed.elapsed() >= PASS {
            self.pass();
        }
    }

    /// Copies what was written.
    fn pass(&mut self) {
        let results: Vec<Result<()>> = self.volumes.values_mut().map(Volume::pass).collect();
        for result in results {
            self.check(result);
        }
        self.passed = Instant::now();
    }

    fn check(&mut self, result: Result<()>) {
        if let Err(error) = result {
            self.failures.push(format!("{error:#}"));
        }
    }
}
