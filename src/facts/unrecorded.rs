//! A cluster that was made by hand: nobody recorded it, and the inventory describes it.
//!
//! It is looked at as the cluster that is meant, so that a plan shows what differs. Nothing on it is changed before the user
//! agreed to have it taken over, which is what recording its identity is.

use super::{Facts, Identity, NodeFacts};
use crate::inventory::model::{Inventory, Node, Role};

impl Facts {
    /// The certificate authority of such a cluster: one control plane of the inventory is a member of a data store with
    /// others, or has workers, and every member it tells is a control plane of the inventory. None as soon as anything is
    /// recorded anywhere, and none where two clusters are described.
    pub fn find_unrecorded(&self, inventory: &Inventory) -> Option<String> {
        let recorded = self.recorded_here.is_some()
            || self.nodes.keys().any(|name| self.node(name).is_some_and(|seen| seen.identity.is_some()));
        if recorded {
            return None;
        }
        let mut found: Vec<&str> = inventory
            .control_planes()
            .filter_map(|node| Some((node, self.node(&node.name)?)))
            .filter(|(node, seen)| self.described(inventory, node, seen))
            .filter_map(|(_, seen)| seen.ca.as_deref())
            .collect();
        found.dedup();
        match found.as_slice() {
            [only] => Some((*only).to_owned()),
            _ => None,
        }
    }

    /// Whether a node is a healthy member of a cluster with others, all of which the inventory has.
    fn described(&self, inventory: &Inventory, node: &Node, seen: &NodeFacts) -> bool {
        let members = seen.members.as_deref().unwrap_or_default();
        let own = |other: &Node| {
            other.name != node.name && self.node(&other.name).is_some_and(|other| other.ca == seen.ca && other.worker)
        };
        let with_others = members.len() > 1 || inventory.nodes.iter().any(own);
        let known = |address| {
            let named = inventory.nodes.iter().find(|other| other.address == address);
            named.is_some_and(|other| other.role == Role::ControlPlane)
        };
        let lone = members.len() == 1;
        seen.healthy_member() && with_others && (lone || members.iter().all(|member| known(member.address)))
    }

    /// The names of the nodes that carry its authority, in inventory order; none where there is no such cluster.
    pub fn unrecorded_nodes<'a>(&'a self, inventory: &'a Inventory) -> Vec<&'a str> {
        let Some(ca) = &self.unrecorded else { return Vec::new() };
        let nodes = self.answering(inventory).filter(|(_, seen)| seen.ca.as_ref() == Some(ca));
        nodes.map(|(node, _)| node.name.as_str()).collect()
    }

    /// Whether the cluster that is meant is one that nobody recorded.
    pub fn is_unrecorded(&self) -> bool {
        self.unrecorded.is_some()
            && matches!(self.identity(), Identity::Known(ca) if Some(&ca) == self.unrecorded.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{cluster, inventory, node};
    use super::*;

    /// Three control planes that nobody recorded.
    fn by_hand(dead: &[u8]) -> Facts {
        Facts { recorded_here: None, ..cluster(3, dead) }
    }

    #[test]
    fn a_cluster_that_the_inventory_describes_is_the_one_that_is_meant() {
        let mut facts = by_hand(&[]);
        assert_eq!(facts.identity(), Identity::None);
        facts.unrecorded = facts.find_unrecorded(&inventory(3));
        assert_eq!(facts.identity(), Identity::Known("a".repeat(64)));
        assert_eq!(facts.unrecorded_nodes(&inventory(3)), ["nuc1", "nuc2", "nuc3"]);
        assert!(facts.is_unrecorded());
        // One that does not answer changes nothing: the others list it.
        assert!(by_hand(&[2]).find_unrecorded(&inventory(3)).is_some());
    }

    #[test]
    fn what_is_recorded_counts_alone() {
        let mut facts = by_hand(&[]);
        facts.unrecorded = Some("b".repeat(64));
        node(&mut facts, "nuc2").identity = cluster(1, &[]).recorded_here;
        assert_eq!(facts.find_unrecorded(&inventory(3)), None);
        assert_eq!(facts.identity(), Identity::Known("a".repeat(64)));
        assert!(!facts.is_unrecorded());
    }

    #[test]
    fn members_that_the_inventory_does_not_have_are_somebody_elses() {
        assert_eq!(by_hand(&[]).find_unrecorded(&inventory(2)), None);
        let mut worker = inventory(3);
        worker.nodes[2].role = Role::Worker;
        assert_eq!(by_hand(&[]).find_unrecorded(&worker), None);
    }

    #[test]
    fn two_clusters_are_not_one() {
        let mut facts = by_hand(&[]);
        node(&mut facts, "nuc3").ca = Some("b".repeat(64));
        assert_eq!(facts.find_unrecorded(&inventory(3)), None);
    }

    #[test]
    fn a_machine_alone_is_every_fresh_one() {
        let facts = Facts { recorded_here: None, ..cluster(1, &[]) };
        assert_eq!(facts.find_unrecorded(&inventory(1)), None);
    }
}
