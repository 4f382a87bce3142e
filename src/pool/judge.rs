//! What follows from what was heard: a pure function.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use super::{Finding, Heard, InUse, Kind};
use crate::facts::Facts;
use crate::facts::balanced::Balanced;
use crate::inventory::model::{Inventory, Metallb, PoolRange};
use crate::status::Conclusion;

/// What there is to judge by.
pub struct Sight<'a> {
    /// What is wanted.
    pub inventory: &'a Inventory,
    /// The pool wanted.
    pub metallb: &'a Metallb,
    /// What was observed.
    pub facts: &'a Facts,
    /// The Services that have an address; absent where the API could not be asked.
    pub services: Option<&'a [Balanced]>,
    /// What was heard.
    pub heard: &'a Heard,
}

/// The addresses in use by Services, and what else was found.
pub fn judge(sight: &Sight<'_>) -> (Vec<InUse>, Vec<Finding>) {
    let owners = sight.owners();
    let (mut in_use, mut findings) = (Vec::new(), sight.given_away());
    for address in sight.concerned() {
        match sight.address(address, &owners) {
            Some(Seen::InUse(found)) => in_use.push(found),
            Some(Seen::Found(finding)) => findings.push(finding),
            None => {}
        }
    }
    (in_use, findings)
}

/// What an address turns out to be.
enum Seen {
    InUse(InUse),
    Found(Finding),
}

/// What to do about an address that somebody else has.
const MOVE: &str = "take it out of [metallb] pool, or give that device another address; and keep the whole pool out of what the router's \
                    DHCP gives away";

impl Sight<'_> {
    /// The nodes by their MAC addresses: those of their interfaces, and where a node does not answer, where its address was
    /// found by another one.
    fn owners(&self) -> BTreeMap<&str, &str> {
        let mut owners = BTreeMap::new();
        for node in &self.inventory.nodes {
            let remembered = self.heard.homes.values().filter_map(|home| home.neighbours.get(&node.address));
            if !self.heard.homes.contains_key(&node.name) {
                owners.extend(remembered.map(|mac| (mac.as_str(), node.name.as_str())));
            }
        }
        for (node, home) in &self.heard.homes {
            owners.extend(home.macs.iter().map(|mac| (mac.as_str(), node.as_str())));
        }
        owners
    }

    /// The nodes whose MAC addresses nobody knows.
    fn unknown_nodes(&self, owners: &BTreeMap<&str, &str>) -> Vec<&str> {
        let known: BTreeSet<&str> = owners.values().copied().collect();
        let names = self.inventory.nodes.iter().map(|node| node.name.as_str());
        names.filter(|name| !known.contains(name)).collect()
    }

    /// The Service that has an address.
    fn service(&self, address: Ipv4Addr) -> Option<&str> {
        self.services?.iter().find(|service| service.address == address).map(|service| service.service.as_str())
    }

    /// The addresses of the pool of which there is something to say, in order.
    fn concerned(&self) -> BTreeSet<Ipv4Addr> {
        let homes = || self.heard.homes.values();
        let addresses = self.heard.answers.values().flat_map(BTreeMap::keys).copied();
        let known = homes().flat_map(|home| home.neighbours.keys().chain(&home.gateways)).copied();
        let services = self.services.unwrap_or_default().iter().map(|service| service.address);
        let own = self.facts.answering(self.inventory).flat_map(|(_, seen)| &seen.addresses).map(|(_, own)| *own);
        let all = addresses.chain(known).chain(services).chain(own);
        all.filter(|address| self.metallb.pool.iter().any(|range| range.contains(IpAddr::V4(*address)))).collect()
    }

    fn address(&self, address: Ipv4Addr, owners: &BTreeMap<&str, &str>) -> Option<Seen> {
        let service = self.service(address);
        let (heard_by, macs) = self.heard.at(address);
        let found = |kind, verdict, text: String, remedy: &str| {
            let (macs, heard_by) = (macs.iter().cloned().collect(), heard_by.clone());
            Seen::Found(Finding {
                kind,
                address: Some(address),
                macs,
                heard_by,
                verdict,
                text,
                remedy: remedy.to_owned(),
            })
        };
        // kube-proxy in its mode `ipvs` puts the Services' addresses on an interface of every node.
        if let (Some(node), None) = (self.node_with(address), service) {
            let text = format!("{address} is an address of {node} itself");
            return Some(found(Kind::NodeAddress, Conclusion::No, text, "take it out of [metallb] pool"));
        }
        if self.heard.homes.values().any(|home| home.gateways.contains(&address)) {
            let text = format!("{address} is the router: the nodes' way to everything else leads through it");
            return Some(found(Kind::Gateway, Conclusion::No, text, "take it out of [metallb] pool"));
        }
        let (nodes, strangers): (Vec<&String>, Vec<&String>) =
            macs.iter().partition(|mac| owners.contains_key(mac.as_str()));
        let mut names: Vec<&str> = nodes.iter().filter_map(|mac| owners.get(mac.as_str()).copied()).collect();
        names.sort_unstable();
        names.dedup();
        if !strangers.is_empty() {
            return Some(self.stranger(address, &strangers, &names, owners, &found));
        }
        match (names.as_slice(), service) {
            ([], None) => self.remembered(address, owners).map(Seen::Found),
            ([], Some(service)) if self.heard.answers.len() < 2 => {
                Some(Seen::InUse(InUse { address, service: service.to_owned(), node: None, mac: None }))
            }
            ([], Some(service)) => {
                let text = format!("{service} has {address}, and nobody answers for it");
                let remedy = "MetalLB does not announce a Service without a ready pod: `microk8s kubectl get endpoints -A`. If it has one: \
                              `microk8s kubectl -n metallb-system logs ds/speaker`, and port 7946, TCP and UDP, must be open between the nodes";
                Some(found(Kind::Silent, Conclusion::Unknown, text, remedy))
            }
            ([node], Some(service)) => Some(Seen::InUse(InUse {
                address,
                service: service.to_owned(),
                node: Some((*node).to_owned()),
                mac: macs.first().cloned(),
            })),
            ([node], None) if self.services.is_none() => {
                let text = format!("{node} answers for {address}; which Service has it could not be read");
                Some(found(Kind::NodeAddress, Conclusion::Unknown, text, "verify again once the API answers"))
            }
            (several, None) => {
                let text = format!("{} answers for {address}, and no Service has it", several.join(" and "));
                let remedy = "look what gives it that address there: keepalived, kube-vip, an address set by hand (`ip -4 address`); take \
                              it away, or out of [metallb] pool";
                Some(found(Kind::NodeAddress, Conclusion::No, text, remedy))
            }
            (several, Some(service)) => {
                let text = format!("{} both announce {address} of {service}", several.join(" and "));
                let remedy =
                    "their speakers do not see each other: port 7946, TCP and UDP, must be open between the nodes";
                Some(found(Kind::Collision, Conclusion::No, text, remedy))
            }
        }
    }

    /// The node that has an address, by the inventory or on one of its interfaces.
    fn node_with(&self, address: Ipv4Addr) -> Option<&str> {
        let listed = self.inventory.nodes.iter().find(|node| node.address == address);
        let mut seen = self.facts.answering(self.inventory);
        let carries = || seen.find(|(_, seen)| seen.interface_of(address).is_some()).map(|(node, _)| node);
        listed.or_else(carries).map(|node| node.name.as_str())
    }

    /// Somebody answers who is none of the nodes, as far as these are known.
    fn stranger(
        &self,
        address: Ipv4Addr,
        strangers: &[&String],
        nodes: &[&str],
        owners: &BTreeMap<&str, &str>,
        found: &dyn Fn(Kind, Conclusion, String, &str) -> Seen,
    ) -> Seen {
        let service = self.service(address);
        let shown: Vec<&str> = strangers.iter().map(|mac| mac.as_str()).collect();
        let said = format!("{address} is answered for by {}", shown.join(" and "));
        let absent = self.unknown_nodes(owners);
        if nodes.is_empty() && service.is_some() && !absent.is_empty() {
            let text = format!("{said}; that may be {}, which is not reached", absent.join(" or "));
            return found(Kind::Collision, Conclusion::Unknown, text, "verify again once every node is reached");
        }
        let router = strangers.iter().find_map(|mac| self.router_at(mac));
        let other = strangers.iter().find_map(|mac| self.heard.also_at(mac, address));
        let who = match (router, other) {
            (Some(router), _) => format!("the router at {router}"),
            (None, Some(other)) => format!("the device at {other}"),
            (None, None) => "none of the nodes".to_owned(),
        };
        let besides = match (nodes, service) {
            ([], None) => String::new(),
            ([], Some(service)) => format!("; {service} has it, and no node is heard"),
            (nodes, Some(service)) => format!(", and by {}, which announces it for {service}", nodes.join(", ")),
            (nodes, None) => format!(", and by {}", nodes.join(", ")),
        };
        found(Kind::Collision, Conclusion::No, format!("{said}, which is {who}{besides}"), MOVE)
    }

    fn router_at(&self, mac: &str) -> Option<Ipv4Addr> {
        let at = |home: &super::Home| {
            { home.gateways.iter() }.find(|gateway| home.neighbours.get(gateway).is_some_and(|own| own == mac)).copied()
        };
        self.heard.homes.values().find_map(at)
    }

    /// Nobody answers, and a node has met somebody there before.
    fn remembered(&self, address: Ipv4Addr, owners: &BTreeMap<&str, &str>) -> Option<Finding> {
        let (node, mac) = self.heard.remembered(address).filter(|(_, mac)| !owners.contains_key(mac))?;
        Some(Finding {
            kind: Kind::Remembered,
            address: Some(address),
            macs: vec![mac.to_owned()],
            heard_by: vec![node.to_owned()],
            verdict: Conclusion::Unknown,
            text: format!("{node} has met {mac} at {address} before; nobody answers there now"),
            remedy: format!(
                "a device that sleeps or is off may have that address: look for {mac} in the router's list. If it is gone for good: `ip neigh \
                 flush to {address}` on {node}"
            ),
        })
    }

    /// The ranges that MetalLB has and the router gives away: those of the inventory, and those that are in the cluster.
    fn given_away(&self) -> Vec<Finding> {
        let Some(dhcp) = &self.metallb.dhcp_range else { return Vec::new() };
        let pools = self.facts.cluster.as_ref().and_then(|cluster| cluster.metallb.as_ref());
        let there = pools.into_iter().flat_map(|seen| &seen.pools);
        let there = there.flat_map(|(name, ranges)| ranges.iter().map(move |range| (Some(name.as_str()), range)));
        let wanted = self.metallb.pool.iter().map(|range| (None, &range.text));
        let mut told = BTreeSet::new();
        let overlaps = wanted.chain(there).filter(|(_, text)| {
            text.parse::<PoolRange>().is_ok_and(|range| range.overlaps(dhcp)) && told.insert((*text).clone())
        });
        overlaps
            .map(|(name, range)| Finding {
                kind: Kind::DhcpRange,
                address: None,
                macs: Vec::new(),
                heard_by: Vec::new(),
                verdict: Conclusion::No,
                text: match name {
                    Some(name) => format!(
                        "the IPAddressPool {name} in the cluster has {range}, and the router gives {dhcp} away: a device gets an address of \
                         the pool sooner or later"
                    ),
                    None => format!("the pool {range} and what the router gives away, {dhcp}, have addresses in common"),
                },
                remedy: "shorten one of the two: the pool in [metallb], or the router's DHCP range".to_owned(),
            })
            .collect()
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
