//! The nodes belong to this cluster, or to none: joining the wrong way round destroys a data store.

use std::net::Ipv4Addr;

use async_trait::async_trait;

use super::{Context, Failure, RustStep, repair};
use crate::facts::identity::short;
use crate::facts::{Facts, Identity, NodeFacts};
use crate::inventory::model::{Inventory, Node};
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
                let alone = remembered_only(inventory, facts, &ca).or_else(|| divided(inventory, facts, &ca));
                alone.map_or_else(|| others.collect(), |problem| vec![problem])
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
                "{} is in a cluster already, with {others}, and homeprov did not set that up (certificate authority {}). Either name all of its members in the inventory (`homeprov adopt` writes one) and have it taken over; or name another machine, or take it out first: `microk8s leave` there",
                node.name, short(seen.ca.as_deref().unwrap_or("unknown")),
            ));
        } else if Some(node.name.as_str()) != first {
            problems.extend(holds_objects(facts, node));
        }
    }
    problems
}

/// Two data stores claim to be the cluster. Which one holds what the user wants to keep is not for homeprov to guess.
fn divided(inventory: &Inventory, facts: &Facts, ca: &str) -> Option<String> {
    let sides = facts.divided(inventory)?;
    let [(one, ones), (two, twos)] = &sides;
    let list = |addresses: &[Ipv4Addr]| addresses.iter().map(Ipv4Addr::to_string).collect::<Vec<_>>().join(", ");
    Some(format!(
        "{one} and {two} carry the same certificate authority ({ca}), and their data stores do not know each other: {one} lists {}, {two} lists {}. \
         Either {one} holds the cluster and {two} has left it or was cloned from it, or it is the other way round. \
         Look which one holds what you want to keep (`microk8s kubectl get namespaces` on both); on the other one: `snap remove --purge microk8s` and `rm -f /var/lib/homeprov/identity`. Then run `up` again and it is joined",
        list(ones),
        list(twos),
        ca = short(ca),
    ))
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
         If that cluster is gone, remove the file `clusters/{cluster}/identity` in homeprov's state folder here (`~/.local/state/homeprov`, unless XDG_STATE_HOME says otherwise) and run `up` again; \
         keep `age.key` beside it, which opens the Secrets in the Git repository and in backups; \
         if it still runs elsewhere, give this one another name in the inventory",
        cluster = inventory.cluster.name,
        ca = short(ca),
    ))
}

/// Why a node that is not of the recorded cluster cannot be joined, if so.
fn stranger(inventory: &Inventory, facts: &Facts, ca: &str, node: &Node, seen: &NodeFacts) -> Option<String> {
    let own_store = facts.own_store(seen);
    // What is wrong with a member, or with a machine that is listed as one, is for `members-whole` to say.
    if !seen.installed
        || (seen.ca.as_deref() == Some(ca) && !own_store)
        || repair::lists(inventory, facts, ca, node).is_some()
    {
        return None;
    }
    if own_store {
        // It has left, or its join was cut off: it is joined anew unless somebody has used it meanwhile.
        return holds_objects(facts, node);
    }
    let own = short(seen.ca.as_deref().unwrap_or("unknown"));
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

fn no_other_member(inventory: &Inventory, facts: &Facts, ca: &str, node: &Node) -> bool {
    !facts.answering(inventory).any(|(other, seen)| other.name != node.name && seen.ca.as_deref() == Some(ca))
}

/// The other members of the cluster a node is in, when there are any.
pub(super) fn others(seen: &NodeFacts) -> Option<String> {
    if seen.worker {
        return Some("a control plane it is a worker of".to_owned());
    }
    let own = seen.info.as_ref().map(|info| info.address);
    let members = seen.members.as_ref().unwrap_or(&seen.stored_members).iter().map(|member| member.address);
    let others: Vec<String> = members
        .filter(|address| Some(*address) != own && !address.is_loopback())
        .map(|address| address.to_string())
        .collect();
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
