//! How storage stands, as data.

use serde::Serialize;

pub use crate::storage::Access;

use crate::facts::storage::Replica;
use crate::inventory::storage::Engine;
use crate::status::Probe;

/// The classes and the volumes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StorageStatus {
    /// Who keeps the volumes.
    pub engine: Engine,
    /// On how many nodes a new volume is kept.
    pub replicas: u32,
    /// The cluster's storage classes, by name.
    pub classes: Vec<ClassStatus>,
    /// The volumes that hold users' data, by name. What lies behind another volume is told with that one.
    pub volumes: Vec<VolumeStatus>,
    /// The record of the last proof; absent when there is none for this storage.
    pub proof: Option<Probe>,
}

/// A storage class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassStatus {
    /// Its name.
    pub name: String,
    /// Who makes its volumes.
    pub provisioner: String,
    /// The class its volumes lie on, for a class of shares.
    pub backend: Option<String>,
    /// `Delete` or `Retain`.
    pub reclaim_policy: String,
    /// What homeprov uses it for.
    pub used_for: Option<Access>,
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VolumeStatus {
    /// The `PersistentVolume`'s name.
    pub name: String,
    /// The claim whose data it holds, as `namespace/name`; absent when it has none any more.
    pub claim: Option<String>,
    /// Whether the claim is for several nodes at once, served by an NFS server.
    pub shared: bool,
    /// Its class.
    pub class: String,
    /// Its capacity as Kubernetes writes it.
    pub capacity: String,
    /// The replicas it should have; absent for a volume that is not Jiva's.
    pub replicas_wanted: Option<u32>,
    /// The replicas connected.
    pub replicas: Vec<Replica>,
    /// The nodes whose disks hold it, as far as that is known.
    pub nodes: Vec<String>,
    /// The node that has it mounted.
    pub mounted_on: Option<String>,
    /// How near it is to taking no more writes.
    pub margin: Margin,
    /// The same in words.
    pub state: String,
}

/// How near a volume is to taking no more writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Margin {
    /// At least one more node may fail.
    Spare,
    /// The next failure makes it read-only.
    Last,
    /// It takes no writes.
    ReadOnly,
    /// It lies on one node's disk.
    OneNode,
    /// It cannot be told.
    Unknown,
}
