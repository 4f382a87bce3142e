//! How many more nodes may fail before the data store has no majority: without it no API server answers for long.
//!
//! A dead voter keeps its vote until three others vote (canonical/go-dqlite `app/roles.go`), so failures are counted from the
//! voters that are listed, not from those that live.

use std::net::Ipv4Addr;

use crate::facts::{Facts, MemberRole};
use crate::inventory::model::Inventory;
use crate::status::margin::{NodeMargin, Subject};
use crate::steps::highly_available::{look, majority};

pub(super) fn margin(inventory: &Inventory, facts: &Facts) -> NodeMargin {
    let Some(seed) = facts.seed(inventory) else {
        return NodeMargin::stopped(Subject::Api, "no control plane of this cluster answers");
    };
    let mut voters = look(inventory, facts);
    // That the seed tells its members is the answer of its own voter.
    voters.answering.extend(voters.listed.get(&seed.address).copied());
    let (listed, answering) = (voters.listed.len(), voters.answering.len());
    let needed = majority(listed);
    let called = |address: &Ipv4Addr| {
        let node = inventory.nodes.iter().find(|node| node.address == *address);
        match node {
            Some(node) => node.name.clone(),
            None if address.is_loopback() => seed.name.clone(),
            None => address.to_string(),
        }
    };
    let silent: Vec<String> = voters.listed.difference(&voters.answering).map(called).collect();
    let silent = if silent.is_empty() { String::new() } else { format!(" ({} not)", silent.join(", ")) };
    if answering < needed {
        let limit = format!("{answering} of {listed} voters answer{silent}, and {needed} must");
        return NodeMargin::stopped(Subject::Api, limit);
    }
    let spare = answering - needed;
    if let (Some(only), 1) = (voters.listed.first(), listed) {
        let name = called(only);
        let limit = match inventory.control_planes().count() {
            1 => format!("{name} is the only control plane"),
            _ => format!("{name} alone votes: it takes three control planes for the loss of one to be survived"),
        };
        return NodeMargin::of(Subject::Api, spare, limit);
    }
    // The leader gives a lost voter's place to a stand-by every 30 s (canonical/go-dqlite `app/app.go`).
    let members = facts.node(&seed.name).and_then(|seen| seen.members.as_deref()).unwrap_or_default();
    let stand_by = members.iter().filter(|member| member.role == MemberRole::StandBy);
    let stand_by = if stand_by.count() > 0 { "; a stand-by takes a lost voter's place within a minute" } else { "" };
    let limit = format!("{answering} of {listed} voters answer{silent}, and {needed} must{stand_by}");
    NodeMargin::of(Subject::Api, spare, limit)
}
