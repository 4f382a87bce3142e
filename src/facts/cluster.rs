//! What was read from the Kubernetes API.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use serde::Serialize;

use super::flux::FluxFacts;
use super::mastodon::MastodonFacts;
use super::record::Record;
use super::storage::StorageFacts;

/// The facts of the cluster, from one API server.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClusterFacts {
    /// The inventory name of the node whose API server answered.
    pub via: String,
    /// The Node objects by name.
    pub nodes: BTreeMap<String, KubernetesNode>,
    /// `MetalLB`, when its custom resources are served.
    pub metallb: Option<MetallbFacts>,
    /// The records homeprov keeps in the cluster, by name.
    pub records: BTreeMap<String, Record>,
    /// The cluster address of the cluster's DNS, with whether an endpoint is ready behind it.
    pub dns: Option<(IpAddr, bool)>,
    /// Storage; empty where homeprov leaves it alone.
    pub storage: StorageFacts,
    /// Flux; read where the inventory asks for it, and absent where there is none.
    pub flux: Option<FluxFacts>,
    /// The pods of the node that is to be taken out; read only then.
    pub departing_pods: Vec<NodePod>,
    /// Mastodon; read where the inventory asks for it.
    pub mastodon: Option<MastodonFacts>,
}

/// A Node object.
// Each switch is an observation of its own.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct KubernetesNode {
    /// `metadata.uid`
    pub uid: String,
    /// Condition `Ready` is `True`.
    pub ready: bool,
    /// The message of the condition when it is not.
    pub message: String,
    /// Since when it is not.
    pub not_ready_since: Option<jiff::Timestamp>,
    /// `status.nodeInfo.kubeletVersion`
    pub version: String,
    /// `InternalIP` addresses.
    pub addresses: Vec<IpAddr>,
    /// `metadata.labels`
    pub labels: BTreeMap<String, String>,
    /// `spec.unschedulable`: it takes no new pods.
    pub unschedulable: bool,
    /// Whether it has the taint [`DEPARTING`].
    pub departing: bool,
    /// Whether a repair cordoned it, by the annotation [`REPAIRING`].
    pub repairing: bool,
}

/// The annotation of a node that a repair has cordoned, until what is stuck there has let go.
pub const REPAIRING: &str = "homeprov.io/cordoned-by-repair";

/// The taint of a node that is being emptied. The replicas of Jiva volumes tolerate a cordoned node (openebs/jiva-operator
/// `pkg/controllers/jivavolume_controller.go`), and nobody tolerates this.
pub const DEPARTING: &str = "homeprov.io/departing";

/// A pod on the node that is to be taken out.
// Each switch is an observation of its own.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodePod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The kind of its controller; absent for one that nobody makes anew.
    pub owner: Option<String>,
    /// Whether its manifest lies on the node itself.
    pub mirror: bool,
    /// Whether it is a replica of a Jiva volume.
    pub replica: bool,
    /// The share it serves, for an NFS server: `nfs-pvc-…`.
    pub share: Option<String>,
    /// Whether it has run to its end.
    pub ended: bool,
    /// Whether it is being ended.
    pub leaving: bool,
}

impl NodePod {
    /// Whether it has to be sent away before its node can go: what belongs to each node, or to its disk, has not.
    pub fn moves(&self) -> bool {
        !self.mirror && !self.replica && !self.ended && self.owner.as_deref() != Some("DaemonSet")
    }
}

/// What is there of `MetalLB`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetallbFacts {
    /// The pools by name, with their `spec.addresses`.
    pub pools: BTreeMap<String, Vec<String>>,
    /// The names of the pools each `L2Advertisement` announces; an empty list announces all.
    pub advertisements: BTreeMap<String, Vec<String>>,
    /// Whether Deployment `controller` has a ready pod.
    pub controller_ready: bool,
    /// The nodes on which a speaker pod is ready.
    pub speakers: Vec<String>,
}

impl ClusterFacts {
    /// The Node of a name, when it is Ready and carries the address the inventory gives it.
    pub fn ready_at(&self, name: &str, address: Ipv4Addr) -> bool {
        self.nodes.get(name).is_some_and(|node| node.ready && node.addresses.contains(&IpAddr::V4(address)))
    }
}
