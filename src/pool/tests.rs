use super::*;
use crate::facts::fixture::{cluster, inventory, node};
use crate::facts::{ClusterFacts, MetallbFacts};
use crate::pool::Home;

const OWN: [&str; 3] = ["02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"];
const STRANGER: &str = "b8:27:eb:4d:00:cb";

/// Three nodes with a pool, of which the first two have asked.
struct House {
    inventory: Inventory,
    facts: Facts,
    services: Option<Vec<Balanced>>,
    heard: Heard,
}

fn at(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 1, last)
}

impl House {
    fn new() -> Self {
        let mut house = Self {
            inventory: inventory(3),
            facts: cluster(3, &[]),
            services: Some(Vec::new()),
            heard: Heard::default(),
        };
        let pool = vec!["192.168.1.240-192.168.1.250".parse().unwrap()];
        house.inventory.metallb = Some(Metallb { pool, dhcp_range: None });
        for (number, mac) in OWN.iter().enumerate() {
            let name = format!("nuc{}", number + 1);
            let home = Home {
                macs: [(*mac).to_owned()].into(),
                gateways: [at(254)].into(),
                neighbours: [(at(254), "0c:00:00:00:00:fe".to_owned())].into(),
            };
            house.heard.homes.insert(name, home);
        }
        house.heard.answers = [("nuc1".to_owned(), BTreeMap::new()), ("nuc2".to_owned(), BTreeMap::new())].into();
        house
    }

    /// A node hears somebody answer.
    fn hears(&mut self, node: &str, last: u8, mac: &str) {
        let answers = self.heard.answers.entry(node.to_owned()).or_default();
        answers.entry(at(last)).or_default().insert(mac.to_owned());
    }

    fn serves(&mut self, name: &str, last: u8) {
        let service = Balanced { service: name.to_owned(), address: at(last) };
        self.services.get_or_insert_with(Vec::new).push(service);
    }

    fn judged(&self) -> (Vec<InUse>, Vec<Finding>) {
        let metallb = self.inventory.metallb.as_ref().unwrap();
        let services = self.services.as_deref();
        judge(&Sight { inventory: &self.inventory, metallb, facts: &self.facts, services, heard: &self.heard })
    }

    /// The only thing found.
    fn found(&self) -> Finding {
        let (_, mut findings) = self.judged();
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings.remove(0)
    }
}

#[test]
fn nobody_there_is_nothing_found() {
    assert_eq!(House::new().judged(), (vec![], vec![]));
}

#[test]
fn what_metallb_announces_is_in_use_and_no_collision() {
    let mut house = House::new();
    house.serves("ingress/ingress", 240);
    house.hears("nuc1", 240, OWN[1]);
    let (in_use, findings) = house.judged();
    assert_eq!(findings, []);
    assert_eq!((in_use[0].service.as_str(), in_use[0].node.as_deref()), ("ingress/ingress", Some("nuc2")));
    assert_eq!(in_use[0].mac.as_deref(), Some(OWN[1]));
}

#[test]
fn a_collision_names_address_mac_and_who_heard_it() {
    let mut house = House::new();
    house.hears("nuc1", 243, STRANGER);
    house.hears("nuc2", 243, STRANGER);
    let found = house.found();
    assert_eq!((found.kind, found.address, found.wrong()), (Kind::Collision, Some(at(243)), true));
    assert_eq!((found.macs, found.heard_by), (vec![STRANGER.to_owned()], vec!["nuc1".to_owned(), "nuc2".to_owned()]));
    assert!(found.text.contains("192.168.1.243") && found.text.contains("none of the nodes"), "{}", found.text);
}

#[test]
fn a_device_that_is_known_by_another_address_is_named_by_it() {
    let mut house = House::new();
    house.hears("nuc2", 243, STRANGER);
    house.heard.homes.get_mut("nuc3").unwrap().neighbours.insert(at(57), STRANGER.to_owned());
    assert!(house.found().text.contains("the device at 192.168.1.57"));
    // A router that answers for everybody (proxy ARP).
    house.heard.homes.get_mut("nuc1").unwrap().neighbours.insert(at(254), STRANGER.to_owned());
    assert!(house.found().text.contains("the router at 192.168.1.254"));
}

#[test]
fn two_that_answer_for_a_service_are_a_collision() {
    let mut house = House::new();
    house.serves("ingress/ingress", 240);
    house.hears("nuc1", 240, OWN[1]);
    house.hears("nuc1", 240, STRANGER);
    let found = house.found();
    assert!(
        found.wrong() && found.text.contains("and by nuc2, which announces it for ingress/ingress"),
        "{}",
        found.text
    );
    assert_eq!(house.judged().0, []);
    let mut house = House::new();
    house.serves("ingress/ingress", 240);
    house.hears("nuc1", 240, OWN[1]);
    house.hears("nuc2", 240, OWN[2]);
    assert!(house.found().text.contains("nuc2 and nuc3 both announce 192.168.1.240"));
}

#[test]
fn addresses_of_nodes_and_of_the_router_are_found_whoever_answers() {
    let mut house = House::new();
    node(&mut house.facts, "nuc3").addresses = vec![("wlan0".to_owned(), at(244))];
    let found = house.found();
    assert_eq!((found.kind, found.address, found.wrong()), (Kind::NodeAddress, Some(at(244)), true));
    assert!(found.text.contains("nuc3"), "{}", found.text);
    // kube-proxy in its mode ipvs puts it there.
    house.serves("ingress/ingress", 244);
    house.hears("nuc1", 244, OWN[2]);
    assert_eq!(house.judged().1, []);

    let mut house = House::new();
    house.heard.homes.get_mut("nuc1").unwrap().gateways.insert(at(241));
    house.hears("nuc1", 241, STRANGER);
    assert_eq!((house.found().kind, house.found().wrong()), (Kind::Gateway, true));

    let mut house = House::new();
    house.hears("nuc1", 245, OWN[1]);
    let found = house.found();
    assert!(found.wrong() && found.text.contains("nuc2 answers for 192.168.1.245, and no Service has it"), "{found:?}");
    house.services = None;
    assert!(!house.found().wrong(), "nobody knows whether a Service has it");
}

#[test]
fn a_node_that_is_not_reached_may_be_who_announces() {
    let mut house = House::new();
    house.facts = cluster(3, &[3]);
    house.heard.homes.remove("nuc3");
    house.serves("ingress/ingress", 240);
    house.hears("nuc1", 240, OWN[2]);
    let found = house.found();
    assert!(!found.wrong() && found.text.contains("may be nuc3"), "{found:?}");
    // Another node remembers its MAC address.
    house.heard.homes.get_mut("nuc1").unwrap().neighbours.insert(at(3), OWN[2].to_owned());
    let (in_use, findings) = house.judged();
    assert_eq!((in_use[0].node.as_deref(), findings), (Some("nuc3"), vec![]));
}

#[test]
fn a_service_that_nobody_answers_for_may_be_one_without_pods() {
    let mut house = House::new();
    house.serves("web/web", 240);
    let found = house.found();
    assert_eq!((found.kind, found.wrong()), (Kind::Silent, false));
    // Asked from one node, its own announcements are not heard.
    house.heard.answers.remove("nuc2");
    let (in_use, findings) = house.judged();
    assert_eq!((in_use[0].node.as_deref(), findings), (None, vec![]));
}

#[test]
fn a_device_that_sleeps_is_remembered() {
    let mut house = House::new();
    house.heard.homes.get_mut("nuc2").unwrap().neighbours.insert(at(246), STRANGER.to_owned());
    let found = house.found();
    assert_eq!((found.kind, found.wrong(), found.heard_by), (Kind::Remembered, false, vec!["nuc2".to_owned()]));
}

#[test]
fn what_the_router_gives_away_is_compared_with_both_pools() {
    let mut house = House::new();
    let dhcp: PoolRange = "192.168.1.100-192.168.1.199".parse().unwrap();
    house.inventory.metallb.as_mut().unwrap().dhcp_range = Some(dhcp);
    assert_eq!(house.judged().1, []);
    let pools = [("default-addresspool".to_owned(), vec!["192.168.1.190-192.168.1.210".to_owned()])].into();
    let metallb = Some(MetallbFacts { pools, ..MetallbFacts::default() });
    house.facts.cluster = Some(ClusterFacts { metallb, ..ClusterFacts::default() });
    let found = house.found();
    assert_eq!((found.kind, found.wrong()), (Kind::DhcpRange, true));
    for words in ["default-addresspool", "192.168.1.190-192.168.1.210", "192.168.1.100-192.168.1.199"] {
        assert!(found.text.contains(words), "{words}: {}", found.text);
    }
}
