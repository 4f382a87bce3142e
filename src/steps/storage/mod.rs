//! The steps that set storage up. What engine and classes are wanted is in [`crate::inventory::storage`].

mod chart;
pub mod disk_room;
pub mod existing_classes;
#[cfg(test)]
pub(crate) mod fixture;
mod helm;
pub mod hostpath_enabled;
pub mod initiator_unique;
pub mod kubelet_directory;
pub mod nfs_provisioner;
pub mod openebs_installed;
pub mod replication_factor;
pub mod retain_class;
pub mod rwx_class;

use crate::facts::{Facts, StorageFacts};
use crate::inventory::model::{Engine, Inventory};

/// Whether Jiva keeps the volumes.
fn jiva(inventory: &Inventory) -> bool {
    inventory.storage.engine == Engine::Jiva
}

/// What was read of the cluster's storage; none before there is a cluster.
fn seen(facts: &Facts) -> Option<&StorageFacts> {
    facts.cluster.as_ref().map(|cluster| &cluster.storage)
}
