//! The nodes belong to this cluster, or to none: joining the wrong way round destroys a data store.

use async_trait::async_trait;

use super::{Context, Failure, RustStep};
use crate::facts::identity::short;
use crate::facts::{Facts, Identity, NodeFacts};
use crate::inventory::model::{Inventory, Node, Role};
use crate::plan::{Place, Verdict};

/// Every node is a member of the recorded cluster, or a fresh machine.
pub struct ClusterIdentity;

#[async_trait]
impl RustStep for ClusterIdentity {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        let problems = match facts.identity() {
            Identity::Conflict(readings) => {
                let shown: Vec<String> = readings.iter().map(|(who, ca)| format!("{who}: {}", short(ca))).collect();
                vec![format!(
                    "the records of which cluster this is differ ({}). Either the inventory names machines of two clusters, or a record is left from an earlier one: remove /var/lib/homeprov/identity where it is wrong",
                    shown.join(", "),
                )]
            }
            Identity::None => first_run(inventory, facts),
            Identity::Known(ca) => {
                let others =
                    facts.answering(inventory).filter_map(|(node, seen)| stranger(inventory, facts, &ca, node, seen));
                remembered_only(inventory, facts, &ca).map_or_else(|| others.collect(), |problem| vec![problem])
            }
        };
        if problems.is_empty() { Verdict::Holds } else { Verdict::blocked(problems.join("\n")) }
    }

    async fn apply(&self, _: &Context) -> Result<(), Failure> {
        Ok(())
    }
}

/// Nothing is recorded: no node may be in a cluster with others already. The first control plane keeps what it
/// holds, so objects of a user there are no obstacle.
fn first_run(inventory: &Inventory, facts: &Facts) -> Vec<String> {
    let mut problems = Vec::new();
    let first = inventory.control_planes().next().map(|node| node.name.as_str());
    for (node, seen) in facts.answering(inventory).filter(|(_, seen)| seen.installed) {
        if let Some(others) = others(seen) {
            problems.push(format!(
                "{} is in a cluster already, with {others}, and homeprov did not set that up (certificate authority {}). Either name another machine, or take it out first: `microk8s leave` there",
                node.name, short(seen.ca.as_deref().unwrap_or("unknown")),
            ));
        } else if Some(node.name.as_str()) != first {
            problems.extend(holds_objects(facts, node));
        }
    }
    problems
}

/// Only this machine knows of the cluster: every node answers and none is a member or was one. They were all installed
/// anew, or the inventory names others than before.
fn remembered_only(inventory: &Inventory, facts: &Facts, ca: &str) -> Option<String> {
    let all_answer = facts.answering(inventory).count() == inventory.nodes.len();
    let known = |seen: &NodeFacts| seen.ca.as_deref() == Some(ca) || seen.identity.is_some();
    if facts.recorded_here.is_none() || !all_answer || facts.answering(inventory).any(|(_, seen)| known(seen)) {
        return None;
    }
    Some(format!(
        "this machine remembers a cluster `{cluster}` ({ca}), but none of the nodes belongs to it or ever did. \
         If that cluster is gone, remove `clusters/{cluster}` in homeprov's state folder here (`~/.local/state/homeprov`, unless XDG_STATE_HOME says otherwise) and run `up` again; \
         if it still runs elsewhere, give this one another name in the inventory",
        cluster = inventory.cluster.name,
        ca = short(ca),
    ))
}

/// Why a node that is not of the recorded cluster cannot be joined, if so.
fn stranger(inventory: &Inventory, facts: &Facts, ca: &str, node: &Node, seen: &NodeFacts) -> Option<String> {
    if seen.installed && seen.ca.as_deref() == Some(ca) {
        return wrong_role(node, seen);
    }
    let own = short(seen.ca.as_deref().unwrap_or("unknown"));
    if let Some((witness, told)) = lists(inventory, facts, ca, node) {
        let now = if seen.installed {
            format!("now holds a MicroK8s of its own ({own})")
        } else {
            "holds no MicroK8s".to_owned()
        };
        return Some(format!(
            "{name} was reinstalled: {witness} still lists {address} as a member of the cluster {ca}, but {name} {now}. {way_out}",
            name = node.name,
            witness = witness.name,
            address = node.address,
            ca = short(ca),
            way_out = way_out(inventory, facts, ca, node, (&witness.name, told)),
        ));
    }
    if !seen.installed {
        return None;
    }
    if seen.identity.as_ref().is_some_and(|record| record.ca == ca) && no_other_member(inventory, facts, ca, node) {
        return Some(format!(
            "{name} is recorded as a member of the cluster {ca}, but holds a MicroK8s of its own ({own}): it was reinstalled or has left. \
             Remove /var/lib/homeprov/identity there if it should be joined as a new node",
            name = node.name,
            ca = short(ca),
        ));
    }
    if let Some(others) = others(seen) {
        return Some(format!(
            "{name} belongs to another cluster ({own}), with {others}; this one is {ca}. Take it out there first (`microk8s leave` on {name}), or correct the inventory",
            name = node.name,
            ca = short(ca),
        ));
    }
    holds_objects(facts, node)
}

fn wrong_role(node: &Node, seen: &NodeFacts) -> Option<String> {
    let (is, wanted) = match (node.role, seen.installed, seen.worker) {
        (Role::ControlPlane, true, true) => ("a worker", "a control plane"),
        (Role::Worker, true, false) => ("a control plane", "a worker"),
        _ => return None,
    };
    Some(format!(
        "{name} is {is} of this cluster, the inventory wants {wanted}. MicroK8s cannot turn one into the other: `microk8s leave` on {name}, `microk8s remove-node {name}` on another node, then `up` joins it anew",
        name = node.name,
    ))
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

/// A node of the recorded cluster that lists this node's address as a member: as its data store tells, or as that
/// last stored while it does not answer.
fn lists<'a>(inventory: &'a Inventory, facts: &'a Facts, ca: &str, node: &Node) -> Option<(&'a Node, &'a NodeFacts)> {
    let mut members =
        facts.answering(inventory).filter(|(other, seen)| other.name != node.name && seen.ca.as_deref() == Some(ca));
    members.find(|(_, seen)| {
        let told = seen.members.as_ref().unwrap_or(&seen.stored_members);
        told.iter().any(|member| member.address == node.address)
    })
}

fn no_other_member(inventory: &Inventory, facts: &Facts, ca: &str, node: &Node) -> bool {
    !facts.answering(inventory).any(|(other, seen)| other.name != node.name && seen.ca.as_deref() == Some(ca))
}

/// The other members of the cluster a node is in, when there are any.
fn others(seen: &NodeFacts) -> Option<String> {
    if seen.worker {
        return Some("a control plane it is a worker of".to_owned());
    }
    let own = seen.info.as_ref().map(|info| info.address);
    let members = seen.members.as_ref().unwrap_or(&seen.stored_members).iter().map(|member| member.address);
    let others: Vec<String> =
        members.filter(|address| Some(*address) != own).map(|address| address.to_string()).collect();
    (!others.is_empty()).then(|| others.join(", "))
}

fn holds_objects(facts: &Facts, node: &Node) -> Option<String> {
    let namespaces = facts.lone_namespaces.get(&node.name).filter(|namespaces| !namespaces.is_empty())?;
    Some(format!(
        "{name} is a cluster of its own that holds objects of yours (namespaces {list}); joining would delete them. Move them away or delete the namespaces, or start from {name} by naming it first in the inventory",
        name = node.name,
        list = namespaces.join(", "),
    ))
}
