//! Whose machine is purged, and whose is not.

use super::*;
use crate::facts::fixture::{address, cluster, inventory, node};
use crate::facts::{IdentityRecord, Member, MemberRole};

fn other_ca() -> String {
    "b".repeat(64)
}

fn member(id: u8, address: std::net::Ipv4Addr) -> Member {
    Member { id: id.into(), address, role: MemberRole::Voter }
}

/// `nuc3` is a member of a cluster with a machine that the inventory does not name.
fn moved() -> Facts {
    let mut facts = cluster(3, &[]);
    let seen = node(&mut facts, "nuc3");
    seen.ca = Some(other_ca());
    seen.members = Some(vec![member(1, address(99)), member(2, address(3))]);
    seen.info = Some(member(2, address(3)));
    facts
}

fn record(cluster: &str, ca: String) -> IdentityRecord {
    IdentityRecord { cluster: cluster.into(), ca }
}

fn refused(facts: &Facts) -> Option<String> {
    match ResetAllowed.check(&inventory(3), facts, &Place::Cluster) {
        Verdict::Holds => None,
        Verdict::Blocked { reason } => Some(reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cluster_of_ones_own_is_taken_down() {
    assert_eq!(refused(&cluster(3, &[])), None);
    assert_eq!(refused(&cluster(3, &[2])), None);
    assert_eq!(refused(&Facts { recorded_here: None, ..cluster(3, &[]) }), None, "nobody recorded it");
}

#[test]
fn a_machine_that_was_moved_is_not_with_both_readings() {
    let why = refused(&moved()).expect("it is another cluster's");
    for words in [
        "nuc3 belongs to another cluster",
        "192.168.1.99",
        "bbbbbbbbbbbb",
        "aaaaaaaaaaaa on this machine",
        "`microk8s leave` on nuc3",
    ] {
        assert!(why.contains(words), "{words}: {why}");
    }
    assert!(!why.contains("nuc1 belongs"), "{why}");
    // Its data store does not answer now: what it stored last says the same.
    let mut silent = moved();
    let seen = node(&mut silent, "nuc3");
    seen.stored_members = seen.members.take().expect("it told");
    assert!(refused(&silent).is_some());
    // homeprov set the other one up, and said so on the machine.
    let mut recorded = moved();
    node(&mut recorded, "nuc3").identity = Some(record("other", other_ca()));
    assert!(
        refused(&recorded)
            .is_some_and(|why| why.contains("bbbbbbbbbbbb (other) on nuc3") && !why.contains("nuc1 belongs"))
    );
}

#[test]
fn workers_and_sole_control_planes_of_another_cluster_count_as_well() {
    let mut facts = moved();
    let seen = node(&mut facts, "nuc3");
    (seen.worker, seen.members, seen.info) = (true, None, None);
    assert!(refused(&facts).is_some_and(|why| why.contains("a control plane it is a worker of")));
    let mut facts = moved();
    let seen = node(&mut facts, "nuc3");
    // The only control plane there: machines that joined it as workers are not in its data store.
    seen.members = Some(vec![member(1, address(3))]);
    seen.info = Some(member(1, address(3)));
    assert!(refused(&facts).is_some_and(|why| why.contains("whoever joined it once")));
}

#[test]
fn machines_alone_may_be_purged() {
    let mut facts = moved();
    let own = member(1, std::net::Ipv4Addr::LOCALHOST);
    let seen = node(&mut facts, "nuc3");
    (seen.members, seen.info) = (Some(vec![own.clone()]), Some(own.clone()));
    assert_eq!(refused(&facts), None, "it was reinstalled");
    node(&mut facts, "nuc3").info = None;
    assert_eq!(refused(&facts), None);
    node(&mut facts, "nuc3").identity = Some(record("earlier", "c".repeat(64)));
    assert_eq!(refused(&facts), None, "a record that is left says nothing of others");
    // A join that was cut off brought the authority, and no data store yet.
    let seen = node(&mut facts, "nuc3");
    (seen.ca, seen.identity, seen.ca_replaced) = (Some("a".repeat(64)), None, true);
    assert_eq!(refused(&facts), None);
    node(&mut facts, "nuc3").installed = false;
    assert_eq!(refused(&facts), None);
}

#[test]
fn which_cluster_is_meant_the_nodes_tell_where_this_machine_does_not() {
    let mut facts = Facts { recorded_here: None, ..moved() };
    node(&mut facts, "nuc1").identity = Some(record("home", "a".repeat(64)));
    node(&mut facts, "nuc3").identity = Some(record("other", other_ca()));
    let why = refused(&facts).expect("one of them is another cluster's");
    assert!(why.contains("nuc3 belongs") && !why.contains("nuc1 belongs"), "{why}");
    // Under one name nothing tells which is meant.
    node(&mut facts, "nuc3").identity = Some(record("home", other_ca()));
    let why = refused(&facts).expect("one of them is another cluster's");
    assert!(why.contains("nuc3 belongs") && why.contains("nuc1 belongs"), "{why}");
}

#[test]
fn the_only_record_may_be_of_a_cluster_that_has_nothing_to_do_with_the_inventory() {
    let mut facts = Facts { recorded_here: None, ..moved() };
    for name in ["nuc1", "nuc2"] {
        let off = crate::facts::Observation::Unreachable { reason: "off".into(), passes: true };
        facts.nodes.insert(name.into(), off);
    }
    node(&mut facts, "nuc3").identity = Some(record("other", other_ca()));
    assert!(refused(&facts).is_some());
    // A cluster may have been given another name.
    let mut renamed = Facts { recorded_here: None, ..cluster(3, &[2]) };
    node(&mut renamed, "nuc1").identity = Some(record("other", "a".repeat(64)));
    assert_eq!(refused(&renamed), None);
}

#[test]
fn a_second_data_store_under_the_same_authority_is_another_cluster() {
    let mut facts = moved();
    node(&mut facts, "nuc3").ca = Some("a".repeat(64));
    for name in ["nuc1", "nuc2"] {
        node(&mut facts, name).members = Some(vec![member(1, address(1)), member(2, address(2))]);
    }
    assert!(refused(&facts).is_some());
    // One that was removed and lists who is in the inventory only is this cluster's.
    node(&mut facts, "nuc3").members = Some((1..=3).map(|n| member(n, address(n))).collect());
    assert_eq!(refused(&facts), None);
}

#[test]
fn what_stays_behind_is_told() {
    assert_eq!(left_behind(&inventory(3), &cluster(3, &[])), Vec::<String>::new());
    let lines = left_behind(&inventory(3), &moved());
    assert_eq!(lines, ["nuc3 is in a cluster with 192.168.1.99, not in the inventory: it is left without nuc3"]);
    let mut facts = moved();
    node(&mut facts, "nuc3").worker = true;
    assert!(left_behind(&inventory(3), &facts)[0].contains("nuc3 is a worker of a control plane that is not"));
}
