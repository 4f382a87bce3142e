//! What nodes hear and know of their network.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// Everything that was heard, by node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// Of each node that asked: the MAC addresses that answered, by the address asked for.
    pub answers: BTreeMap<String, BTreeMap<Ipv4Addr, BTreeSet<String>>>,
    /// What each node says of itself and its neighbours.
    pub homes: BTreeMap<String, Home>,
}

/// A node's own interfaces, and whom it knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Home {
    /// The MAC addresses of its interfaces, but those that all machines have alike.
    pub macs: BTreeSet<String>,
    /// The routers of its default routes.
    pub gateways: BTreeSet<Ipv4Addr>,
    /// Its table of neighbours: who was found where, now or some time ago.
    pub neighbours: BTreeMap<Ipv4Addr, String>,
}

/// MAC addresses that say nothing: the loopback's, and that of every pod's link (projectcalico/calico
/// `felix/dataplane/linux`: `ee:ee:ee:ee:ee:ee`).
const COMMON: [&str; 2] = ["00:00:00:00:00:00", "ee:ee:ee:ee:ee:ee"];

impl Home {
    /// Reads the answer of `ip -4 route show default; ip -4 neigh show; cat /sys/class/net/*/address`.
    pub fn parse(answer: &str) -> Self {
        let mut home = Self::default();
        for line in answer.lines() {
            match line.split_whitespace().collect::<Vec<_>>().as_slice() {
                // `default via 192.168.1.1 dev eth0 proto dhcp metric 100`
                ["default", "via", gateway, ..] => home.gateways.extend(gateway.parse::<Ipv4Addr>()),
                // `192.168.1.7 dev eth0 lladdr b8:27:eb:4d:00:cb STALE`; without `lladdr` nobody was found there.
                [address, "dev", _, "lladdr", mac, ..] => {
                    home.neighbours.extend(address.parse::<Ipv4Addr>().map(|address| (address, mac.to_lowercase())));
                }
                [mac] if mac.split(':').count() == 6 && !COMMON.contains(mac) => {
                    home.macs.insert(mac.to_lowercase());
                }
                _ => {}
            }
        }
        home
    }
}

impl Heard {
    /// The nodes that heard an answer for an address, and the MAC addresses they heard.
    pub fn at(&self, address: Ipv4Addr) -> (Vec<String>, BTreeSet<String>) {
        let heard = self.answers.iter().filter_map(|(node, answers)| Some((node, answers.get(&address)?)));
        let (nodes, macs): (Vec<&String>, Vec<&BTreeSet<String>>) = heard.unzip();
        (nodes.into_iter().cloned().collect(), macs.into_iter().flatten().cloned().collect())
    }

    /// The address besides this one at which a MAC address is known.
    pub fn also_at(&self, mac: &str, besides: Ipv4Addr) -> Option<Ipv4Addr> {
        let known = self.homes.values().flat_map(|home| &home.neighbours);
        { known }.find(|(address, own)| *own == mac && **address != besides).map(|(address, _)| *address)
    }

    /// Who remembers a device at an address, and which.
    pub fn remembered(&self, address: Ipv4Addr) -> Option<(&str, &str)> {
        self.homes.iter().find_map(|(node, home)| Some((node.as_str(), home.neighbours.get(&address)?.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_routes_neighbours_and_interfaces() {
        let home = Home::parse(
            "default via 192.168.1.1 dev eth0 proto dhcp src 192.168.1.11 metric 100\n\
             192.168.1.7 dev eth0 lladdr B8:27:eb:4d:00:cb STALE\n192.168.1.8 dev eth0  FAILED\n\
             192.168.1.1 dev eth0 lladdr 02:00:00:00:00:01 router REACHABLE\n\
             02:00:0a:4d:00:0b\n00:00:00:00:00:00\nee:ee:ee:ee:ee:ee\n",
        );
        assert_eq!(home.gateways, [[192, 168, 1, 1].into()].into());
        assert_eq!(home.macs, ["02:00:0a:4d:00:0b".to_owned()].into());
        assert_eq!(home.neighbours.len(), 2);
        assert_eq!(home.neighbours.get(&[192, 168, 1, 7].into()).map(String::as_str), Some("b8:27:eb:4d:00:cb"));
        assert_eq!(Home::parse("Error: any valid prefix is expected rather than \"x\".\n"), Home::default());
    }
}
