//! The machines of the cluster: its Nodes, as the machines behind them are.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::text::Text;
use super::{Read, has, labels, seen};
use crate::facts::{KubernetesNode, NodeFacts, Observation};
use crate::inventory::model::Role;

/// A Node of the cluster and the machine behind it.
pub(super) struct Found<'a> {
    pub name: &'a str,
    pub address: Ipv4Addr,
    pub role: Role,
    /// The labels somebody put on the Node.
    pub labels: BTreeMap<&'a str, &'a str>,
    /// Where it was reached, when that is another address.
    pub reached_at: Option<Ipv4Addr>,
    pub machine: Option<&'a NodeFacts>,
    /// Why it was not reached.
    pub unreached: Option<&'a str>,
}

fn internal(node: &KubernetesNode) -> Option<Ipv4Addr> {
    node.addresses.iter().find_map(|address| match address {
        IpAddr::V4(address) => Some(*address),
        IpAddr::V6(_) => None,
    })
}

/// The addresses of all Nodes.
pub(super) fn addresses(read: &Read) -> Vec<Ipv4Addr> {
    read.cluster.nodes.values().filter_map(internal).collect()
}

/// Control planes first, those that were named in the order in which they were, then workers.
pub(super) fn found(read: &Read) -> Vec<Found<'_>> {
    let mut nodes: Vec<Found<'_>> =
        read.cluster.nodes.iter().filter_map(|(name, node)| Some(of(read, name, node, internal(node)?))).collect();
    let place = |node: &Found<'_>| {
        let named = |address: &Ipv4Addr| *address == node.address || Some(*address) == node.reached_at;
        read.asked.addresses.iter().position(named).unwrap_or(usize::MAX)
    };
    nodes.sort_by_key(|node| (node.role == Role::Worker, place(node), node.name));
    nodes
}

fn of<'a>(read: &'a Read, name: &'a str, node: &'a KubernetesNode, address: Ipv4Addr) -> Found<'a> {
    let reached =
        read.machines.iter().find(|(at, look)| **at == address || seen(look).is_some_and(|seen| has(seen, address)));
    let machine = reached.and_then(|(_, look)| seen(look));
    // A data store that nobody has ever joined knows itself at 127.0.0.1.
    let alone = read.found.members.iter().all(Ipv4Addr::is_loopback);
    let member = read.found.members.contains(&address) || (alone && machine.is_some_and(|machine| !machine.worker));
    Found {
        name,
        address,
        role: if member { Role::ControlPlane } else { Role::Worker },
        labels: labels::own(&node.labels),
        reached_at: reached.map(|(at, _)| *at).filter(|at| *at != address),
        machine,
        unreached: reached.and_then(|(_, look)| match look {
            Observation::Unreachable { reason, .. } => Some(reason.as_str()),
            Observation::Seen(_) => None,
        }),
    }
}

/// One table for each, and what is odd about them.
pub(super) fn write(read: &Read, nodes: &[Found<'_>], text: &mut Text) {
    text.comment("The machines. The first control plane is asked first; the addresses must never change.");
    for node in nodes {
        notes(node, text);
        text.header("[[nodes]]");
        text.key("name", node.name);
        text.key("address", node.address.to_string());
        if node.role == Role::Worker {
            text.key("role", "worker");
        }
        if !node.labels.is_empty() {
            let labels = node.labels.iter().map(|(key, value)| ((*key).to_owned(), toml::Value::from(*value)));
            text.key("labels", labels.collect::<toml::Table>());
        }
        if let Some(at) = node.reached_at {
            text.header(&format!("ssh = {{ host = \"{at}\" }}"));
        }
        if let Some(domain) =
            node.machine.and_then(|machine| machine.failure_domain_configured.or(machine.failure_domain))
            && node.role == Role::ControlPlane
        {
            text.instead(&format!(
                "failure_domain = {domain}   as it is now; without this line each node gets its own"
            ));
        }
        text.gap();
    }
    ghosts(read, nodes, text);
    bare(read, text);
}

fn notes(node: &Found<'_>, text: &mut Text) {
    let Some(machine) = node.machine else {
        let why = node.unreached.and_then(|reason| reason.lines().next()).unwrap_or("it was not looked at");
        text.comment(&format!(
            "{} was not reached over SSH; what stands here is from the cluster alone. {why}",
            node.name
        ));
        return;
    };
    if machine.host_name != node.name {
        text.comment(&format!(
            "The machine calls itself {}, and the cluster knows it as {}: homeprov wants both to be the same.",
            machine.host_name, node.name
        ));
    }
    if machine.locks.contains("stopped.lock") {
        text.comment("MicroK8s is stopped there (`microk8s stop`); `up` starts it.");
    }
}

/// Members that are no Nodes.
fn ghosts(read: &Read, nodes: &[Found<'_>], text: &mut Text) {
    let known = |address: &&Ipv4Addr| address.is_loopback() || nodes.iter().any(|node| node.address == **address);
    for ghost in read.found.members.iter().filter(|address| !known(address)) {
        text.comment(&format!(
            "The data store lists {ghost} as a member, and the cluster has no Node there; it counts when a majority is needed. If that \
             machine is gone for good: `microk8s remove-node {ghost} --force` on a control plane."
        ));
        text.gap();
    }
}

/// Machines that were named and have no MicroK8s, or were not reached and are no Node.
fn bare(read: &Read, text: &mut Text) {
    for (address, look) in &read.machines {
        match look {
            Observation::Seen(seen) if !seen.facts.installed => {
                text.comment(&format!("{address} ({}) has no MicroK8s. To have it joined:", seen.facts.host_name));
                text.aside(|text| {
                    text.header("[[nodes]]");
                    text.key("name", seen.facts.host_name.as_str());
                    text.key("address", address.to_string());
                });
                text.gap();
            }
            Observation::Unreachable { reason, .. } if !addresses(read).contains(address) => {
                text.comment(&format!(
                    "{address} was not reached, and is no Node of the cluster: {}",
                    reason.lines().next().unwrap_or_default()
                ));
                text.gap();
            }
            _ => {}
        }
    }
}
