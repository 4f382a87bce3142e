//! What an inventory says, once it has been read and found valid.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

pub use super::flux::Flux;
pub use super::mastodon::{
    Access, Admin, ChartSource, Ingress, Mastodon, Postgresql, Quantities, Redis, Resources, S3, Smtp, StartTls, Tls,
};
pub use super::storage::{Engine, Storage};

/// One homelab: the cluster wanted, the machines it is made of and how to reach them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// `[cluster]`
    pub cluster: Cluster,
    /// `[ssh]`: what holds for every node that does not say otherwise.
    pub ssh: Ssh,
    /// `[[nodes]]`, in the order of the file. The first control-plane node is the first choice for the seed.
    pub nodes: Vec<Node>,
    /// `[metallb]`; without it no pool is made.
    pub metallb: Option<Metallb>,
    /// `[storage]`, with its defaults filled in.
    pub storage: Storage,
    /// `[flux]`; without it nothing is deployed.
    pub flux: Option<Flux>,
    /// `[mastodon]`; only with `[flux]`.
    pub mastodon: Option<Mastodon>,
}

/// `[cluster]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// The cluster's name, used for contexts, records and folders.
    pub name: String,
    /// The snap channel of MicroK8s, such as `1.35/stable`.
    pub channel: String,
    /// Allows exactly two control-plane nodes, which tolerate fewer failures than one.
    pub allow_two_control_planes: bool,
}

/// `[ssh]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ssh {
    /// Login name; OpenSSH's own default when absent.
    pub user: Option<String>,
    /// TCP port; OpenSSH's own default when absent.
    pub port: Option<u16>,
    /// Private key file.
    pub identity: Option<PathBuf>,
    /// An `ssh_config(5)` file used instead of the user's own.
    pub config: Option<PathBuf>,
    /// A jump host, as `ssh -J` takes it.
    pub jump: Option<String>,
    /// The known-hosts file; the user's own when absent.
    pub known_hosts: Option<PathBuf>,
    /// How root's rights are had on a node.
    pub sudo: Sudo,
}

/// How root's rights are had on a node where the login is not root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sudo {
    /// root needs nothing; others use `sudo -n`, and with a password when that is refused.
    #[default]
    Auto,
    /// Always a password: `sudo -n` is not tried.
    Password,
    /// Never: the login is root.
    Never,
}

/// One machine: a `[[nodes]]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Host name and Kubernetes node name.
    pub name: String,
    /// The address it has in the cluster, fixed for the node's life.
    pub address: Ipv4Addr,
    /// What it does.
    pub role: Role,
    /// The failure domain of the data store; a number of its own for each node when absent.
    pub failure_domain: Option<u32>,
    /// Kubernetes labels wanted on the Node object.
    pub labels: BTreeMap<String, String>,
    /// The pinned SSH host key: `ssh-ed25519 AAAA…`, or a fingerprint `SHA256:…`.
    pub host_key: Option<String>,
    /// What differs from `[ssh]` for this node.
    pub ssh: NodeSsh,
}

/// The role of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Runs the Kubernetes control plane and a member of the data store.
    ControlPlane,
    /// Runs workloads only.
    Worker,
}

/// Per-node overrides of `[ssh]`: `ssh = { host = "…", port = 2222 }`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeSsh {
    /// Host name or address to connect to instead of the node's address.
    pub host: Option<String>,
    /// Login name.
    pub user: Option<String>,
    /// TCP port.
    pub port: Option<u16>,
    /// Private key file.
    pub identity: Option<PathBuf>,
    /// Jump host.
    pub jump: Option<String>,
}

/// `[metallb]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metallb {
    /// The address ranges, in the order of the file.
    pub pool: Vec<PoolRange>,
    /// What the router gives away by DHCP, to be compared with the pool.
    pub dhcp_range: Option<PoolRange>,
}

/// One range of the pool, as the user wrote it and as numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolRange {
    /// The user's text: `192.168.1.240-192.168.1.250` or `192.168.1.240/28`; this is what `MetalLB` is given.
    pub text: String,
    /// First address.
    pub first: Ipv4Addr,
    /// Last address, at least `first`.
    pub last: Ipv4Addr,
}

impl Inventory {
    /// The control-plane nodes, in the order of the file.
    pub fn control_planes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.role == Role::ControlPlane)
    }

    /// The workers, in the order of the file.
    pub fn workers(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.role == Role::Worker)
    }

    /// The node of that name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// The failure domain wanted for a node: its own number, or its place in the file counted from one.
    pub fn failure_domain(&self, node: &Node) -> u32 {
        let place = self.nodes.iter().position(|other| other.name == node.name).unwrap_or(0);
        node.failure_domain.unwrap_or_else(|| u32::try_from(place + 1).unwrap_or(u32::MAX))
    }
}

impl PoolRange {
    /// Whether an address lies in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        matches!(address, IpAddr::V4(v4) if self.first <= v4 && v4 <= self.last)
    }
}
