//! Which upgrades are begun, and when the next node is.

use super::allowed::{UpgradeAllowed, minor};
use super::node::NodeUpgraded;
use super::told;
use crate::facts::fixture::{cluster, inventory, node};
use crate::facts::{Facts, KubernetesNode, Snap};
use crate::inventory::model::{Inventory, Role};
use crate::plan::{Place, Verdict};
use crate::steps::RustStep;

fn wanted(nodes: u8, channel: &str) -> Inventory {
    let mut inventory = inventory(nodes);
    channel.clone_into(&mut inventory.cluster.channel);
    inventory
}

fn runs(facts: &mut Facts, name: &str, version: &str) {
    let snap = Snap {
        version: format!("v{version}.2"),
        revision: "1".into(),
        tracking: format!("{version}/stable"),
        notes: vec!["classic".into()],
    };
    node(facts, name).snap = Some(snap);
    let nodes = &mut facts.cluster.as_mut().expect("there is one").nodes;
    nodes.get_mut(name).expect("there is one").version = format!("v{version}.2");
}

/// Three nodes at 1.35 but for those named here.
fn at(versions: &[(&str, &str)]) -> Facts {
    let mut facts = cluster(3, &[]);
    for name in ["nuc1", "nuc2", "nuc3"] {
        let version = versions.iter().find(|(other, _)| *other == name).map_or("1.35", |(_, version)| version);
        runs(&mut facts, name, version);
    }
    facts
}

fn allowed(facts: &Facts, channel: &str) -> Verdict {
    UpgradeAllowed.check(&wanted(3, channel), facts, &Place::Cluster)
}

fn upgraded(facts: &Facts, name: &str) -> Verdict {
    NodeUpgraded.check(&wanted(3, "1.36/stable"), facts, &Place::Node(name.into()))
}

#[test]
fn that_the_api_is_away_meanwhile_is_told() {
    assert_eq!(told(&wanted(3, "1.36/stable"), &at(&[])), Vec::<String>::new());
    let mut inventory = wanted(3, "1.36/stable");
    let mut facts = at(&[]);
    for name in ["nuc2", "nuc3"] {
        node(&mut facts, name).worker = true;
        inventory.nodes.iter_mut().filter(|node| node.name == name).for_each(|node| node.role = Role::Worker);
    }
    node(&mut facts, "nuc1").members.as_mut().expect("they are told").truncate(1);
    let lines = told(&inventory, &facts);
    assert!(lines.len() == 1 && lines[0].starts_with("nuc1 has the only vote"), "{lines:?}");
    runs(&mut facts, "nuc1", "1.36");
    assert_eq!(told(&inventory, &facts), Vec::<String>::new(), "it is done");
}

#[test]
fn minors_are_read() {
    assert_eq!(
        (minor("1.36/stable"), minor("v1.36.2"), minor("1.36-strict/edge")),
        (Some((1, 36)), Some((1, 36)), Some((1, 36)))
    );
    assert_eq!(minor("latest/stable"), None);
}

#[test]
fn one_minor_at_a_time_and_never_back() {
    assert_eq!(allowed(&at(&[]), "1.36/stable"), Verdict::Holds);
    assert_eq!(allowed(&at(&[("nuc1", "1.36")]), "1.36/stable"), Verdict::Holds, "an interrupted one goes on");
    assert_eq!(allowed(&at(&[]), "1.35/candidate"), Verdict::Holds);
    let refused = |channel: &str, words: &str| {
        let verdict = allowed(&at(&[]), channel);
        assert!(matches!(&verdict, Verdict::Blocked { reason } if reason.contains(words)), "{verdict:?}");
    };
    refused("1.37/stable", "`--channel 1.36/stable` comes first");
    refused("1.34/stable", "does not go back");
    refused("latest/stable", "no minor version");
}

#[test]
fn nobody_is_away_when_it_begins() {
    let mut facts = cluster(3, &[2]);
    for name in ["nuc1", "nuc3"] {
        runs(&mut facts, name, "1.35");
    }
    let verdict = allowed(&facts, "1.36/stable");
    assert!(matches!(&verdict, Verdict::Blocked { reason } if reason.contains("nuc2 does not answer")), "{verdict:?}");
}

#[test]
fn a_refreshed_node_is_done_when_all_is_whole_again() {
    assert!(matches!(upgraded(&at(&[]), "nuc1"), Verdict::Differs { .. }));
    let facts = at(&[("nuc1", "1.36")]);
    assert_eq!(upgraded(&facts, "nuc1"), Verdict::Holds);
    let waits = |name: &str, change: &dyn Fn(&mut Facts), words: &str| {
        let mut facts = facts.clone();
        change(&mut facts);
        let verdict = upgraded(&facts, name);
        assert!(matches!(&verdict, Verdict::Settling { why } if why.contains(words)), "{words}: {verdict:?}");
    };
    let nodes = |facts: &mut Facts, name: &str, change: &dyn Fn(&mut KubernetesNode)| {
        change(facts.cluster.as_mut().expect("one").nodes.get_mut(name).expect("one"));
    };
    waits("nuc1", &|facts| node(facts, "nuc1").api_answers = false, "not up again");
    waits("nuc1", &|facts| nodes(facts, "nuc1", &|node| node.version = "v1.35.9".into()), "kubelet is still v1.35.9");
    // The next one waits for the others, too.
    waits("nuc2", &|facts| nodes(facts, "nuc3", &|node| node.ready = false), "nuc3 is not Ready");
    let deaf = |facts: &mut Facts| {
        for name in ["nuc1", "nuc3"] {
            node(facts, name).answers.remove(&crate::facts::fixture::address(2));
        }
    };
    waits("nuc2", &deaf, "2 of 3 voters answer");
}

#[test]
fn workers_come_after_every_control_plane() {
    let mut inventory = wanted(3, "1.36/stable");
    inventory.nodes[2].role = Role::Worker;
    let check = |facts: &Facts| NodeUpgraded.check(&inventory, facts, &Place::Node("nuc3".into()));
    assert_eq!(check(&at(&[("nuc1", "1.36")])), Verdict::unknown("control-planes-upgraded"));
    assert!(matches!(check(&at(&[("nuc1", "1.36"), ("nuc2", "1.36")])), Verdict::Differs { .. }));
}
