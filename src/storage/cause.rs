//! Why a class is not proven, and what to do about it.

use serde::ser::{Serialize, SerializeStruct, Serializer};

/// A cause homeprov can tell apart from the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The CSI driver mounts below another directory than kubelet looks at (openebs/jiva#367).
    WrongKubeletDirectory {
        /// The node.
        node: String,
        /// The directory of the driver's `DaemonSet`.
        driver: String,
        /// The directory kubelet was started with.
        kubelet: String,
    },
    /// The pod's directory is no mount, although the driver's directory is right.
    NotMounted {
        /// The node.
        node: String,
        /// The directory.
        path: String,
    },
    /// Another device than the volume's is mounted.
    OtherDevice {
        /// The node.
        node: String,
        /// What is mounted.
        source: String,
        /// What should be.
        expected: String,
    },
    /// Not all wanted replicas can be read and written.
    ReplicasNotRw {
        /// Replicas wanted.
        wanted: u32,
        /// What each is.
        found: String,
    },
    /// The NFS share lies on another class than the replicated one.
    BackendClass {
        /// The class of the claim.
        class: String,
        /// The class behind it.
        backend: String,
        /// The class that should be.
        wanted: String,
    },
    /// A node cannot mount NFS.
    NfsClientMissing {
        /// The node.
        node: String,
    },
    /// The volume cannot be written.
    ReadOnly {
        /// How that was seen.
        seen: String,
    },
    /// Another node is still written down as the one that has it mounted.
    StaleOwner {
        /// The volume.
        volume: String,
        /// The node written down, when the volume names one.
        owner: Option<String>,
    },
    /// The iSCSI target does not answer.
    TargetUnreachable {
        /// The volume.
        volume: String,
    },
    /// There is no such class.
    ClassMissing {
        /// Its name.
        class: String,
    },
    /// The claim got no volume.
    NotProvisioned {
        /// The class.
        class: String,
        /// What was said of the claim.
        said: String,
    },
    /// The image was not pulled.
    ImageNotPulled {
        /// The image.
        image: String,
        /// What was said.
        said: String,
    },
    /// The pod found no node.
    NotScheduled {
        /// What the scheduler said.
        said: String,
    },
    /// There is no room left.
    NoSpace {
        /// The node of the pod that wrote.
        node: String,
    },
    /// The user the pod runs as may not write.
    PermissionDenied {
        /// The user's number.
        user: u32,
    },
    /// What was read is not what was written.
    HashDiffers {
        /// The node that read.
        node: String,
        /// What it read.
        read: String,
    },
    /// Another node does not see the bytes.
    OneNodeOnly {
        /// The node that wrote.
        wrote: String,
        /// The node that does not see them.
        reader: String,
    },
    /// The bytes are not in the replica files of as many nodes as wanted.
    ReplicasLackData {
        /// Replicas wanted.
        wanted: u32,
        /// Nodes they were found on.
        found: Vec<String>,
    },
    /// None of the others.
    Unexplained {
        /// What is known.
        seen: String,
    },
}

impl Cause {
    /// Its name in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::WrongKubeletDirectory { .. } => "wrong-kubelet-directory",
            Self::NotMounted { .. } => "not-mounted",
            Self::OtherDevice { .. } => "other-device",
            Self::ReplicasNotRw { .. } => "replicas-not-rw",
            Self::BackendClass { .. } => "backend-class-wrong",
            Self::NfsClientMissing { .. } => "nfs-client-missing",
            Self::ReadOnly { .. } => "volume-read-only",
            Self::StaleOwner { .. } => "stale-mount-owner",
            Self::TargetUnreachable { .. } => "target-unreachable",
            Self::ClassMissing { .. } => "class-missing",
            Self::NotProvisioned { .. } => "not-provisioned",
            Self::ImageNotPulled { .. } => "image-not-pulled",
            Self::NotScheduled { .. } => "not-scheduled",
            Self::NoSpace { .. } => "no-space",
            Self::PermissionDenied { .. } => "permission-denied",
            Self::HashDiffers { .. } => "hash-differs",
            Self::OneNodeOnly { .. } => "data-on-one-node-only",
            Self::ReplicasLackData { .. } => "replicas-lack-data",
            Self::Unexplained { .. } => "unexplained",
        }
    }

    /// What it is, in one line.
    pub fn text(&self) -> String {
        match self {
            Self::WrongKubeletDirectory { node, driver, kubelet } => format!(
                "wrong kubelet directory: the Jiva CSI driver mounts below {driver}, but kubelet on {node} uses {kubelet}; the bytes stay in the pod's own space on that node"
            ),
            Self::NotMounted { node, path } => {
                format!("the volume is not mounted: {path} on {node} is an ordinary directory on the node's root disk")
            }
            Self::OtherDevice { node, source, expected } => {
                format!("another device is mounted: {node} has {source} mounted, the volume is {expected}")
            }
            Self::ReplicasNotRw { wanted, found } => {
                format!("replicas not RW: {wanted} are wanted, all RW, and the volume says {found}")
            }
            Self::BackendClass { class, backend, wanted } => {
                format!("backend class wrong: the volumes of {class} lie on class {backend}, not on {wanted}")
            }
            Self::NfsClientMissing { node } => format!("NFS client missing: {node} cannot mount an NFS share"),
            Self::ReadOnly { seen } => format!("volume read-only: {seen}"),
            Self::StaleOwner { volume, owner: Some(owner) } => {
                format!("stale owner of the mount: {volume} is still written down as mounted on {owner}")
            }
            Self::StaleOwner { volume, owner: None } => {
                format!("stale owner of the mount: {volume} is still written down as mounted somewhere else")
            }
            Self::TargetUnreachable { volume } => format!("the iSCSI target of {volume} does not answer"),
            Self::ClassMissing { class } => format!("there is no StorageClass {class}"),
            Self::NotProvisioned { class, said } => format!("class {class} gave no volume: {said}"),
            Self::ImageNotPulled { image, said } => format!("the image {image} was not pulled: {said}"),
            Self::NotScheduled { said } => format!("the pod found no node: {said}"),
            Self::NoSpace { node } => format!("no space is left on the volume written from {node}"),
            Self::PermissionDenied { user } => format!("permission denied: user {user} may not write to the volume"),
            Self::HashDiffers { node, read } => format!("{node} reads other bytes than were written (SHA-256 {read})"),
            Self::OneNodeOnly { wrote, reader } => {
                format!("data on one node only: what {wrote} wrote is not seen from {reader}")
            }
            Self::ReplicasLackData { wanted, found } if found.is_empty() => {
                format!("the bytes are in no replica's files; they should be on {wanted} nodes' disks")
            }
            Self::ReplicasLackData { wanted, found } => {
                format!("all bytes are in the replica files of {} only; {wanted} nodes are wanted", found.join(", "))
            }
            Self::Unexplained { seen } => seen.clone(),
        }
    }

    /// What to do.
    pub fn remedy(&self) -> String {
        match self {
            Self::WrongKubeletDirectory { kubelet, .. } => format!(
                "keep no data on these volumes; set jiva.csiNode.kubeletDir={kubelet}/ with `microk8s helm3 upgrade`, restart the pods that use volumes, and prove again"
            ),
            Self::NotMounted { .. } => "restart the CSI node pod of that node and then the pods that use volumes; `microk8s kubectl -n openebs get pods -o wide` shows it".to_owned(),
            Self::OtherDevice { source, .. } if source.contains("/dev/mapper/") || source.contains("/dev/dm-") => {
                "multipathd has taken the device: blacklist iSCSI disks of Jiva in /etc/multipath/conf.d and restart multipathd".to_owned()
            }
            Self::OtherDevice { .. } => "look at the mounts (`findmnt`) and iSCSI sessions (`iscsiadm -m session -P 3`) of that node".to_owned(),
            Self::ReplicasNotRw { .. } => "look at `microk8s kubectl -n openebs get jivavolumes,pods -o wide`: a replica without a node needs one more node or `replicas` lowered in [storage]; one that stays WO is rebuilt after its pod is deleted".to_owned(),
            Self::BackendClass { class, .. } => format!(
                "use no volume of {class}; move what lies there away, `microk8s kubectl delete storageclass {class}`, and run `homeprov up` to make it anew"
            ),
            Self::NfsClientMissing { node } => format!("on {node}: `apt-get update && apt-get install nfs-common`"),
            Self::ReadOnly { .. } => "bring the nodes of its replicas back first; then restart the pods that use the volume. `microk8s kubectl -n openebs get jivavolumes` should say RW".to_owned(),
            Self::StaleOwner { volume, owner } => {
                let there = owner.as_deref().unwrap_or("the other node");
                format!(
                    "make sure that nothing on {there} has it mounted (`findmnt | grep {volume}`, `iscsiadm -m session | grep {volume}` print nothing there); then take the label nodeID from the JivaVolume {volume} and empty its spec.mountInfo, or restart {there}"
                )
            }
            Self::TargetUnreachable { volume } => format!(
                "look at the controller's pod: `microk8s kubectl -n openebs get pods -l openebs.io/persistent-volume={volume}`; port 3260 must be open between the nodes and the cluster's services"
            ),
            Self::ClassMissing { .. } => "`microk8s kubectl get storageclasses` lists those there are; `homeprov up` makes those of [storage]".to_owned(),
            Self::NotProvisioned { .. } => "look at the provisioner: `microk8s kubectl -n openebs get pods`".to_owned(),
            Self::ImageNotPulled { .. } => "see to it that the nodes reach the registry, or name another image with `image` in [storage]".to_owned(),
            Self::NotScheduled { .. } => "look at `microk8s kubectl describe nodes`: taints, pressure, room for pods".to_owned(),
            Self::NoSpace { .. } => "free disk space on the nodes, or take a smaller `proof_size` in [storage]".to_owned(),
            Self::PermissionDenied { user } => format!(
                "the share's root directory must belong to {user} (FilePermissions of the class); run `homeprov up` to make the class so"
            ),
            Self::HashDiffers { .. } | Self::OneNodeOnly { .. } | Self::ReplicasLackData { .. } => {
                "keep no data on this class before this is understood; the evidence shows what was seen where".to_owned()
            }
            Self::Unexplained { .. } => "the evidence shows what was seen where; run it again with -v to see each step".to_owned(),
        }
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut shown = serializer.serialize_struct("Cause", 3)?;
        shown.serialize_field("name", self.name())?;
        shown.serialize_field("text", &self.text())?;
        shown.serialize_field("remedy", &self.remedy())?;
        shown.end()
    }
}
