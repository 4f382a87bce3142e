//! A cluster of control planes, as it is seen, for tests.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use secrecy::SecretString;

use super::{ClusterFacts, Facts, IdentityRecord, KubernetesNode, Member, MemberRole, NodeFacts, Observation, Seen};
use crate::inventory::model::Inventory;

/// So many control planes, nuc1 and on.
pub fn inventory(nodes: u8) -> Inventory {
    let mut text = "[cluster]\nname = \"home\"\n".to_owned();
    if nodes == 2 {
        text += "allow_two_control_planes = true\n";
    }
    for number in 1..=nodes {
        let _ = writeln!(text, "[[nodes]]\nname = \"nuc{number}\"\naddress = \"192.168.1.{number}\"");
    }
    crate::inventory::parse(Path::new("home.toml"), text).expect("it is valid").inventory
}

/// Where a node is, by its number.
pub fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 1, number)
}

/// A cluster of `nodes` control planes of which those in `dead` do not answer; the first three vote.
pub fn cluster(nodes: u8, dead: &[u8]) -> Facts {
    let ca = "a".repeat(64);
    let role = |number: u8| if number <= 3 { MemberRole::Voter } else { MemberRole::StandBy };
    let member = |number: u8| Member { id: number.into(), address: address(number), role: role(number) };
    let identity = IdentityRecord { cluster: "home".into(), ca: ca.clone() };
    let mut facts = Facts { recorded_here: Some(identity), cluster: Some(ClusterFacts::default()), ..Facts::default() };
    for number in 1..=nodes {
        let name = format!("nuc{number}");
        let alive = !dead.contains(&number);
        let object =
            KubernetesNode { ready: alive, addresses: vec![IpAddr::V4(address(number))], ..KubernetesNode::default() };
        facts.cluster.as_mut().expect("there is one").nodes.insert(name.clone(), object);
        let seen = NodeFacts {
            installed: true,
            ca: Some(ca.clone()),
            members: Some((1..=nodes).map(member).collect()),
            info: Some(member(number)),
            answers: (1..=nodes).filter(|other| !dead.contains(other)).map(address).collect(),
            api_answers: true,
            agent_answers: true,
            kubeconfig: Some(SecretString::from("x")),
            ..NodeFacts::default()
        };
        let observation = if alive {
            Observation::Seen(Box::new(Seen { facts: seen, checks: BTreeMap::new() }))
        } else {
            Observation::Unreachable { reason: "off".into(), passes: true }
        };
        facts.nodes.insert(name, observation);
    }
    facts
}

/// The facts of a node, to be changed.
pub fn node<'a>(facts: &'a mut Facts, name: &str) -> &'a mut NodeFacts {
    match facts.nodes.get_mut(name) {
        Some(Observation::Seen(seen)) => &mut seen.facts,
        _ => panic!("{name} answers"),
    }
}
