//! Nobody else has an address of the pool: looked for before `MetalLB` announces any of them, as two machines with one
//! address take turns at being unreachable (metallb/metallb#306).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::Ipv4Addr;

use futures::future::try_join_all;

use super::{Context, Failure};
use crate::inventory::model::{Metallb, Node};
use crate::ssh::{Program, Purpose};

/// More addresses than this are not asked for, one by one: each takes a broadcast.
pub(super) const MOST: usize = 512;
/// How many are asked for at once.
pub(super) const AT_ONCE: u32 = 32;

/// Refuses a pool of which an address answers ARP from a machine that is none of the nodes.
pub async fn refuse_taken(context: &Context, metallb: &Metallb) -> Result<(), Failure> {
    let foreign = taken(context, metallb).await?;
    if foreign.is_empty() {
        return Ok(());
    }
    let absent: Vec<&Node> =
        context.inventory.nodes.iter().filter(|node| context.facts.unreachable(&node.name).is_some()).collect();
    let announced = context.facts.cluster.as_ref().is_some_and(|cluster| cluster.metallb.is_some());
    let shown: Vec<String> =
        foreign.iter().map(|(address, mac)| format!("{address} is answered for by {mac}")).collect();
    if announced && !absent.is_empty() {
        // A node that only ssh does not reach may announce it.
        let names: Vec<&str> = absent.iter().map(|node| node.name.as_str()).collect();
        context.say(format!("{}; that may be {}, which is not reached", shown.join(", "), names.join(" or ")));
        return Ok(());
    }
    Err(Failure::Refused {
        reason: format!(
            "{}, which is none of the nodes: another device has an address of the pool already. Take it out of [metallb] pool, or give \
             that device another one; and take the whole pool out of what the router's DHCP gives away",
            shown.join(", ")
        ),
    })
}

/// The addresses of the pool that a machine answers for which is none of the nodes that answered, each with its MAC address.
pub async fn taken(context: &Context, metallb: &Metallb) -> Result<BTreeMap<Ipv4Addr, String>, Failure> {
    let asker = context.node()?.clone();
    let mut answers = ask(context, &asker, metallb).await?;
    if !answers.is_empty() {
        let own = own(context).await?;
        answers.retain(|_, mac| !own.contains(mac));
    }
    Ok(answers)
}

/// Who answers for the addresses of the pool, as one node hears it.
async fn ask(context: &Context, asker: &Node, metallb: &Metallb) -> Result<BTreeMap<Ipv4Addr, String>, Failure> {
    let Some(interface) = context.facts.node(&asker.name).and_then(|seen| seen.interface_of(asker.address)) else {
        let (name, address) = (&asker.name, asker.address);
        return Err(Failure::failed(format!(
            "whether another device has an address of the pool cannot be asked: {name} has {address} on none of its interfaces, see \
             `ip -4 address` there"
        )));
    };
    let (addresses, left_out) = addresses(metallb);
    if left_out {
        context.say(format!("of the pool only the first {MOST} addresses were asked for by ARP"));
    }
    let answer = context.run(&asker.name, Purpose::Probe, Program::Shell(script(interface, &addresses))).await?;
    if !answer.succeeded() {
        return Err(Failure::command("asking for the pool by ARP", answer.status, &answer.stderr));
    }
    Ok(answer.stdout.lines().filter_map(reply).collect())
}

/// The addresses of the pool that are asked for, and whether there are more than [`MOST`].
pub(super) fn addresses(metallb: &Metallb) -> (Vec<Ipv4Addr>, bool) {
    let all = metallb.pool.iter().flat_map(|range| range.first.to_bits()..=range.last.to_bits());
    let mut addresses: Vec<Ipv4Addr> = all.take(MOST + 1).map(Ipv4Addr::from_bits).collect();
    let left_out = addresses.len() > MOST;
    addresses.truncate(MOST);
    (addresses, left_out)
}

fn script(interface: &str, addresses: &[Ipv4Addr]) -> String {
    let mut list = String::new();
    for address in addresses {
        let _ = write!(list, " {address}");
    }
    format!(
        "command -v arping >/dev/null || {{ echo 'there is no arping here' >&2; exit 1; }}\nn=0\nfor address in{list}; do\n\t{{ arping -f -c 2 -w 2 -I {interface} \"$address\" 2>/dev/null | grep 'reply from'; }} &\n\
         \tn=$((n + 1)); [ $((n % {AT_ONCE})) -ne 0 ] || wait\ndone\nwait\n"
    )
}

/// `Unicast reply from 10.77.0.203 [B8:27:EB:4D:00:CB]  0.71ms` (iputils `arping.c`)
pub(super) fn reply(line: &str) -> Option<(Ipv4Addr, String)> {
    let (address, rest) = line.split_once("reply from ")?.1.split_once(" [")?;
    Some((address.trim().parse().ok()?, rest.split_once(']')?.0.to_lowercase()))
}

/// The MAC addresses of the nodes that answered. One that does not now is no reason to take its address for a stranger's.
async fn own(context: &Context) -> Result<BTreeSet<String>, Failure> {
    let looks = context.facts.answering(&context.inventory).map(|(node, _)| async move {
        let program = Program::Shell("cat /sys/class/net/*/address".to_owned());
        context.run(&node.name, Purpose::Probe, program).await
    });
    let answers = try_join_all(looks).await?;
    let lines = answers.iter().flat_map(|answer| answer.stdout.lines());
    Ok(lines.map(|mac| mac.trim().to_lowercase()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_reply_and_asks_for_all() {
        let line = "Unicast reply from 10.77.0.203 [B8:27:EB:4D:00:CB]  0.71ms";
        assert_eq!(reply(line), Some(([10, 77, 0, 203].into(), "b8:27:eb:4d:00:cb".to_owned())));
        assert_eq!(reply("Received 0 response(s)"), None);
        let script = script("eth0", &[[10, 0, 0, 1].into(), [10, 0, 0, 2].into()]);
        assert!(
            script.contains("for address in 10.0.0.1 10.0.0.2; do") && script.contains("-I eth0 \"$address\""),
            "{script}"
        );
    }
}
