//! What the nodes' kernels, disks and container runtimes hold of the cluster's volumes, as plain tables.
//!
//! The shell around the world makes them real: mounts in the nodes' mount namespaces, files in the replicas' directories,
//! processes for the containers of jobs.

/// What the kernels and kubelets of the nodes show of the cluster's volumes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StorageView {
    /// The mounts of volumes, ordered by node and path.
    pub mounts: Vec<HostMount>,
    /// The iSCSI sessions, ordered by node and number.
    pub sessions: Vec<IscsiSession>,
    /// The directories of the replicas on the nodes' disks; one that vanishes from the list is gone from the disk.
    pub replicas: Vec<ReplicaDirectory>,
    /// The containers that run outside of the simulation.
    pub containers: Vec<ContainerRun>,
    /// The pods whose containers run on without them, ordered by node and uid.
    pub orphans: Vec<Orphan>,
    /// The directories of other volumes on the nodes' disks; one that vanishes from the list is gone from the disk.
    pub directories: Vec<VolumeDirectory>,
}

/// The directory of a volume of a hostpath class, other than a replica's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VolumeDirectory {
    /// The node whose disk it is on.
    pub node: String,
    /// The absolute path there.
    pub path: String,
}

/// A mount in a node's own mount namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostMount {
    /// The node it is on.
    pub node: String,
    /// The mount point.
    pub path: String,
    /// `/dev/sdb`, `10.152.183.77:/`, or the directory that is bound here.
    pub source: String,
    /// `ext4` or `nfs4`.
    pub fstype: String,
    /// Whether the file system takes no writes (any more).
    pub read_only: bool,
    /// Whose bytes are seen there.
    pub content: Content,
    /// Owner and mode of the root of a share, as its server set them; none leaves what the file system has.
    pub root: Option<RootPermissions>,
}

/// Whose bytes are seen at a mount. The bytes of a shared volume are those of the volume behind its NFS server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Content {
    /// The name of the block volume whose replicas keep the bytes.
    Volume(String),
    /// A directory on a node's disk.
    Directory {
        /// The node.
        node: String,
        /// The absolute path there.
        path: String,
    },
}

/// What the NFS server of a share does to its root directory at its start (openebs/dynamic-nfs-provisioner
/// `nfs-server-container/nfsd.sh`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RootPermissions {
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// What `chmod` is given: `0775`, `g+rws`; empty for no change.
    pub mode: String,
}

/// A pod that is gone while its containers run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Orphan {
    /// The node.
    pub node: String,
    /// The pod's uid.
    pub uid: String,
    /// The id of its container.
    pub container: String,
    /// The process in it.
    pub pid: u32,
    /// For how many milliseconds its pod has been gone.
    pub gone: u64,
}

/// A session of a node's iSCSI initiator.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IscsiSession {
    /// The node.
    pub node: String,
    /// The session's number on the node, from 1.
    pub number: u32,
    /// Address and port of the target: `10.152.183.50:3260`.
    pub portal: String,
    /// The name of the target: `iqn.2016-09.com.openebs.jiva:pvc-…`.
    pub iqn: String,
    /// The disk the kernel made of it: `/dev/sdb`.
    pub device: String,
}

/// How a replica takes part in its volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReplicaMode {
    /// It has every byte.
    ReadWrite,
    /// It gets what is newly written while it is rebuilt.
    WriteOnly,
    /// It is not connected.
    Down,
}

/// A replica's directory on a node's disk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplicaDirectory {
    /// The volume it is a replica of: the name of its PV.
    pub volume: String,
    /// The replica's number in its `StatefulSet`.
    pub ordinal: u32,
    /// The node whose disk it is on.
    pub node: String,
    /// `/var/snap/microk8s/common/var/openebs/local/<name of the replica's own PV>`.
    pub path: String,
    /// How the replica takes part.
    pub mode: ReplicaMode,
    /// The volume's size in bytes.
    pub size: u64,
}

/// A container of a job's pod that should be running: all that comes before it is done, its volumes are mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerRun {
    /// The node it runs on.
    pub node: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The pod's uid.
    pub uid: String,
    /// The container's name.
    pub container: String,
    /// Its image.
    pub image: String,
    /// What replaces the image's entry point; empty for the image's own.
    pub command: Vec<String>,
    /// What replaces the image's arguments.
    pub args: Vec<String>,
    /// Its environment, in order.
    pub env: Vec<(String, String)>,
    /// Where it starts; empty for the image's own.
    pub working_dir: String,
    /// What is bound into it.
    pub volumes: Vec<ContainerVolume>,
    /// Whether it is to end: SIGTERM, then SIGKILL after its grace.
    pub ending: bool,
    /// How long it may take to end after SIGTERM.
    pub grace_seconds: u64,
    /// The user it runs as; none for the image's own.
    pub user: Option<u32>,
}

/// A directory of the node that a container sees.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContainerVolume {
    /// The directory on the node.
    pub host_path: String,
    /// Where the container sees it.
    pub container_path: String,
    /// Whether the container may not write there.
    pub read_only: bool,
}
