//! A machine that the cluster lists as a member, and that does not know of it: it was installed anew.

use super::finding::{Command, Finding};
use crate::facts::identity::short;
use crate::facts::{Facts, NodeFacts};
use crate::inventory::model::{Inventory, Node};
use crate::steps::guard::Loss;

/// The old member has to be taken out before the machine can join again: the cluster agent refuses who is "already known
/// to dqlite" (canonical/microk8s-cluster-agent `pkg/api/v2/join.go`).
pub(super) fn finding(
    inventory: &Inventory,
    facts: &Facts,
    ca: &str,
    (node, seen): (&Node, &NodeFacts),
    (witness, told): (&Node, &NodeFacts),
) -> Finding {
    let own = short(seen.ca.as_deref().unwrap_or("unknown"));
    let now = if !seen.installed {
        "holds no MicroK8s".to_owned()
    } else if seen.ca.as_deref() == Some(ca) {
        "holds an empty data store of its own".to_owned()
    } else {
        format!("now holds a MicroK8s of its own ({own})")
    };
    let remove = Command::Remove { on: witness.name.clone(), who: node.address.to_string(), force: true };
    Finding {
        node: node.name.clone(),
        reading: format!(
            "{name} was reinstalled: {witness} still lists {address} as a member of the cluster {ca}, but {name} {now}. {way_out}",
            name = node.name,
            witness = witness.name,
            address = node.address,
            ca = short(ca),
            way_out = way_out(inventory, facts, ca, node, (&witness.name, told)),
        ),
        commands: if told.members.is_some() { vec![remove] } else { Vec::new() },
        loss: Loss::Entry,
        refuses: true,
    }
}

/// What to do about a reinstalled member, by what another one tells.
fn way_out(inventory: &Inventory, facts: &Facts, ca: &str, node: &Node, (witness, told): (&str, &NodeFacts)) -> String {
    let gone = inventory
        .control_planes()
        .filter(|other| facts.node(&other.name).is_some_and(|seen| !seen.installed || seen.ca.as_deref() != Some(ca)));
    let (names, addresses): (Vec<&str>, Vec<_>) = gone.map(|other| (other.name.as_str(), other.address)).unzip();
    if told.members.is_none() && told.no_majority_without(&addresses) {
        return format!(
            "Without {names} that cluster has no majority: what it held is lost, unless an old disk comes back. \
             To begin anew, on every node: `snap remove --purge microk8s` and `rm -f /var/lib/homeprov/identity`; here: remove `clusters/{cluster}` in homeprov's state folder. Then run `up` again",
            names = names.join(", "),
            cluster = inventory.cluster.name,
        );
    }
    let first = if told.members.is_some() { String::new() } else { bring_up(inventory, facts, ca) };
    format!(
        "{first}If the machine really is new, take the old member out on {witness}: `microk8s remove-node {} --force`, then run `up` again and it is joined afresh",
        node.address,
    )
}

/// A member is taken out by a majority: which members have to be brought up for that.
fn bring_up(inventory: &Inventory, facts: &Facts, ca: &str) -> String {
    let members = facts.answering(inventory).filter(|(_, seen)| seen.ca.as_deref() == Some(ca) && !seen.worker);
    let stopped: Vec<&str> =
        members.filter(|(_, seen)| seen.locks.contains("stopped.lock")).map(|(node, _)| node.name.as_str()).collect();
    let how = if stopped.is_empty() {
        "wait until its members are up".to_owned()
    } else {
        format!("`microk8s start` on {}", stopped.join(", "))
    };
    format!("The data store does not answer now, which it must first: {how}. ")
}
