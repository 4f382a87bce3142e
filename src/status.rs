//! How the cluster stands: what `status` shows, as data.

pub mod growth;
pub mod margin;
pub mod site;
pub mod storage;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::Serialize;

use crate::inventory::model::Role;
pub use margin::NodeMargin;
pub use site::SiteStatus;
pub use storage::StorageStatus;

/// The version of the JSON format of [`ClusterStatus`].
pub const SCHEMA: u32 = 1;

/// What one observation says of the whole cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClusterStatus {
    /// Format version: [`SCHEMA`].
    pub schema: u32,
    /// The cluster's name in the inventory.
    pub cluster: String,
    /// The channel the inventory asks for.
    pub channel: String,
    /// The fingerprint of the cluster's CA; absent while there is no cluster, or nobody who knows of one answers.
    pub identity: Option<String>,
    /// The nodes in inventory order.
    pub nodes: Vec<NodeStatus>,
    /// Whether it survives the loss of a node.
    pub high_availability: HighAvailability,
    /// The address pool; absent when the inventory asks for none.
    pub pool: Option<PoolStatus>,
    /// Storage; absent where homeprov leaves it alone or nothing could be read.
    pub storage: Option<StorageStatus>,
    /// Mastodon; absent when the inventory asks for none or nothing could be read.
    pub site: Option<SiteStatus>,
    /// How many more nodes may fail before the API, each volume, the site stop; none while there is no cluster.
    pub margins: Vec<NodeMargin>,
    /// The last drill; absent while there was none.
    pub drill: Option<DrillStatus>,
    /// What the user should know besides, one sentence each.
    pub warnings: Vec<String>,
}

/// What is known of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// Its address in the cluster.
    pub address: Ipv4Addr,
    /// Its role in the inventory.
    pub role: Role,
    /// Whether it could be reached over SSH; everything below is from the API alone when it could not.
    pub reachable: bool,
    /// Why not, when it could not.
    pub unreachable_because: Option<String>,
    /// The operating system's name, such as `Ubuntu 24.04`.
    pub os: Option<String>,
    /// The installed MicroK8s, such as `v1.35.2`; absent when there is none.
    pub microk8s_version: Option<String>,
    /// The channel it follows.
    pub channel: Option<String>,
    /// Whether its refreshes are held.
    pub held: Option<bool>,
    /// Whether Kubernetes calls the Node ready; absent when it is no member.
    pub kubernetes_ready: Option<bool>,
    /// What it does in the data store; absent while no member tells its list.
    pub dqlite_role: Option<DqliteRole>,
    /// Whether its data store accepts a connection; absent when it has none.
    pub answers: Option<bool>,
    /// The labels the inventory wants that the Node object has.
    pub labels: BTreeMap<String, String>,
}

/// What a node does in the data store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DqliteRole {
    /// Holds the data and votes.
    Voter,
    /// Holds the data and takes over a lost voter's place.
    StandBy,
    /// Neither: it can be made one of them.
    Spare,
    /// It is no member.
    None,
}

/// Whether the cluster survives the loss of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HighAvailability {
    /// Voters that accept a connection.
    pub voters_that_answer: u32,
    /// All voters in the member list.
    pub of: u32,
    /// Whether every member that was asked gave the same list; absent while none tells one.
    pub agreed: Option<bool>,
    /// The conclusion.
    pub verdict: Conclusion,
    /// Why, in one sentence.
    pub reason: String,
}

/// The last drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DrillStatus {
    /// The node that was taken away.
    pub node: String,
    /// How.
    pub how: crate::drill::How,
    /// When it ended; when it was begun, while it is under way.
    pub at: jiff::Timestamp,
    /// For how many whole days that has been so.
    pub days: u64,
    /// What came of it; absent while it is under way.
    pub result: Option<String>,
}

/// The address pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PoolStatus {
    /// The ranges wanted.
    pub ranges: Vec<String>,
    /// Whether `MetalLB` is installed; absent when the cluster does not answer.
    pub installed: Option<bool>,
    /// Nodes whose speaker is ready.
    pub speakers_ready: u32,
    /// Nodes that should have one.
    pub of: u32,
    /// The record of the last probe; absent when there is none for this pool.
    pub probe: Option<Probe>,
}

/// The record a pool probe or a proof of storage left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// Its conclusion.
    pub verdict: Conclusion,
    /// When it was made.
    pub at: jiff::Timestamp,
    /// What was seen, one finding each.
    pub evidence: Vec<String>,
}

/// A conclusion drawn from observations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conclusion {
    /// It is so.
    Yes,
    /// It is not so.
    No,
    /// It could not be tried, or not wholly.
    Unknown,
}
