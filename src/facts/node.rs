//! What was observed on one node.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use secrecy::SecretString;
use serde::Serialize;

use super::identity::IdentityRecord;

/// The facts of one node. A field that could not be observed is absent or empty, never guessed.
// Each switch is an observation of its own: there is no state behind them to be named.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Clone, Default)]
pub struct NodeFacts {
    /// `ID` of `/etc/os-release`: `ubuntu`, `debian`.
    pub os_id: String,
    /// `PRETTY_NAME` of `/etc/os-release`.
    pub os_name: String,
    /// `uname -m`.
    pub architecture: String,
    /// Processors online.
    pub cpus: u32,
    /// Memory in KiB.
    pub memory_kib: u64,
    /// Free KiB by mount point, of the file systems that hold `/`, `/var`, `/var/snap`, `/var/lib` and the volumes.
    pub free_kib: BTreeMap<String, u64>,
    /// Free inodes by mount point, where the file system counts them.
    pub free_inodes: BTreeMap<String, u64>,
    /// How much of each is used, in percent as `df` tells.
    pub used_percent: BTreeMap<String, u8>,
    /// IPv4 addresses by interface.
    pub addresses: Vec<(String, Ipv4Addr)>,
    /// Host name as the kernel has it.
    pub host_name: String,
    /// `/etc/machine-id`
    pub machine_id: String,
    /// The kernel's boot id: another one after every boot.
    pub boot_id: String,
    /// The login's name.
    pub login: String,
    /// The node's clock minus the controller's.
    pub clock_offset: Option<jiff::SignedDuration>,
    /// Whether cloud-init is there.
    pub cloud_init: bool,
    /// snapd's version; absent where snapd is not installed.
    pub snapd: Option<String>,
    /// `MicroK8s` as snapd lists it; absent where it is not installed, or where snapd gave no answer in time.
    pub snap: Option<Snap>,
    /// What snapd is doing about it now, in its words; looked for while refreshes of it are not held.
    pub snap_change: Option<String>,
    /// Whether `/snap/microk8s/current` is there, whatever snapd said.
    pub installed: bool,
    /// Until when refreshes of all snaps are held (`refresh.hold`), where snapd cannot hold one snap.
    pub refresh_hold: Option<String>,
    /// File names in `/var/snap/microk8s/current/var/lock`.
    pub locks: BTreeSet<String>,
    /// Whether it is a worker (`clustered.lock`).
    pub worker: bool,
    /// The data store's members as this node's dqlite tells them; absent when it did not answer.
    pub members: Option<Vec<Member>>,
    /// The addresses in the node's own copy of the member list, which may lag.
    pub stored_members: Vec<Member>,
    /// The node's own entry (`info.yaml`).
    pub info: Option<Member>,
    /// Control-plane addresses whose data store port (19001) this node could connect to.
    pub answers: BTreeSet<Ipv4Addr>,
    /// Whether the API server's port (16443) accepts connections.
    pub api_answers: bool,
    /// Whether the cluster agent's port (25000) accepts connections.
    pub agent_answers: bool,
    /// The snap's services by name without the prefix, with their state: `kubelite` → `active`.
    pub services: BTreeMap<String, String>,
    /// `failure-domain` of `args/ha-conf`: what the next start takes.
    pub failure_domain_configured: Option<u32>,
    /// The failure domain the data store was started with.
    pub failure_domain: Option<u32>,
    /// SHA-256 of the cluster's certificate authority, hex.
    pub ca: Option<String>,
    /// Whether another certificate authority was there before: the node has joined a cluster, or begun to.
    pub ca_replaced: bool,
    /// The identity homeprov recorded on this node.
    pub identity: Option<IdentityRecord>,
    /// The node's admin kubeconfig; absent on workers.
    pub kubeconfig: Option<SecretString>,
    /// The kubelet's root directory, without a slash at its end.
    pub kubelet_root: Option<String>,
    /// The iSCSI initiator's name; absent where there is none.
    pub initiator: Option<String>,
    /// Whether NFS shares can be mounted.
    pub nfs_client: bool,
}

/// A snap as `snap list` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snap {
    /// `v1.35.0`
    pub version: String,
    /// A number, or `x1` for a local one.
    pub revision: String,
    /// `1.35/stable`
    pub tracking: String,
    /// `classic`, `held`, `disabled`, …
    pub notes: Vec<String>,
}

impl Snap {
    /// Whether refreshes of this snap are held.
    pub fn held(&self) -> bool {
        self.notes.iter().any(|note| note == "held")
    }

    /// `1.35` of `v1.35.0`.
    pub fn minor(&self) -> Option<&str> {
        let version = self.version.strip_prefix('v')?;
        let end = version.match_indices('.').nth(1).map_or(version.len(), |(at, _)| at);
        Some(&version[..end])
    }
}

/// A member of the data store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// dqlite's id of it.
    pub id: u64,
    /// Its address; `127.0.0.1` on a node that was never joined to.
    pub address: Ipv4Addr,
    /// Its role.
    pub role: MemberRole,
}

/// The roles of dqlite (canonical/go-dqlite, `client/protocol.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberRole {
    /// Stores data and votes.
    Voter,
    /// Stores data.
    StandBy,
    /// Neither.
    Spare,
}

impl NodeFacts {
    /// Whether the control plane here is up: its services run, its ports answer, its data store tells its members.
    pub fn control_plane_up(&self) -> bool {
        self.installed
            && !self.worker
            && self.api_answers
            && self.agent_answers
            && self.kubeconfig.is_some()
            && self.members.as_ref().is_some_and(|members| !members.is_empty())
    }

    /// Whether it is a cluster of its own: the state of every fresh `MicroK8s`.
    pub fn alone(&self) -> bool {
        !self.worker && self.members.as_ref().map_or(self.stored_members.len() <= 1, |members| members.len() == 1)
    }

    /// Whether its control plane is up and its own entry agrees with the member list.
    pub fn healthy_member(&self) -> bool {
        self.control_plane_up()
            && match (&self.info, &self.members) {
                (Some(info), Some(members)) => members.iter().any(|member| member.address == info.address),
                _ => false,
            }
    }

    /// The mount point of the file system that holds a directory, which need not be there yet.
    pub fn mount_of(&self, directory: &str) -> Option<&str> {
        let holds = |mount: &str| {
            let mount = mount.trim_end_matches('/');
            directory.strip_prefix(mount).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mounts = self.free_kib.keys().map(String::as_str).filter(|mount| holds(mount));
        mounts.max_by_key(|mount| mount.len())
    }

    /// Free KiB on the file system that holds a directory.
    pub fn free_kib_for(&self, directory: &str) -> Option<u64> {
        self.free_kib.get(self.mount_of(directory)?).copied()
    }

    /// Whether a service of the snap runs.
    pub fn active(&self, service: &str) -> bool {
        self.services.get(service).is_some_and(|state| state == "active")
    }

    /// The interface that carries an address.
    pub fn interface_of(&self, address: Ipv4Addr) -> Option<&str> {
        self.addresses.iter().find(|(_, own)| *own == address).map(|(interface, _)| interface.as_str())
    }
}
