//! Who may go, and what it costs, told from facts.

use super::allowed::DepartureAllowed;
use super::replicas::ReplicasMoved;
use super::*;
use crate::facts::fixture;
use crate::facts::fixture::{address, cluster, node};
use crate::facts::storage::{Claim, JivaVolume, Replica, Volume};
use crate::facts::{Departing, MemberRole};
use crate::inventory::model::Engine;
use crate::plan::{Place, Verdict};
use crate::steps::RustStep;

/// So many control planes; with two, as an inventory that allows them says.
fn inventory(nodes: u8) -> Inventory {
    let mut inventory = fixture::inventory(nodes.max(3));
    inventory.nodes.truncate(nodes.into());
    if nodes < 3 {
        inventory.storage.engine = Engine::Hostpath;
    }
    inventory
}

/// The inventory as the command hands it over: the departing node comes last.
fn seen_from_others(nodes: u8, name: &str) -> Inventory {
    let mut inventory = inventory(nodes);
    inventory.nodes.sort_by_key(|node| node.name == name);
    inventory
}

fn leaving(facts: &mut Facts, number: u8, dead: bool) {
    let name = format!("nuc{number}");
    facts.departing = Some(Departing { name, address: Some(address(number)), dead });
}

fn allowed(nodes: u8, facts: &Facts) -> Verdict {
    let name = facts.departing.as_ref().map(|departing| departing.name.clone()).unwrap_or_default();
    DepartureAllowed.check(&seen_from_others(nodes, &name), facts, &Place::Cluster)
}

fn said(verdict: &Verdict) -> String {
    assert!(matches!(verdict, Verdict::Blocked { .. } | Verdict::Settling { .. }), "{verdict:?}");
    verdict.text()
}

/// A volume of three replicas on these nodes, all of them working.
fn volume(facts: &mut Facts, nodes: &[&str]) {
    let storage = &mut facts.cluster.as_mut().expect("there is one").storage;
    let replica = Replica { address: String::new(), mode: "RW".into() };
    let volume = JivaVolume {
        namespace: "openebs".into(),
        replication_factor: 3,
        status: "RW".into(),
        replicas: vec![replica; nodes.len()],
        ..JivaVolume::default()
    };
    storage.jiva_volumes.insert("pvc-1".into(), volume);
    for (ordinal, node) in nodes.iter().enumerate() {
        let (name, disk) = (format!("openebs-pvc-1-jiva-rep-{ordinal}"), format!("pvc-disk{ordinal}"));
        let volume = Volume {
            claim: Some(("openebs".into(), name.clone())),
            nodes: vec![(*node).to_owned()],
            phase: "Bound".into(),
            ..Volume::default()
        };
        storage.volumes.insert(disk.clone(), volume);
        storage.claims.push(Claim { namespace: "openebs".into(), name, volume: Some(disk), ..Claim::default() });
    }
}

#[test]
fn one_of_three_may_go_also_the_seed() {
    for number in 1..=3 {
        let mut facts = cluster(3, &[]);
        leaving(&mut facts, number, false);
        assert_eq!(allowed(3, &facts), Verdict::Holds);
    }
}

#[test]
fn nobody_goes_while_another_voter_is_down() {
    let mut facts = cluster(3, &[2]);
    leaving(&mut facts, 1, false);
    assert!(said(&allowed(3, &facts)).contains("of 2 voters 1 would answer without nuc1"));
}

#[test]
fn the_only_voter_of_two_stays() {
    let mut facts = cluster(2, &[]);
    for name in ["nuc1", "nuc2"] {
        let members = node(&mut facts, name).members.as_mut().expect("they are told");
        members[1].role = MemberRole::Spare;
    }
    leaving(&mut facts, 1, false);
    assert!(said(&allowed(2, &facts)).contains("only copy of the data store"));
    leaving(&mut facts, 2, false);
    assert_eq!(allowed(2, &facts), Verdict::Holds);
}

#[test]
fn the_last_one_is_no_member_that_can_leave() {
    let mut facts = cluster(1, &[]);
    leaving(&mut facts, 1, false);
    assert!(said(&allowed(1, &facts)).contains("homeprov reset"));
}

#[test]
fn who_does_not_answer_is_not_taken_for_dead_unasked() {
    let mut facts = cluster(3, &[3]);
    leaving(&mut facts, 3, false);
    assert!(said(&allowed(3, &facts)).contains("--dead"));
    leaving(&mut facts, 3, true);
    assert_eq!(allowed(3, &facts), Verdict::Holds);
}

#[test]
fn who_is_alive_is_not_dead() {
    let mut facts = cluster(3, &[]);
    leaving(&mut facts, 3, true);
    assert!(said(&allowed(3, &facts)).contains("answers over SSH"));
    // This machine does not reach it, and the others do.
    let mut facts = cluster(3, &[3]);
    node(&mut facts, "nuc1").answers.insert(address(3));
    leaving(&mut facts, 3, true);
    assert!(said(&allowed(3, &facts)).contains("its data store answers"));
    // Just switched off: the cluster has not noticed.
    let mut facts = cluster(3, &[3]);
    facts.cluster.as_mut().expect("there is one").nodes.get_mut("nuc3").expect("there is one").ready = true;
    leaving(&mut facts, 3, true);
    assert!(matches!(allowed(3, &facts), Verdict::Settling { .. }));
}

#[test]
fn a_volume_keeps_its_write_quorum() {
    let mut facts = cluster(4, &[]);
    volume(&mut facts, &["nuc1", "nuc2", "nuc3"]);
    leaving(&mut facts, 3, false);
    assert_eq!(allowed(4, &facts), Verdict::Holds);
    let storage = &mut facts.cluster.as_mut().expect("there is one").storage;
    storage.jiva_volumes.get_mut("pvc-1").expect("there is one").replicas[0].mode = "WO".into();
    assert!(said(&allowed(4, &facts)).contains("would have 1 of 3 replicas without nuc3"));
    // It has nothing of it.
    leaving(&mut facts, 4, false);
    assert_eq!(allowed(4, &facts), Verdict::Holds);
}

#[test]
fn a_volume_on_one_disk_keeps_a_living_node_and_is_named_for_a_dead_one() {
    let mut facts = cluster(3, &[]);
    let lone = Volume {
        claim: Some(("photos".into(), "album".into())),
        phase: "Bound".into(),
        nodes: vec!["nuc3".into()],
        ..Volume::default()
    };
    facts.cluster.as_mut().expect("there is one").storage.volumes.insert("pvc-9".into(), lone.clone());
    leaving(&mut facts, 3, false);
    assert!(said(&allowed(3, &facts)).contains("photos/album lies on nuc3's disk alone"));
    let mut facts = cluster(3, &[3]);
    let storage = &mut facts.cluster.as_mut().expect("there is one").storage;
    storage.volumes.insert("pvc-9".into(), lone);
    storage.claims.push(Claim {
        namespace: "photos".into(),
        name: "album".into(),
        volume: Some("pvc-9".into()),
        ..Claim::default()
    });
    leaving(&mut facts, 3, true);
    assert_eq!(allowed(3, &facts), Verdict::Holds);
    let found = losses(&inventory(3), &inventory(2), &facts);
    assert!(found.lost.iter().any(|line| line.contains("photos/album")), "{found:?}");
}

#[test]
fn a_replica_moves_where_a_node_is_free_and_is_missed_where_none_is() {
    let check =
        |nodes: u8, facts: &Facts| ReplicasMoved.check(&seen_from_others(nodes, "nuc3"), facts, &Place::Cluster);
    let mut facts = cluster(4, &[]);
    volume(&mut facts, &["nuc1", "nuc2", "nuc3"]);
    leaving(&mut facts, 3, false);
    assert!(matches!(check(4, &facts), Verdict::Differs { .. }));
    let found = losses(&inventory(4), &inventory(3), &facts);
    assert!(found.moved.iter().any(|line| line.contains("made anew on another node")), "{found:?}");
    // It has been taken away and is not there again.
    let storage = &mut facts.cluster.as_mut().expect("there is one").storage;
    storage.claims[2].volume = None;
    storage.jiva_volumes.get_mut("pvc-1").expect("there is one").replicas.pop();
    assert!(matches!(check(4, &facts), Verdict::Settling { .. }));
    assert_eq!(allowed(4, &facts), Verdict::Holds, "what is under way is no obstacle");

    let mut facts = cluster(3, &[]);
    volume(&mut facts, &["nuc1", "nuc2", "nuc3"]);
    leaving(&mut facts, 3, false);
    assert_eq!(check(3, &facts), Verdict::Holds);
    let found = losses(&inventory(3), &inventory(2), &facts);
    assert!(found.weaker.iter().any(|line| line.contains("keeps 2 of 3 replicas")), "{found:?}");
    assert!(found.weaker.iter().any(|line| line.contains("engine = \"jiva\"")), "{found:?}");
}
