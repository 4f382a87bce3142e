//! Whether the data store can have a majority, told from what its members stored last: also while it does not answer.

use std::net::Ipv4Addr;

use super::{Facts, MemberRole, NodeFacts};
use crate::inventory::model::Inventory;

impl NodeFacts {
    /// Whether the voters this node stored last are no majority without those at `absent`.
    pub fn no_majority_without(&self, absent: &[Ipv4Addr]) -> bool {
        let voters = self.stored_members.iter().filter(|member| member.role == MemberRole::Voter);
        let (there, away): (Vec<_>, Vec<_>) = voters.partition(|member| !absent.contains(&member.address));
        !away.is_empty() && there.len() <= away.len()
    }
}

impl Facts {
    /// The unreachable nodes without which the data store that `seen` belongs to has no majority; empty when it
    /// could have one.
    pub fn majority_waits_for(&self, inventory: &Inventory, seen: &NodeFacts) -> Vec<String> {
        let away = inventory.control_planes().filter(|node| self.unreachable(&node.name).is_some());
        let away: Vec<_> =
            away.filter(|node| seen.stored_members.iter().any(|member| member.address == node.address)).collect();
        let addresses: Vec<Ipv4Addr> = away.iter().map(|node| node.address).collect();
        if seen.no_majority_without(&addresses) {
            away.into_iter().map(|node| node.name.clone()).collect()
        } else {
            Vec::new()
        }
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
