//! The member that is to be taken out of the cluster, and what is seen of it.

use std::net::{IpAddr, Ipv4Addr};

use super::{Facts, KubernetesNode, NodeFacts};
use crate::inventory::model::{Inventory, Node};

/// The member that is to be taken out (`homeprov remove`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departing {
    /// Its name in the inventory, or what the user called it.
    pub name: String,
    /// Its address in the cluster; absent for one of which only the name of its Node is known.
    pub address: Option<Ipv4Addr>,
    /// Whether its machine is gone for good (`--dead`): it is not waited for, and taken out by the others.
    pub dead: bool,
}

impl Facts {
    /// Whether a node is to be taken out and its machine is said to be gone.
    pub fn is_dead(&self, name: &str) -> bool {
        self.departing.as_ref().is_some_and(|departing| departing.dead && departing.name == name)
    }

    /// The address of a node: the inventory's, or that of a member none of the inventory's that is to be taken out.
    pub fn address_of(&self, inventory: &Inventory, name: &str) -> Option<Ipv4Addr> {
        let known = inventory.node(name).map(|node| node.address);
        known.or_else(|| self.departing.as_ref()?.address)
    }

    /// The Node object of the departing member, by its name or its address.
    pub fn departing_object(&self) -> Option<(&str, &KubernetesNode)> {
        let departing = self.departing.as_ref()?;
        let nodes = &self.cluster.as_ref()?.nodes;
        let at = |node: &KubernetesNode| {
            departing.address.is_some_and(|address| node.addresses.contains(&IpAddr::V4(address)))
        };
        // A Node of that name at another address is another machine by now.
        let named = nodes.get_key_value(&departing.name);
        let named = named.filter(|(_, node)| departing.address.is_none() || node.addresses.is_empty() || at(node));
        named.or_else(|| nodes.iter().find(|(_, node)| at(node))).map(|(name, node)| (name.as_str(), node))
    }

    /// Whether the data store's other members list the departing one; absent while none tells.
    pub fn departing_listed(&self, inventory: &Inventory) -> Option<bool> {
        let departing = self.departing.as_ref()?;
        let seed = self.seed(inventory).filter(|seed| seed.name != departing.name)?;
        let members = self.node(&seed.name)?.members.as_ref()?;
        Some(members.iter().any(|member| Some(member.address) == departing.address))
    }

    /// The departing machine, while it answers and is a member still, whatever its role is to be.
    pub fn departing_member<'a>(&'a self, inventory: &'a Inventory) -> Option<(&'a Node, &'a NodeFacts)> {
        let departing = self.departing.as_ref()?;
        let node = inventory.node(&departing.name)?;
        let seen = self.node(&departing.name)?;
        let worker = seen.worker && self.carries_authority(seen);
        (self.is_member(node) || worker || (!seen.worker && self.wrong_role(node, seen))).then_some((node, seen))
    }

    /// Whether it is a control plane of the cluster that the inventory calls a worker.
    fn wrong_role(&self, node: &Node, seen: &NodeFacts) -> bool {
        let shared = seen.told_or_stored().len() > 1;
        node.role == crate::inventory::model::Role::Worker && self.carries_authority(seen) && shared
    }
}
