//! What would be left, in words and numbers.

use std::collections::BTreeMap;

use super::*;
use crate::facts::fixture::{cluster, inventory, node};
use crate::facts::storage::{Claim, Replica, Volume};
use crate::facts::{MemberRole, Observation, Seen};

/// The same with a volume of three replicas, on the first three nodes, in these modes.
fn with_volume(mut facts: Facts, status: &str, modes: &[&str]) -> Facts {
    let storage = &mut facts.cluster.as_mut().expect("there is one").storage;
    let replica = |mode: &&str| Replica { address: String::new(), mode: (*mode).to_owned() };
    let volume = JivaVolume {
        replication_factor: 3,
        status: status.into(),
        replicas: modes.iter().map(replica).collect(),
        ..JivaVolume::default()
    };
    storage.jiva_volumes.insert("pvc-1".into(), volume);
    let claim = |namespace: &str, name: &str, volume: &str| Claim {
        namespace: namespace.into(),
        name: name.into(),
        volume: Some(volume.into()),
        ..Claim::default()
    };
    storage.claims.push(claim("web", "data", "pvc-1"));
    for number in 1..=3 {
        let (own, name) = (format!("openebs-pvc-1-jiva-rep-{number}"), format!("pvc-r{number}"));
        storage.claims.push(claim("openebs", &own, &name));
        let volume = Volume {
            claim: Some(("openebs".into(), own)),
            nodes: vec![format!("nuc{number}")],
            phase: "Bound".into(),
            ..Volume::default()
        };
        storage.volumes.insert(name, volume);
    }
    facts
}

fn said(facts: &Facts, nodes: u8, node: &str, loss: Loss) -> String {
    judge(&inventory(nodes), facts, node, loss).err().map(|obstacle| obstacle.to_string()).unwrap_or_default()
}

#[test]
fn one_of_three_voters_may_restart_and_may_leave() {
    for loss in [Loss::Restart, Loss::Leaves, Loss::Entry] {
        assert_eq!(said(&cluster(3, &[]), 3, "nuc2", loss), "");
    }
}

#[test]
fn the_only_voter_may_restart_and_never_leaves() {
    // A worker, or a spare control plane, and one voter at an address that others reach.
    for nodes in [1, 2] {
        let mut facts = cluster(nodes, &[]);
        let names: Vec<String> = facts.nodes.keys().cloned().collect();
        for name in &names {
            for member in node(&mut facts, name).members.as_mut().expect("they are told").iter_mut().skip(1) {
                member.role = MemberRole::Spare;
            }
        }
        assert!(only_voter(&inventory(nodes), &facts, "nuc1") && !only_voter(&inventory(nodes), &facts, "nuc2"));
        assert_eq!(said(&facts, nodes, "nuc1", Loss::Restart), "");
        for loss in [Loss::Leaves, Loss::Entry] {
            assert_eq!(said(&facts, nodes, "nuc1", loss), "of 0 voters 0 would answer without nuc1, and 1 are needed");
        }
    }
    assert!(!only_voter(&inventory(3), &cluster(3, &[]), "nuc1"));
}

#[test]
fn beside_a_dead_voter_no_other_may_go() {
    let facts = cluster(3, &[3]);
    assert_eq!(said(&facts, 3, "nuc2", Loss::Restart), "of 3 voters 1 would answer without nuc2, and 2 are needed");
    assert_eq!(said(&facts, 3, "nuc1", Loss::Leaves), "of 2 voters 1 would answer without nuc1, and 2 are needed");
    // The dead one's own entry may go.
    assert_eq!(said(&facts, 3, "nuc3", Loss::Entry), "");
}

#[test]
fn who_does_not_vote_may_go_beside_a_dead_voter() {
    assert_eq!(said(&cluster(4, &[3]), 4, "nuc4", Loss::Restart), "");
}

#[test]
fn with_two_voters_dead_nothing_is_judged() {
    let mut facts = cluster(3, &[2, 3]);
    // Without a majority the data store tells nothing.
    node(&mut facts, "nuc1").members = None;
    let unjudged = "no control plane of this cluster answers, so its voters cannot be judged";
    assert_eq!(said(&facts, 3, "nuc1", Loss::Restart), unjudged);
    assert_eq!(said(&facts, 3, "nuc3", Loss::Entry), unjudged);
}

#[test]
fn without_the_api_the_volumes_are_not_judged() {
    let mut facts = cluster(3, &[]);
    facts.cluster = None;
    let unjudged = "the API does not answer, so the volumes cannot be judged";
    assert_eq!(said(&facts, 3, "nuc2", Loss::Restart), unjudged);
}

#[test]
fn a_volume_keeps_its_write_quorum() {
    let whole = with_volume(cluster(3, &[]), "RW", &["RW", "RW", "RW"]);
    assert_eq!(said(&whole, 3, "nuc2", Loss::Restart), "");
    let degraded = with_volume(cluster(3, &[]), "RW", &["RW", "RW", "WO"]);
    assert_eq!(
        said(&degraded, 3, "nuc2", Loss::Restart),
        "the volume of web/data would have 1 of 3 replicas without nuc2, and 2 are needed for writing"
    );
    let silent = with_volume(cluster(3, &[]), "", &[]);
    assert_eq!(said(&silent, 3, "nuc2", Loss::Leaves), "the volume of web/data does not tell its state");
    // It has none of the replicas.
    let elsewhere = with_volume(cluster(4, &[]), "RW", &["RW", "RW", "WO"]);
    assert_eq!(said(&elsewhere, 4, "nuc4", Loss::Leaves), "");
}

#[test]
fn where_a_replica_lies_must_be_known() {
    let mut facts = with_volume(cluster(4, &[]), "RW", &["RW", "RW"]);
    let storage = &mut facts.cluster.as_mut().unwrap().storage;
    storage.volumes.remove("pvc-r3");
    assert!(said(&facts, 4, "nuc4", Loss::Restart).contains("would have 1 of 3 replicas"));
    // A machine that was never a Node has none.
    facts.cluster.as_mut().unwrap().nodes.remove("nuc4");
    assert_eq!(said(&facts, 4, "nuc4", Loss::Restart), "");
}

#[test]
fn an_entry_may_go_when_the_others_hold_the_volume() {
    let others = with_volume(cluster(3, &[3]), "RW", &["RW", "RW"]);
    assert_eq!(said(&others, 3, "nuc3", Loss::Entry), "");
    let last = with_volume(cluster(3, &[3]), "RO", &["RW"]);
    assert!(said(&last, 3, "nuc3", Loss::Entry).contains("would have 1 of 3 replicas"));
    let odd = with_volume(cluster(3, &[]), "RW", &["RW", "RW", "RW"]);
    assert!(said(&odd, 3, "nuc3", Loss::Entry).contains("still counts a replica on nuc3"));
}

#[test]
fn what_lies_on_one_disk_does_not_leave() {
    let mut facts = cluster(4, &[]);
    let volume = Volume {
        claim: Some(("web".into(), "cache".into())),
        nodes: vec!["nuc4".into()],
        phase: "Bound".into(),
        ..Volume::default()
    };
    facts.cluster.as_mut().unwrap().storage.volumes.insert("pvc-l".into(), volume);
    assert_eq!(said(&facts, 4, "nuc4", Loss::Leaves), "the volume of web/cache lies on nuc4's disk alone");
    assert_eq!(said(&facts, 4, "nuc4", Loss::Restart), "");
}

#[test]
fn a_machine_of_its_own_is_free() {
    let mut facts = Facts::default();
    let seen = NodeFacts { installed: true, ..NodeFacts::default() };
    let observation = Observation::Seen(Box::new(Seen { facts: seen, checks: BTreeMap::new() }));
    facts.nodes.insert("nuc1".into(), observation);
    assert_eq!(said(&facts, 1, "nuc1", Loss::Restart), "");
}

#[test]
fn the_kinds_of_lack_are_told_apart_whatever_things_are_called() {
    let lack = |facts: &Facts, nodes, node: &str, loss| match judge(&inventory(nodes), facts, node, loss) {
        Err(Obstacle::Worse(lack, _)) => Some(lack),
        _ => None,
    };
    assert_eq!(lack(&cluster(3, &[3]), 3, "nuc2", Loss::Restart), Some(Lack::Voters));
    let mut degraded = with_volume(cluster(4, &[]), "RW", &["RW", "RW", "WO"]);
    assert_eq!(lack(&degraded, 4, "nuc2", Loss::Restart), Some(Lack::Replicas));
    let volume = Volume {
        claim: Some(("web".into(), "replicas".into())),
        nodes: vec!["nuc4".into()],
        phase: "Bound".into(),
        ..Volume::default()
    };
    degraded.cluster.as_mut().unwrap().storage.volumes.insert("pvc-l".into(), volume);
    assert_eq!(lack(&degraded, 4, "nuc4", Loss::Leaves), Some(Lack::OnlyCopy));
}
