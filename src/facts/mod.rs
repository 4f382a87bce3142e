//! What was observed: [`NodeFacts`] from one exec on each node, [`ClusterFacts`] from the API.

pub mod balanced;
pub mod cluster;
pub mod departing;
pub mod drill;
#[cfg(test)]
pub mod fixture;
pub mod flux;
pub mod gather;
pub mod here;
pub mod identity;
pub mod look_stuck;
mod majority;
pub mod mastodon;
mod membership;
pub mod mending;
pub mod node;
pub mod observe;
pub mod parse;
pub mod pods;
pub mod probe;
pub mod record;
pub mod repository;
pub mod restore;
pub mod storage;
pub mod stuck;
mod unrecorded;
pub mod when;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use cluster::{ClusterFacts, KubernetesNode, MetallbFacts};
pub use departing::Departing;
pub use identity::{Identity, IdentityRecord};
pub use mastodon::MastodonFacts;
pub use mending::Mending;
pub use node::{Member, MemberRole, NodeFacts, Snap};
pub use record::Record;
pub use repository::RepositoryFacts;
pub use storage::StorageFacts;
pub use stuck::StuckFacts;

use crate::inventory::model::{Inventory, Node, Role};
use crate::ssh::SectionAnswer;

/// One observation of everything.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// By node name; every node of the inventory has an entry.
    pub nodes: BTreeMap<String, Observation>,
    /// What the cluster's API says; absent while no control plane of this cluster answers.
    pub cluster: Option<ClusterFacts>,
    /// Why [`Facts::cluster`] is absent, when it was asked for and did not answer.
    pub cluster_problem: Option<String>,
    /// The user's Git repository; read where the inventory has one.
    pub repository: Option<RepositoryFacts>,
    /// The cluster identity recorded on this machine.
    pub recorded_here: Option<IdentityRecord>,
    /// The certificate authority of a cluster that was made by hand: the inventory describes it, and nobody recorded it.
    pub unrecorded: Option<String>,
    /// User namespaces of nodes that are a cluster of their own and wait to be joined, and of the first control plane while
    /// nothing is recorded.
    pub lone_namespaces: BTreeMap<String, Vec<String>>,
    /// The backup that is to be put back, in a restore.
    pub restore: Option<Arc<restore::Restore>>,
    /// Whether the user wants members repaired (`--repair`).
    pub repair: bool,
    /// The member the user wants taken out of the cluster.
    pub departing: Option<Departing>,
    /// The repair the user wants (`homeprov repair`).
    pub mending: Option<Mending>,
    /// What is stuck; read where a repair is wanted and the API answers.
    pub stuck: Option<StuckFacts>,
    /// The nodes that were waited for in vain in this run.
    pub overdue: BTreeSet<String>,
    /// When this was observed, by the controller's clock.
    pub observed_at: jiff::Timestamp,
}

/// What came of looking at one node.
#[derive(Debug, Clone)]
pub enum Observation {
    /// It answered.
    Seen(Box<Seen>),
    /// It could not be reached.
    Unreachable {
        /// Why, with the remedy.
        reason: String,
        /// Whether that may be over by itself; a host key that has changed stays so.
        passes: bool,
    },
}

/// The answer of one node.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The fact probe's answer.
    pub facts: NodeFacts,
    /// The answers of the recipe's checks, by step id.
    pub checks: BTreeMap<String, SectionAnswer>,
}

impl Facts {
    /// The facts of a node that answered.
    pub fn node(&self, name: &str) -> Option<&NodeFacts> {
        self.seen(name).map(|seen| &seen.facts)
    }

    /// The whole answer of a node that answered.
    pub fn seen(&self, name: &str) -> Option<&Seen> {
        match self.nodes.get(name) {
            Some(Observation::Seen(seen)) => Some(seen),
            _ => None,
        }
    }

    /// Why a node could not be reached, when it could not.
    pub fn unreachable(&self, name: &str) -> Option<&str> {
        match self.nodes.get(name) {
            Some(Observation::Unreachable { reason, .. }) => Some(reason),
            _ => None,
        }
    }

    /// The nodes that answered, with their facts, in inventory order.
    pub fn answering<'a>(&'a self, inventory: &'a Inventory) -> impl Iterator<Item = (&'a Node, &'a NodeFacts)> {
        inventory.nodes.iter().filter_map(|node| Some((node, self.node(&node.name)?)))
    }

    /// The seed: the first control-plane node in inventory order that is a healthy member of the recorded
    /// identity. Before an identity is recorded it is the first control-plane node, once its `MicroK8s` is up.
    pub fn seed<'a>(&self, inventory: &'a Inventory) -> Option<&'a Node> {
        match self.identity() {
            Identity::Known(_) => inventory
                .control_planes()
                .find(|node| self.is_member(node) && self.node(&node.name).is_some_and(NodeFacts::healthy_member)),
            Identity::None => inventory
                .control_planes()
                .next()
                .filter(|node| self.node(&node.name).is_some_and(NodeFacts::healthy_member)),
            Identity::Conflict(_) => None,
        }
    }

    /// Whether a node is a member of the recorded cluster, or on its way to be one: it carries its certificate authority,
    /// has the inventory's role, and no data store of its own.
    pub fn is_member(&self, node: &Node) -> bool {
        let Some(facts) = self.node(&node.name) else { return false };
        self.carries_authority(facts)
            && !self.own_store(facts)
            && match node.role {
                Role::ControlPlane => !facts.worker,
                Role::Worker => facts.worker,
            }
    }
}
