//! Whether the data store can have a majority, told from what its members stored last: also while it does not answer.

use std::net::Ipv4Addr;

use super::{Facts, MemberRole, NodeFacts};
use crate::inventory::model::{Inventory, Node};

impl NodeFacts {
    /// Whether the voters this node stored last are no majority without those at `absent`.
    pub fn no_majority_without(&self, absent: &[Ipv4Addr]) -> bool {
        let voters = self.stored_members.iter().filter(|member| member.role == MemberRole::Voter);
        let (there, away): (Vec<_>, Vec<_>) = voters.partition(|member| !absent.contains(&member.address));
        !away.is_empty() && there.len() <= away.len()
    }
}

impl Facts {
    /// The unreachable nodes without which the data store on a control plane cannot answer, and why: the majority of
    /// its voters is among them, or the member it joins through.
    pub fn data_store_waits_for(&self, inventory: &Inventory, node: &Node) -> Option<(Vec<String>, &'static str)> {
        let seen = self.node(&node.name)?;
        let away: Vec<&Node> =
            inventory.control_planes().filter(|other| self.unreachable(&other.name).is_some()).collect();
        let stored = |other: &&Node| seen.stored_members.iter().any(|member| member.address == other.address);
        let names = |nodes: Vec<&Node>| nodes.into_iter().map(|other| other.name.clone()).collect();
        // It has the cluster's certificates already and has not met a member yet.
        if !away.is_empty() && self.is_member(node) && seen.stored_members.is_empty() {
            return Some((names(away), "it has not finished joining, and cannot without"));
        }
        let away: Vec<&Node> = away.into_iter().filter(stored).collect();
        let addresses: Vec<Ipv4Addr> = away.iter().map(|other| other.address).collect();
        seen.no_majority_without(&addresses).then(|| (names(away), "the data store has no majority without"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Member;

    fn stored(roles: &[MemberRole]) -> NodeFacts {
        let members = (1u8..).zip(roles).map(|(n, role)| Member { id: n.into(), address: address(n), role: *role });
        NodeFacts { stored_members: members.collect(), ..NodeFacts::default() }
    }

    fn address(n: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 0, n)
    }

    #[test]
    fn only_voters_count() {
        use MemberRole::{Spare, Voter};
        let three = stored(&[Voter, Voter, Voter]);
        assert!(!three.no_majority_without(&[address(1)]));
        assert!(three.no_majority_without(&[address(1), address(3)]));
        let two = stored(&[Voter, Spare]);
        assert!(two.no_majority_without(&[address(1)]));
        assert!(!two.no_majority_without(&[address(2)]));
        assert!(!stored(&[]).no_majority_without(&[address(1)]));
    }
}
