//! The pool asked for by ARP from two nodes, one after the other: no machine hears its own announcements.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::Ipv4Addr;

use futures::future::join_all;

use super::pool_quiet::{AT_ONCE, MOST, addresses, reply};
use super::{Context, Failure};
use crate::inventory::model::{Metallb, Node};
use crate::pool::{Heard, Home};
use crate::ssh::{Program, Purpose};

/// How many nodes ask.
const ASKERS: usize = 2;
/// What a node says of its routes, its neighbours and its own interfaces; read by [`Home::parse`].
const HOME: &str = "ip -4 route show default; ip -4 neigh show; cat /sys/class/net/*/address; true";

/// What was heard, and what could not be tried.
#[derive(Debug, Clone, Default)]
pub struct Listened {
    /// What was heard.
    pub heard: Heard,
    /// How many addresses were asked for.
    pub addresses: usize,
    /// What could not be tried, a line each.
    pub not_tried: Vec<String>,
}

/// Asks for every address of the pool from the first two nodes that can ask. Nothing is changed anywhere.
pub async fn listen(context: &Context, metallb: &Metallb) -> Listened {
    let (addresses, left_out) = addresses(metallb);
    let mut listened = Listened { addresses: addresses.len(), ..Listened::default() };
    if left_out {
        listened.not_tried.push(format!("of the pool only the first {MOST} addresses were asked for"));
    }
    let nodes: Vec<&Node> = context.facts.answering(&context.inventory).map(|(node, _)| node).collect();
    for node in &nodes {
        if listened.heard.answers.len() == ASKERS {
            break;
        }
        match ask(context, node, &addresses).await {
            Ok(answers) => drop(listened.heard.answers.insert(node.name.clone(), answers)),
            Err(failure) => {
                listened.not_tried.push(format!("{} did not ask for the pool: {}", node.name, said(&failure)));
            }
        }
    }
    // Afterwards: to be asked for by ARP is to be remembered by whom was asked.
    let homes = nodes.iter().map(|node| async { (node.name.clone(), home(context, node).await) });
    for (name, home) in join_all(homes).await {
        match home {
            Ok(home) => drop(listened.heard.homes.insert(name, home)),
            Err(failure) => listened.not_tried.push(format!("{name} did not say whom it knows: {}", said(&failure))),
        }
    }
    listened
}

/// A failure with the last line of what was printed, which says more than the status.
fn said(failure: &Failure) -> String {
    match failure {
        Failure::Failed { reason, output } => match output.last() {
            Some(line) => format!("{reason}: {line}"),
            None => reason.clone(),
        },
        other => other.to_string(),
    }
}

async fn ask(
    context: &Context,
    node: &Node,
    addresses: &[Ipv4Addr],
) -> Result<BTreeMap<Ipv4Addr, BTreeSet<String>>, Failure> {
    let Some(interface) = context.facts.node(&node.name).and_then(|seen| seen.interface_of(node.address)) else {
        return Err(Failure::failed(format!(
            "{} is on none of its interfaces, see `ip -4 address` there",
            node.address
        )));
    };
    let program = Program::Shell(script(interface, node.address, addresses));
    let answer = context.run(&node.name, Purpose::Probe, program).await?;
    if !answer.succeeded() {
        return Err(Failure::command("asking by ARP", answer.status, &answer.stderr));
    }
    let mut answers: BTreeMap<Ipv4Addr, BTreeSet<String>> = BTreeMap::new();
    for (address, mac) in answer.stdout.lines().filter_map(reply) {
        answers.entry(address).or_default().insert(mac);
    }
    Ok(answers)
}

/// Each address is asked for by two broadcasts, so that everybody who has it answers and not only the first. The source is named:
/// for an address that kube-proxy has put on an interface of this node `arping` would take that very address for its own.
fn script(interface: &str, own: Ipv4Addr, addresses: &[Ipv4Addr]) -> String {
    let mut list = String::new();
    for address in addresses {
        let _ = write!(list, " {address}");
    }
    format!(
        "command -v arping >/dev/null || {{ echo 'there is no arping; `apt-get install iputils-arping`, or `homeprov up`, installs it' >&2; \
         exit 1; }}\nn=0\nfor address in{list}; do\n\t{{ arping -b -c 2 -w 2 -s {own} -I {interface} \"$address\" 2>/dev/null | \
         grep 'reply from'; }} &\n\tn=$((n + 1)); [ $((n % {AT_ONCE})) -ne 0 ] || wait\ndone\nwait\n"
    )
}

async fn home(context: &Context, node: &Node) -> Result<Home, Failure> {
    let answer = context.run(&node.name, Purpose::Probe, Program::Shell(HOME.to_owned())).await?;
    Ok(Home::parse(&answer.stdout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_asked_for_from_the_nodes_own() {
        let script = script("eth0", [10, 0, 0, 9].into(), &[[10, 0, 0, 1].into(), [10, 0, 0, 2].into()]);
        assert!(script.contains("for address in 10.0.0.1 10.0.0.2; do"), "{script}");
        assert!(script.contains("arping -b -c 2 -w 2 -s 10.0.0.9 -I eth0 \"$address\""), "{script}");
        // A shell reads it.
        let read = std::process::Command::new("sh").args(["-n", "-c", &script]).status().expect("sh");
        assert!(read.success(), "{script}");
    }
}
