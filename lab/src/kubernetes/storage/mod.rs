//! Volumes behind claims: `OpenEBS`' provisioners and operators, and what kubelets mount.

mod config;
mod container;
mod hostpath;
mod jiva;
mod kubelet;
mod nfs;
mod orphans;
mod outside;
mod provision;
pub(super) mod quantity;
mod tables;
mod view;

use std::collections::BTreeMap;

pub(super) use provision::Provisioner;
pub use view::{
    ContainerRun, ContainerVolume, Content, HostMount, IscsiSession, Orphan, ReplicaDirectory, ReplicaMode,
    RootPermissions, StorageView, VolumeDirectory,
};

use jiva::{Stage, Volumes};
use kubelet::{Attempt, PodMount};
use outside::Process;

/// What there is of volumes and processes besides the objects.
#[derive(Debug, Default)]
pub(super) struct Storage {
    /// Whether the containers of jobs run outside of the simulation.
    outside: bool,
    /// The containers that run outside, by the pod's uid and their name.
    processes: BTreeMap<(String, String), Process>,
    /// The replicas of the Jiva volumes.
    volumes: Volumes,
    /// The staged volumes, by node and handle.
    stages: BTreeMap<(String, String), Stage>,
    /// What the pods' volumes are on their nodes, by the pod's uid and the volume's name in it.
    mounts: BTreeMap<(String, String), PodMount>,
    /// The mounts that have not succeeded yet.
    attempts: BTreeMap<(String, String), Attempt>,
    /// Whether the fault that takes a replica has happened.
    lost_one: bool,
    /// The pods whose containers outlived them, by uid.
    orphans: BTreeMap<String, orphans::Outlived>,
}

impl Storage {
    /// Whether no node holds anything.
    fn is_idle(&self) -> bool {
        self.processes.is_empty() && self.stages.is_empty() && self.mounts.is_empty() && self.attempts.is_empty()
    }
}
