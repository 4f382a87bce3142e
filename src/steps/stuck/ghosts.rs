//! Members that are none of the inventory's: the data store counts them when a majority is needed, and volumes wait for their
//! disks.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::proof::Proof;
use super::{Act, Finding, Kind};
use crate::facts::Facts;
use crate::inventory::model::Inventory;
use crate::steps::highly_available::{look, majority};
use crate::steps::repair::{self, Command};
use crate::steps::{Context, Failure};

pub(super) fn find(inventory: &Inventory, facts: &Facts) -> Vec<Finding> {
    let (Some(seed), Some(cluster)) = (facts.seed(inventory), &facts.cluster) else { return Vec::new() };
    let known = |address: Ipv4Addr| inventory.nodes.iter().any(|node| node.address == address);
    let members = facts.node(&seed.name).and_then(|seen| seen.members.as_deref()).unwrap_or_default();
    let listed =
        members.iter().map(|member| member.address).filter(|address| !address.is_loopback() && !known(*address));
    let mut ghosts: BTreeMap<Ipv4Addr, (bool, Option<&str>)> = listed.map(|address| (address, (true, None))).collect();
    for (name, object) in cluster.nodes.iter().filter(|(name, _)| inventory.node(name).is_none()) {
        let address = object.addresses.iter().find_map(|address| match address {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        });
        if let Some(address) = address.filter(|address| !known(*address)) {
            ghosts.entry(address).or_default().1 = Some(name);
        }
    }
    let found = ghosts.into_iter().map(|(address, (listed, object))| {
        let seen = match (listed, object) {
            (true, Some(name)) => format!("the data store lists {address}, and Kubernetes has its Node {name}"),
            (true, None) => format!("the data store lists {address}"),
            (false, _) => format!("Kubernetes has a Node {} at {address}", object.unwrap_or_default()),
        };
        let act = Act::RemoveMember {
            on: seed.name.clone(),
            entry: listed.then_some(address),
            object: object.map(str::to_owned),
        };
        Finding {
            kind: Kind::GhostMember,
            subject: address.to_string(),
            seen: format!("{seen}, which is no node of the inventory"),
            why: "it counts when a majority is needed, and nobody brings it back",
            way_out: format!("homeprov removes it on {}, as `microk8s remove-node` does", seed.name),
            proof: nobody(inventory, facts, address, object, listed),
            act,
        }
    });
    found.collect()
}

/// Whether nobody is at an address, and the others can decide without it.
fn nobody(inventory: &Inventory, facts: &Facts, address: Ipv4Addr, object: Option<&str>, listed: bool) -> Proof {
    let (Some(stuck), Some(cluster)) = (&facts.stuck, &facts.cluster) else {
        return Proof::missing("the cluster does not answer", "Run this again");
    };
    let way = format!(
        "There: `microk8s leave`; or add it to the inventory; or switch it off for good and run this again ({address})"
    );
    if object.and_then(|name| cluster.nodes.get(name)).is_some_and(|object| object.ready) {
        return Proof::missing("its Node is Ready: it is a living member", way);
    }
    if let Some(mac) = stuck.heard.answers(address) {
        return Proof::missing(format!("{mac} answers for {address} on the network"), way);
    }
    let dialled = facts.answering(inventory).any(|(_, seen)| seen.answers.contains(&address));
    let Some(askers) = stuck.heard.silent(address).filter(|_| !dialled) else {
        return Proof::missing(format!("whether anybody is at {address} cannot be told by ARP from the nodes"), way);
    };
    let voters = look(inventory, facts);
    let (answering, needed) = (voters.answering.len(), majority(voters.listed.len()));
    if listed && answering < needed {
        return Proof::missing(
            format!("{answering} of {} voters answer, and {needed} have to decide it", voters.listed.len()),
            "Bring back the other members first",
        );
    }
    Proof::given(format!(
        "nobody answers for {address} (asked by ARP from {}), and the others can decide",
        askers.join(" and ")
    ))
}

/// The entry in the data store by its address, then the Node by its name: `--force` with an address leaves the Node
/// (canonical/microk8s `scripts/wrappers/remove_node.py`).
pub(super) async fn remove(
    context: &Context,
    on: &str,
    entry: Option<Ipv4Addr>,
    object: Option<&str>,
) -> Result<(), Failure> {
    if let Some(address) = entry {
        let command = Command::Remove { on: on.to_owned(), who: address.to_string(), force: true };
        repair::run(context, &command).await?;
    }
    if let Some(name) = object {
        repair::run(context, &Command::Remove { on: on.to_owned(), who: name.to_owned(), force: false }).await?;
    }
    Ok(())
}
