//! Volumes behind claims: `OpenEBS`' provisioners and operators, and what kubelets mount.

mod outside;
mod view;

pub use view::{
    ContainerRun, ContainerVolume, Content, HostMount, IscsiSession, ReplicaDirectory, ReplicaMode, RootPermissions,
    StorageView,
};

use std::collections::BTreeMap;

use outside::Process;

/// What there is of volumes and processes besides the objects.
#[derive(Debug, Default)]
pub(super) struct Storage {
    /// Whether the containers of jobs run outside of the simulation.
    outside: bool,
    /// The containers that run outside, by the pod's uid and their name.
    processes: BTreeMap<(String, String), Process>,
}
