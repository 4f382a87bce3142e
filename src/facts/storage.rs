//! What was read of the cluster's storage.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Classes, volumes and the workloads that make them. A kind that is not served is simply empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StorageFacts {
    /// The storage classes by name.
    pub classes: BTreeMap<String, StorageClass>,
    /// Whether the kind `JivaVolume` is served.
    pub jiva_served: bool,
    /// The `DaemonSet` that mounts Jiva volumes on the nodes.
    pub jiva_node: Option<JivaNode>,
    /// The Deployments and `StatefulSets` that make and serve volumes.
    pub workloads: Vec<Workload>,
    /// The newest revision of each Helm release, by namespace and name.
    pub releases: BTreeMap<(String, String), Release>,
    /// The replication factor of each `JivaVolumePolicy`, by name.
    pub jiva_policies: BTreeMap<String, u32>,
    /// The `JivaVolumes` by name, which is that of their `PersistentVolume`.
    pub jiva_volumes: BTreeMap<String, JivaVolume>,
    /// The `PersistentVolumes` by name.
    pub volumes: BTreeMap<String, Volume>,
    /// The claims.
    pub claims: Vec<Claim>,
}

/// A `StorageClass`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StorageClass {
    /// Who makes its volumes.
    pub provisioner: String,
    /// `Delete` or `Retain`.
    pub reclaim_policy: String,
    /// `Immediate` or `WaitForFirstConsumer`.
    pub binding_mode: String,
    /// Whether its volumes may grow.
    pub allow_expansion: bool,
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// The annotation `cas.openebs.io/config`, read.
    pub openebs: OpenebsConfig,
}

/// The entries of `cas.openebs.io/config` that matter here
/// (openebs/dynamic-nfs-provisioner `provisioner/config.go`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenebsConfig {
    /// `BackendStorageClass`: the class of the volume behind an NFS share.
    pub backend: Option<String>,
    /// `CustomServerConfig`: the line of `/etc/exports`.
    pub exports: Option<String>,
    /// `FilePermissions`: owner, group and mode of a share's root, by `UID`, `GID` and `mode`.
    pub permissions: BTreeMap<String, String>,
    /// `LeaseTime` in seconds.
    pub lease_time: Option<String>,
    /// `GraceTime` in seconds.
    pub grace_time: Option<String>,
    /// `BasePath` of a class of local folders.
    pub base_path: Option<String>,
}

/// The `DaemonSet` that mounts Jiva volumes on the nodes (openebs/jiva-operator
/// `deploy/helm/charts/templates/csi-node.yaml`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JivaNode {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The kubelet's directory as it takes it: the host path of its volume `pods-mount-dir`.
    pub kubelet_directory: String,
    /// The nodes on which its pod is ready.
    pub ready_on: BTreeSet<String>,
    /// Whether its controller has seen the newest specification and every pod is of it.
    pub rolled_out: bool,
}

/// A Deployment or a `StatefulSet`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Workload {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether a pod of it is ready.
    pub ready: bool,
}

/// A Helm release, from the labels of its Secret (helm/helm `pkg/storage/driver/secrets.go`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The name of the Secret.
    pub secret: String,
    /// Its revision.
    pub revision: u32,
    /// `deployed`, `failed`, `pending-install`, `pending-upgrade`, …
    pub status: String,
    /// When this revision was begun.
    pub at: Option<jiff::Timestamp>,
}

impl Release {
    /// Whether an installation or an upgrade is under way, or was cut off.
    pub fn pending(&self) -> bool {
        self.status.starts_with("pending-")
    }
}

/// A `JivaVolume` (openebs/jiva-operator `pkg/apis/openebs/v1/jivavolume_types.go`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JivaVolume {
    /// Its namespace.
    pub namespace: String,
    /// `spec.capacity`
    pub capacity: String,
    /// The replicas it should have.
    pub replication_factor: u32,
    /// `status.phase`
    pub phase: String,
    /// `status.status`: `RW`, `RO`, or empty when its controller does not answer.
    pub status: String,
    /// The replicas connected to its controller.
    pub replicas: Vec<Replica>,
    /// The label `nodeID`: the node that has it mounted, as the driver sees it.
    pub node: Option<String>,
    /// `spec.mountInfo.stagingPath`, when it is mounted.
    pub staging_path: Option<String>,
}

impl JivaVolume {
    /// How many of its replicas can be read and written.
    pub fn working(&self) -> usize {
        self.replicas.iter().filter(|replica| replica.mode == "RW").count()
    }

    /// How many it needs for writing: more than half (openebs/jiva `controller/control.go`).
    pub fn quorum(&self) -> usize {
        usize::try_from(self.replication_factor).unwrap_or_default() / 2 + 1
    }

    /// Whether a node has it mounted, or is said to.
    pub fn in_use(&self) -> bool {
        self.node.is_some() || self.staging_path.is_some()
    }
}

/// A connected replica of a Jiva volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replica {
    /// `tcp://10.1.12.7:9502`
    #[serde(default)]
    pub address: String,
    /// `RW`, `WO` while it is rebuilt, or empty while it connects.
    #[serde(default)]
    pub mode: String,
}

/// A `PersistentVolume`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Volume {
    /// Namespace and name of its claim.
    pub claim: Option<(String, String)>,
    /// Its class.
    pub class: String,
    /// The capacity as Kubernetes writes it.
    pub capacity: String,
    /// `Bound`, `Released`, …
    pub phase: String,
    /// `Delete` or `Retain`.
    pub reclaim_policy: String,
    /// The host names its node affinity names; empty when it has none.
    pub nodes: Vec<String>,
    /// The address of the NFS server, for a share.
    pub nfs_server: Option<String>,
}

/// A `PersistentVolumeClaim`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its class, where it names one.
    pub class: Option<String>,
    /// How it is mounted: `ReadWriteOnce`, `ReadWriteMany`.
    pub modes: Vec<String>,
    /// The volume it is bound to.
    pub volume: Option<String>,
    /// `Bound`, `Pending`, `Lost`
    pub phase: String,
    /// The Kustomization of Flux that would remove it, when it may be removed.
    pub pruned_by: Option<String>,
}

impl StorageFacts {
    /// The workload whose name ends like this.
    pub fn workload(&self, ending: &str) -> Option<&Workload> {
        self.workloads.iter().find(|workload| workload.name.ends_with(ending))
    }

    /// The release of a name and its namespace.
    pub fn release(&self, name: &str) -> Option<(&str, &Release)> {
        self.releases
            .iter()
            .find(|((_, known), _)| known == name)
            .map(|((namespace, _), found)| (namespace.as_str(), found))
    }

    /// The claims of a Jiva volume's replicas (openebs/jiva-operator `pkg/controllers/jivavolume_controller.go`: that of
    /// replica N is `openebs-<volume>-jiva-rep-N`).
    pub fn replica_claims(&self, name: &str) -> impl Iterator<Item = &Claim> {
        let start = format!("openebs-{name}-jiva-rep-");
        self.claims.iter().filter(move |claim| claim.name.starts_with(&start))
    }

    /// The nodes of a Jiva volume's replicas: those their own volumes are bound to.
    pub fn replica_nodes(&self, name: &str) -> Vec<String> {
        let volumes = self.replica_claims(name).filter_map(|claim| self.volumes.get(claim.volume.as_ref()?));
        let mut nodes: Vec<String> = volumes.flat_map(|volume| volume.nodes.clone()).collect();
        nodes.sort();
        nodes.dedup();
        nodes
    }

    /// Whether a volume is a replica of a Jiva volume.
    pub fn is_replica(&self, name: &str) -> bool {
        let claim = self.volumes.get(name).and_then(|volume| volume.claim.as_ref());
        claim.is_some_and(|(_, claim)| claim.starts_with("openebs-") && claim.contains("-jiva-rep-"))
    }

    /// The volume that holds the bytes of a share: the one its NFS server has mounted (openebs/dynamic-nfs-provisioner
    /// `provisioner/helper_kernel_nfs_server.go`: the claim behind the share `pvc-X` is `nfs-pvc-X`).
    pub fn behind(&self, share: &str) -> Option<&str> {
        let backing = format!("nfs-{share}");
        self.claims.iter().find(|claim| claim.name == backing)?.volume.as_deref()
    }

    /// Whether a volume is told with another one: a replica of a Jiva volume, or a share, which is told with the volume its
    /// NFS server has mounted.
    pub fn lies_behind(&self, name: &str, volume: &Volume) -> bool {
        self.is_replica(name) || (volume.nfs_server.is_some() && self.behind(name).is_some())
    }

    /// The claim bound to a volume.
    pub fn claim_of(&self, volume: &str) -> Option<&Claim> {
        self.claims.iter().find(|claim| claim.volume.as_deref() == Some(volume))
    }

    /// The claim whose data a Jiva volume holds: its own, or that of the NFS share it lies behind (openebs/dynamic-nfs-provisioner
    /// `provisioner/helper_kernel_nfs_server.go`: the claim behind the share `pvc-X` is `nfs-pvc-X`).
    pub fn user_claim_of(&self, volume: &str) -> Option<&Claim> {
        let own = self.claim_of(volume)?;
        let share = own.name.strip_prefix("nfs-").and_then(|share| self.claim_of(share));
        Some(share.unwrap_or(own))
    }
}
