//! Whose data store a control plane's is.
//!
//! The certificate authority does not say it alone: a join brings it before the data store follows
//! (canonical/microk8s `scripts/wrappers/join.py`: `store_cert` comes first, `update_dqlite` ten seconds later), and who
//! leaves keeps it (`scripts/wrappers/leave.py`: `reinit_cluster` makes a new data store, not a new authority).

use std::net::Ipv4Addr;

use super::{Facts, Identity, Member, MemberRole, NodeFacts};
use crate::inventory::model::{Inventory, Node};

impl NodeFacts {
    /// The members of its data store: as that tells them, or as it last stored them.
    pub fn told_or_stored(&self) -> &[Member] {
        self.members.as_deref().unwrap_or(&self.stored_members)
    }

    /// Whether its data store has never had another member, which every fresh one's address says: 127.0.0.1.
    fn never_joined(&self) -> bool {
        let members = self.told_or_stored();
        !self.worker && !members.is_empty() && members.iter().all(|member| member.address.is_loopback())
    }

    /// Whether its data store is, or was, shared: it is at an address that others reach.
    pub fn was_joined(&self) -> bool {
        !self.worker && self.told_or_stored().iter().any(|member| !member.address.is_loopback())
    }

    /// Whether a join was cut off after the cluster's certificates had come and before its data store.
    pub fn cut_off(&self) -> bool {
        self.never_joined() && self.ca_replaced && self.locks.contains("join-in-progress")
    }

    /// Whether the members it tells include itself.
    fn tells_itself(&self) -> bool {
        let own = self.info.as_ref().map(|info| info.address);
        self.members.as_ref().is_some_and(|members| members.iter().any(|member| Some(member.address) == own))
    }
}

impl Facts {
    /// Whether a node carries the recorded certificate authority.
    pub fn carries_authority(&self, seen: &NodeFacts) -> bool {
        matches!(self.identity(), Identity::Known(ca) if seen.ca.as_deref() == Some(ca.as_str()))
    }

    /// Whether a node carries the cluster's authority, but its data store is its own and not the cluster's: its join was
    /// cut off, or it has left.
    pub fn own_store(&self, seen: &NodeFacts) -> bool {
        // Most members have been joined to: that is quickly said.
        if !seen.never_joined() || !self.carries_authority(seen) {
            return false;
        }
        let mut nodes = self.nodes.keys().filter_map(|name| self.node(name));
        seen.cut_off() || nodes.any(|other| other.ca == seen.ca && other.was_joined())
    }

    /// Whether a node was a member and the seed, whose data store answers, lists it no more: it was removed from elsewhere.
    /// It says so itself, or has been waited for in vain.
    pub fn removed(&self, inventory: &Inventory, node: &Node) -> bool {
        let Some(seen) = self.node(&node.name).filter(|seen| self.is_member(node) && !seen.worker) else {
            return false;
        };
        let Some(listed) = self.listed_by_seed(inventory, node) else { return false };
        let gone = seen.members.is_some() && !seen.tells_itself();
        !listed && !seen.never_joined() && (gone || self.overdue.contains(&node.name))
    }

    /// Whether the seed's data store lists a node; absent when there is no other member to tell.
    pub fn listed_by_seed(&self, inventory: &Inventory, node: &Node) -> Option<bool> {
        let seed = self.seed(inventory).filter(|seed| seed.name != node.name)?;
        let members = self.node(&seed.name)?.members.as_ref()?;
        Some(members.iter().any(|member| member.address == node.address))
    }

    /// Two data stores under one authority that do not know each other, each with who it belongs to and what it lists.
    pub fn divided(&self, inventory: &Inventory) -> Option<[(String, Vec<Ipv4Addr>); 2]> {
        let tells = |node: &&Node| self.is_member(node) && self.node(&node.name).is_some_and(NodeFacts::healthy_member);
        let tellers: Vec<&Node> = inventory.control_planes().filter(tells).collect();
        let list = |node: &Node| -> Vec<Ipv4Addr> {
            let members = self.node(&node.name).and_then(|seen| seen.members.clone()).unwrap_or_default();
            members.iter().map(|member| member.address).collect()
        };
        let shown = |node: &Node| (node.name.clone(), list(node));
        let pairs = tellers.iter().enumerate().flat_map(|(n, one)| tellers[n + 1..].iter().map(move |two| (one, two)));
        let mut strangers =
            pairs.filter(|(one, two)| !list(one).contains(&two.address) && !list(two).contains(&one.address));
        strangers.next().map(|(one, two)| [shown(one), shown(two)])
    }

    /// Why a node that the seed does not list cannot be told to be the one that is to give way: it lists itself, or a
    /// majority of the voters it knows is not the seed's, and could hold a newer data store than the seed.
    pub fn rival(&self, inventory: &Inventory, node: &Node) -> Option<String> {
        let seen = self.node(&node.name).filter(|seen| self.is_member(node) && !seen.never_joined())?;
        let seed = self.seed(inventory).filter(|seed| seed.name != node.name)?;
        let told = self.node(&seed.name)?.members.as_ref()?;
        let list = |members: &[Member]| {
            let addresses: Vec<String> = members.iter().map(|member| member.address.to_string()).collect();
            addresses.join(", ")
        };
        let voters: Vec<&Member> =
            seen.told_or_stored().iter().filter(|member| member.role == MemberRole::Voter).collect();
        let others = voters.iter().filter(|voter| !told.iter().any(|member| member.address == voter.address)).count();
        if told.iter().any(|member| member.address == node.address)
            || (!seen.tells_itself() && others * 2 <= voters.len())
        {
            return None;
        }
        Some(format!(
            "{seed} lists {seeds} as the data store's members, {name} lists {own}. Either {name} was taken out of the cluster, or {seed} was split off from it; \
             joining {name} again would delete what its data store holds. \
             Look which one holds what you miss (`microk8s kubectl get namespaces` on both) while all machines are on; on the other one: `snap remove --purge microk8s`",
            seed = seed.name,
            seeds = list(told),
            name = node.name,
            own = list(seen.told_or_stored()),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{address, cluster, inventory, node};
    use super::*;

    fn lists(facts: &mut Facts, name: &str, members: &[(Ipv4Addr, MemberRole)]) {
        let list = |(n, (address, role)): (usize, &(Ipv4Addr, MemberRole))| Member {
            id: n as u64,
            address: *address,
            role: *role,
        };
        let members: Vec<Member> = members.iter().enumerate().map(list).collect();
        let seen = node(facts, name);
        seen.stored_members.clone_from(&members);
        seen.members = Some(members);
    }

    /// A data store that has never had another member.
    fn lone(facts: &mut Facts, name: &str) {
        lists(facts, name, &[(Ipv4Addr::LOCALHOST, MemberRole::Voter)]);
        let own = node(facts, name).members.as_ref().map(|members| members[0].clone());
        node(facts, name).info = own;
    }

    fn seed(facts: &Facts) -> Option<String> {
        facts.seed(&inventory(3)).map(|node| node.name.clone())
    }

    #[test]
    fn who_left_is_no_seed_while_the_others_have_the_cluster() {
        let mut facts = cluster(3, &[]);
        lone(&mut facts, "nuc1");
        assert_eq!(seed(&facts).as_deref(), Some("nuc2"));
        assert!(!facts.is_member(&inventory(3).nodes[0]));
        assert_eq!(facts.divided(&inventory(3)), None);
    }

    #[test]
    fn a_lone_first_node_is_the_seed_unless_its_join_was_cut_off() {
        let mut facts = cluster(1, &[]);
        lone(&mut facts, "nuc1");
        assert_eq!(seed(&facts).as_deref(), Some("nuc1"));
        // Somebody's attempt to join it elsewhere was refused.
        node(&mut facts, "nuc1").locks.insert("join-in-progress".into());
        assert_eq!(seed(&facts).as_deref(), Some("nuc1"));
        node(&mut facts, "nuc1").ca_replaced = true;
        assert_eq!(seed(&facts), None);
    }

    #[test]
    fn two_lone_data_stores_of_one_authority_are_divided() {
        let mut facts = cluster(3, &[3]);
        lone(&mut facts, "nuc1");
        lone(&mut facts, "nuc2");
        let [(one, ones), (two, _)] = facts.divided(&inventory(3)).expect("they do not know each other");
        assert_eq!((one.as_str(), ones, two.as_str()), ("nuc1", vec![Ipv4Addr::LOCALHOST], "nuc2"));
    }

    #[test]
    fn who_was_removed_gives_way() {
        use MemberRole::{Spare, Voter};
        let mut facts = cluster(3, &[]);
        let nuc3 = &inventory(3).nodes[2];
        assert!(!facts.removed(&inventory(3), nuc3));
        for name in ["nuc1", "nuc2", "nuc3"] {
            lists(&mut facts, name, &[(address(1), Voter), (address(2), Spare)]);
        }
        assert!(facts.removed(&inventory(3), nuc3));
        assert_eq!(facts.rival(&inventory(3), nuc3), None);
        // It has no data store to ask: that can pass, and does not once it was waited for.
        let seen = node(&mut facts, "nuc3");
        seen.stored_members = [1, 2, 3].map(|n| Member { id: n.into(), address: address(n), role: Voter }).into();
        seen.members = None;
        assert!(!facts.removed(&inventory(3), nuc3));
        facts.overdue.insert("nuc3".into());
        assert!(facts.removed(&inventory(3), nuc3));
        assert_eq!(facts.rival(&inventory(3), nuc3), None);
    }

    /// The first node was made a cluster of its own by hand (`.reconfigure`), and the other two may hold a newer one.
    #[test]
    fn a_majority_elsewhere_is_a_rival() {
        let mut facts = cluster(3, &[2]);
        lists(&mut facts, "nuc1", &[(address(1), MemberRole::Voter)]);
        let nuc3 = &inventory(3).nodes[2];
        let readings = facts.rival(&inventory(3), nuc3).expect("nuc2 and nuc3 are two of three");
        for words in ["Either nuc3 was taken out", "or nuc1 was split off", "192.168.1.1", "192.168.1.3"] {
            assert!(readings.contains(words), "{words}: {readings}");
        }
        let seen = node(&mut facts, "nuc3");
        seen.stored_members = seen.members.take().unwrap_or_default();
        assert!(facts.rival(&inventory(3), nuc3).is_some(), "also while its data store does not answer");
    }
}
