//! `[storage]`: where the volumes of workloads lie, and how that is proven.

pub mod classes;
pub(super) mod quantity;
mod read;

use std::time::Duration;

pub use quantity::bytes;
pub(super) use read::{engine_for, of};

/// The disk space in bytes that must be free on each node, when the file says nothing.
pub(super) const DEFAULT_RESERVE: u64 = 5 << 30;
/// How many bytes the proof writes, when the file says nothing.
pub(super) const DEFAULT_PROOF_SIZE: u64 = 64 << 20;
/// What the proof's Jobs run, when the file says nothing.
pub(super) const DEFAULT_IMAGE: &str = "docker.io/library/busybox:1.37.0";

/// `[storage]`, with its defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// Who keeps the volumes.
    pub engine: Engine,
    /// On how many nodes each volume is kept; 1 unless the engine is Jiva.
    pub replicas: u32,
    /// Whether a class for volumes that several nodes mount at once is wanted.
    pub rwx: bool,
    /// The bytes that must be free on each node's disk.
    pub reserve: u64,
    /// The class for volumes that one node mounts at a time; only with [`Engine::ExistingClass`].
    pub class: Option<String>,
    /// The class for volumes that several nodes mount at once; only with [`Engine::ExistingClass`].
    pub rwx_class: Option<String>,
    /// How old a proof may become before it is made again; without it only a change asks for a new one.
    pub prove_every: Option<Duration>,
    /// How many random bytes the proof writes.
    pub proof_size: u64,
    /// The image of the proof's Jobs, with a tag or a digest.
    pub image: String,
    /// The `OpenEBS` chart used instead of the addon's: an absolute path on this machine, or a URL.
    pub chart: Option<String>,
    /// The NFS provisioner's chart used instead of the one of its repository: an absolute path here, or a URL.
    pub nfs_chart: Option<String>,
}

/// Who keeps the volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// `OpenEBS` Jiva: each volume on the disks of several nodes.
    Jiva,
    /// The `hostpath-storage` addon: each volume in a folder of one node. Stored, not replicated.
    Hostpath,
    /// Storage classes that are there already and that homeprov did not make.
    ExistingClass,
    /// homeprov leaves storage alone.
    None,
}

impl Engine {
    /// As the inventory writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jiva => "jiva",
            Self::Hostpath => "hostpath",
            Self::ExistingClass => "existing-class",
            Self::None => "none",
        }
    }
}

impl Default for Storage {
    /// Storage that is left alone.
    fn default() -> Self {
        Self {
            engine: Engine::None,
            replicas: 1,
            rwx: false,
            reserve: DEFAULT_RESERVE,
            class: None,
            rwx_class: None,
            prove_every: None,
            proof_size: DEFAULT_PROOF_SIZE,
            image: DEFAULT_IMAGE.to_owned(),
            chart: None,
            nfs_chart: None,
        }
    }
}
