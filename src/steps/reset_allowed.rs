//! No machine is purged that is a member of another cluster: it may have been moved there, and still stand in this inventory.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::cluster_identity::others;
use super::{Context, Failure, RustStep};
use crate::facts::identity::short;
use crate::facts::{Facts, Identity, NodeFacts};
use crate::inventory::model::{Inventory, Node};
use crate::plan::{Place, Verdict};

/// Every machine that is in a cluster with others is in the recorded one. A machine alone may be purged, and so may a cluster
/// that nobody recorded: the name that is typed is the word for it.
pub struct ResetAllowed;

#[async_trait]
impl RustStep for ResetAllowed {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        let strange: Vec<String> =
            inventory.nodes.iter().filter_map(|node| stranger(inventory, facts, &node.name)).collect();
        if strange.is_empty() { Verdict::Holds } else { Verdict::blocked(strange.join("\n")) }
    }

    async fn apply(&self, _: &Context) -> Result<(), Failure> {
        Ok(())
    }
}

/// Which cluster is to be taken down.
enum Meant {
    /// Nobody recorded one.
    Any,
    /// The one with this certificate authority.
    Recorded(String),
    /// The records are of several, and nothing says which one is meant.
    Unclear,
}

/// Where records differ, what this machine wrote down decides, and then what nodes wrote down under the inventory's name.
fn meant(inventory: &Inventory, facts: &Facts) -> Meant {
    match (facts.identity(), &facts.recorded_here) {
        (Identity::None, _) => Meant::Any,
        (Identity::Known(ca), _) => Meant::Recorded(ca),
        (Identity::Conflict(_), Some(here)) => Meant::Recorded(here.ca.clone()),
        (Identity::Conflict(_), None) => {
            let records = facts.answering(inventory).filter_map(|(_, seen)| seen.identity.as_ref());
            let named: BTreeSet<&String> =
                records.filter(|record| record.cluster == inventory.cluster.name).map(|record| &record.ca).collect();
            match named.first() {
                Some(only) if named.len() == 1 => Meant::Recorded((*only).clone()),
                _ => Meant::Unclear,
            }
        }
    }
}

/// Why a machine is not this cluster's to be purged, if so: what it says, and what is recorded.
pub fn stranger(inventory: &Inventory, facts: &Facts, name: &str) -> Option<String> {
    let node = inventory.node(name)?;
    let seen = facts.node(name).filter(|seen| seen.installed)?;
    let company = company(seen)?;
    let own = seen.ca.as_deref().unwrap_or("unknown");
    let foreign = match meant(inventory, facts) {
        Meant::Any => false,
        Meant::Recorded(ca) if ca == own => {
            split_off(inventory, facts, node, seen) || named_otherwise(inventory, facts, node, seen)
        }
        Meant::Unclear | Meant::Recorded(_) => true,
    };
    foreign.then(|| {
        format!(
            "{name} belongs to another cluster: it says that it is in one with {company} (certificate authority {}); {}. Purged, it would be \
             gone from there without having left. Take {name} out of this inventory; or run `microk8s leave` on {name} first, or reset it \
             with the inventory of its own cluster. Where the record is what is wrong, remove it: /var/lib/homeprov/identity on a node, \
             `clusters/{}/identity` in homeprov's state folder here",
            short(own),
            recorded(inventory, facts),
            inventory.cluster.name,
        )
    })
}

/// Whom a machine is in a cluster with; none where it is alone and always was, as a fresh one is.
fn company(seen: &NodeFacts) -> Option<String> {
    let joined_to =
        || seen.was_joined().then(|| "whoever joined it once: its data store is at an address for others".to_owned());
    others(seen).or_else(joined_to)
}

/// Whether a machine with the recorded authority has a data store with strangers that the others know nothing of: `leave`
/// keeps the authority, and a new cluster can be made under it.
fn split_off(inventory: &Inventory, facts: &Facts, node: &Node, seen: &NodeFacts) -> bool {
    facts.listed_by_seed(inventory, node) == Some(false) && !named_members(inventory, node, seen, false).is_empty()
}

/// Whether a machine's own record, the only one there is, names another cluster, and nothing ties that one to this inventory: no
/// other machine of it is seen or told of.
fn named_otherwise(inventory: &Inventory, facts: &Facts, node: &Node, seen: &NodeFacts) -> bool {
    let other_name = seen.identity.as_ref().is_some_and(|record| record.cluster != inventory.cluster.name);
    let akin = |(other, theirs): (&Node, &NodeFacts)| other.name != node.name && theirs.ca == seen.ca;
    facts.recorded_here.is_none()
        && other_name
        && !facts.answering(inventory).any(akin)
        && named_members(inventory, node, seen, true).is_empty()
}

/// The other members a machine tells, those that the inventory names or those that it does not.
fn named_members(inventory: &Inventory, node: &Node, seen: &NodeFacts, named: bool) -> Vec<String> {
    let members = seen.told_or_stored().iter().map(|member| member.address);
    let others = members.filter(|address| !address.is_loopback() && *address != node.address);
    let known = |address| inventory.nodes.iter().any(|other| other.address == address);
    others.filter(|address| known(*address) == named).map(|address| address.to_string()).collect()
}

/// What is recorded, and by whom.
fn recorded(inventory: &Inventory, facts: &Facts) -> String {
    let here = facts.recorded_here.iter().map(|record| format!("{} on this machine", short(&record.ca)));
    let nodes = facts.answering(inventory).filter_map(|(node, seen)| {
        let record = seen.identity.as_ref()?;
        Some(format!("{} ({}) on {}", short(&record.ca), record.cluster, node.name))
    });
    let all: Vec<String> = here.chain(nodes).collect();
    match &facts.unrecorded {
        Some(ca) if all.is_empty() => {
            format!("{} are in {}, and nothing is recorded", facts.unrecorded_nodes(inventory).join(", "), short(ca))
        }
        _ => format!("recorded is {}", all.join(", ")),
    }
}

/// What is in no inventory and stays behind without the machines that are purged, a line each: of a cluster that nobody recorded,
/// whoever types the name may not know.
pub fn left_behind(inventory: &Inventory, facts: &Facts) -> Vec<String> {
    let installed = facts.answering(inventory).filter(|(_, seen)| seen.installed);
    let lines = installed.filter_map(|(node, seen)| {
        let name = &node.name;
        if seen.worker {
            let control_plane = |(_, other): (&Node, &NodeFacts)| !other.worker && other.ca == seen.ca;
            return (!facts.answering(inventory).any(control_plane)).then(|| {
                format!("{name} is a worker of a control plane that is not in the inventory or does not answer")
            });
        }
        let strangers = named_members(inventory, node, seen, false);
        (!strangers.is_empty()).then(|| {
            format!(
                "{name} is in a cluster with {}, not in the inventory: it is left without {name}",
                strangers.join(", ")
            )
        })
    });
    lines.collect()
}

#[cfg(test)]
mod tests;
