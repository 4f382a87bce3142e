//! The look at what is stuck: one exec more on each node, the pods, and ARP where somebody does not answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures::future::join_all;

use super::stuck::{Heard, Holds, LOOK, StuckFacts};
use super::{ClusterFacts, Facts};
use crate::inventory::model::Inventory;
use crate::kube;
use crate::ssh::{Program, Purpose, Script, Transport};

/// What the script's section is called.
pub const SECTION: &str = "stuck";
/// How long a look may take.
const LIMIT: Duration = Duration::from_secs(30);
/// So many nodes ask by ARP.
const ASKERS: usize = 2;

/// Looks.
pub async fn read(
    transport: &dyn Transport,
    inventory: &Inventory,
    client: &::kube::Client,
    facts: &Facts,
    cluster: &ClusterFacts,
) -> Result<StuckFacts, String> {
    let looks = facts.answering(inventory).map(|(node, _)| async move {
        let held = run(transport, &node.name, LOOK.to_owned()).await.and_then(|text| Holds::parse(&text));
        (node.name.clone(), held)
    });
    let (looks, at, pods, heard) = futures::join!(
        join_all(looks),
        kube::request::clock(client),
        Box::pin(kube::stuck_pods::read(client)),
        hear(transport, inventory, facts, cluster),
    );
    let said = |error: ::kube::Error| kube::error::message(&error);
    let at = at.map_err(said)?.unwrap_or_else(jiff::Timestamp::now);
    let mut stuck = StuckFacts { at, pods: pods.map_err(said)?, heard, ..StuckFacts::default() };
    for (node, held) in looks {
        match held {
            Ok(holds) => drop(stuck.holds.insert(node, holds)),
            Err(why) => drop(stuck.not_looked.insert(node, why)),
        }
    }
    Ok(stuck)
}

async fn run(transport: &dyn Transport, node: &str, text: String) -> Result<String, String> {
    let script = Script::single(Purpose::Probe, SECTION, Program::Shell(text), LIMIT);
    let mut answer = transport.run(node, &script).await.map_err(|error| error.to_string())?;
    match answer.sections.remove(SECTION) {
        Some(answer) if answer.succeeded() => Ok(answer.stdout),
        Some(answer) if answer.timed_out => Err("looking did not end in time".to_owned()),
        Some(answer) => Err(format!("looking ended with status {}: {}", answer.status, answer.stderr.trim())),
        None => Err("it gave no answer".to_owned()),
    }
}

/// Addresses at which somebody should be, or perhaps is: nodes that do not answer, and members of no inventory.
fn in_doubt(inventory: &Inventory, facts: &Facts, cluster: &ClusterFacts) -> BTreeSet<Ipv4Addr> {
    let away = inventory.nodes.iter().filter(|node| facts.node(&node.name).is_none()).map(|node| node.address);
    let known = |address: &Ipv4Addr| inventory.nodes.iter().any(|node| node.address == *address);
    let listed = facts.answering(inventory).flat_map(|(_, seen)| seen.members.iter().flatten());
    let listed = listed.map(|member| member.address).filter(|address| !address.is_loopback() && !known(address));
    let objects = cluster.nodes.iter().filter(|(name, _)| inventory.node(name).is_none());
    let objects = objects.flat_map(|(_, object)| &object.addresses).filter_map(|address| match address {
        IpAddr::V4(address) => Some(*address),
        IpAddr::V6(_) => None,
    });
    away.chain(listed).chain(objects).collect()
}

/// Asks for those by ARP, from two nodes; each is asked about another one that is up, too.
async fn hear(transport: &dyn Transport, inventory: &Inventory, facts: &Facts, cluster: &ClusterFacts) -> Heard {
    let asked = in_doubt(inventory, facts, cluster);
    if asked.is_empty() {
        return Heard::default();
    }
    let up: Vec<(&str, Ipv4Addr, &str)> = facts
        .answering(inventory)
        .filter_map(|(node, seen)| Some((node.name.as_str(), node.address, seen.interface_of(node.address)?)))
        .collect();
    let asking = up.iter().take(ASKERS).map(|(name, own, interface)| {
        let others: Vec<Ipv4Addr> =
            up.iter().map(|(_, other, _)| *other).filter(|other| other != own).take(2).collect();
        let wanted: Vec<Ipv4Addr> = asked.iter().chain(&others).copied().collect();
        async move {
            let text = run(transport, name, script(interface, &wanted)).await.ok()?;
            let heard: BTreeMap<Ipv4Addr, String> = text.lines().filter_map(reply).collect();
            others.iter().any(|other| heard.contains_key(other)).then(|| ((*name).to_owned(), heard))
        }
    });
    let by = join_all(asking).await.into_iter().flatten().collect();
    Heard { asked, by }
}

fn script(interface: &str, addresses: &[Ipv4Addr]) -> String {
    let list = addresses.iter().fold(String::new(), |mut list, address| {
        let _ = write!(list, " {address}");
        list
    });
    format!(
        "for address in{list}; do\n\t{{ arping -f -c 3 -w 3 -I {interface} \"$address\" 2>/dev/null | grep 'reply from'; }} &\ndone\nwait\n"
    )
}

/// `Unicast reply from 10.77.0.203 [B8:27:EB:4D:00:CB]  0.71ms` (iputils `arping.c`)
fn reply(line: &str) -> Option<(Ipv4Addr, String)> {
    let (address, rest) = line.split_once("reply from ")?.1.split_once(" [")?;
    Some((address.trim().parse().ok()?, rest.split_once(']')?.0.to_lowercase()))
}
