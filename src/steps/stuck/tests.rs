//! Findings and their proof, told from facts.

use super::*;
use crate::facts::fixture::{self, cluster};
use crate::facts::storage::{Claim, JivaVolume, Replica};
use crate::facts::stuck::{HeldMount, Holds, StuckFacts, StuckPod};

const NOW: &str = "2026-01-01T12:00:00Z";
const IQN: &str = "tcp: [1] 10.152.183.9:3260,1 iqn.2016-09.com.openebs.jiva:pvc-1 (non-flash)";

fn minutes_ago(minutes: i64) -> jiff::Timestamp {
    NOW.parse::<jiff::Timestamp>().unwrap() - jiff::SignedDuration::from_mins(minutes)
}

/// Three control planes, those in `dead` silent for an hour, and a volume of `default/data` that names nuc2.
fn seen(dead: &[u8], modes: &[&str]) -> (Inventory, Facts) {
    let mut facts = cluster(3, dead);
    let mut stuck = StuckFacts { at: NOW.parse().unwrap(), ..StuckFacts::default() };
    for number in (1..=3).filter(|number| !dead.contains(number)) {
        stuck.holds.insert(format!("nuc{number}"), Holds::default());
        let up = (1..=3).filter(|other| !dead.contains(other) && *other != number);
        let heard = up.map(|other| (fixture::address(other), format!("02:00:00:00:00:0{other}"))).collect();
        stuck.heard.by.insert(format!("nuc{number}"), heard);
    }
    stuck.heard.asked = dead.iter().map(|number| fixture::address(*number)).collect();
    let known = facts.cluster.as_mut().unwrap();
    for number in dead {
        known.nodes.get_mut(&format!("nuc{number}")).unwrap().not_ready_since = Some(minutes_ago(60));
    }
    let replicas = modes
        .iter()
        .zip(1..)
        .map(|(mode, number)| Replica { address: format!("tcp://10.1.{number}.7:9502"), mode: (*mode).to_owned() });
    let volume = JivaVolume {
        namespace: "openebs".into(),
        capacity: "1Gi".into(),
        replication_factor: 3,
        status: if modes.iter().filter(|mode| **mode == "RW").count() > 1 { "RW" } else { "RO" }.into(),
        replicas: replicas.collect(),
        node: Some("nuc2".into()),
        ..JivaVolume::default()
    };
    known.storage.jiva_volumes.insert("pvc-1".into(), volume);
    known.storage.claims.push(Claim {
        namespace: "default".into(),
        name: "data".into(),
        volume: Some("pvc-1".into()),
        ..Claim::default()
    });
    facts.stuck = Some(stuck);
    (fixture::inventory(3), facts)
}

fn stuck(facts: &mut Facts) -> &mut StuckFacts {
    facts.stuck.as_mut().unwrap()
}

fn user(node: &str) -> StuckPod {
    StuckPod {
        namespace: "default".into(),
        name: "web".into(),
        uid: "0d5c2f6a-1111-4222-8333-444455556666".into(),
        node: Some(node.into()),
        claims: vec!["data".into()],
        owner: Some("ReplicaSet".into()),
        ready: true,
        ..StuckPod::default()
    }
}

fn replica(number: u8, minutes: i64) -> StuckPod {
    StuckPod {
        namespace: "openebs".into(),
        name: format!("pvc-1-jiva-rep-{}", number - 1),
        node: Some(format!("nuc{number}")),
        address: Some(format!("10.1.{number}.7")),
        runs_since: Some(minutes_ago(minutes)),
        volume: Some("pvc-1".into()),
        component: Some("jiva-replica".into()),
        ..StuckPod::default()
    }
}

fn only(kind: Kind, inventory: &Inventory, facts: &Facts) -> Finding {
    let mut found = kind.findings(inventory, facts);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

fn because(finding: &Finding, given: bool) -> &str {
    match (&finding.proof, given) {
        (Proof::Given { because }, true) | (Proof::Missing { because, .. }, false) => because,
        _ => panic!("{finding:#?}"),
    }
}

#[test]
fn an_owner_is_wrong_only_when_no_pod_there_uses_the_volume() {
    let (inventory, mut facts) = seen(&[], &["RW"; 3]);
    let finding = only(Kind::StaleOwner, &inventory, &facts);
    assert!(because(&finding, true).contains("neither a mount nor an iSCSI session"));
    stuck(&mut facts).pods.push(user("nuc2"));
    assert_eq!(Kind::StaleOwner.findings(&inventory, &facts), vec![]);
}

#[test]
fn a_mount_or_a_session_alone_is_enough_to_leave_it() {
    let mount = HeldMount {
        path: "/var/snap/microk8s/common/var/lib/kubelet/pods/u/volumes/kubernetes.io~csi/pvc-1/mount".into(),
        source: "/dev/sdb".into(),
        read_only: false,
    };
    for (mounts, sessions) in [(vec![mount], vec![]), (vec![], vec![IQN.to_owned()])] {
        let (inventory, mut facts) = seen(&[], &["RW"; 3]);
        *stuck(&mut facts).holds.get_mut("nuc2").unwrap() = Holds { mounts, sessions, ..Holds::default() };
        let finding = only(Kind::StaleOwner, &inventory, &facts);
        assert!(because(&finding, false).starts_with("nuc2 holds it: "), "{finding:#?}");
    }
}

#[test]
fn a_node_that_could_not_be_looked_at_proves_nothing() {
    let (inventory, mut facts) = seen(&[], &["RW"; 3]);
    stuck(&mut facts).holds.remove("nuc2");
    stuck(&mut facts).not_looked.insert("nuc2".into(), "its mounts could not be read".into());
    assert!(because(&only(Kind::StaleOwner, &inventory, &facts), false).contains("its mounts could not be read"));
}

#[test]
fn the_name_of_the_node_that_has_it_is_written_and_two_are_left_alone() {
    let (inventory, mut facts) = seen(&[], &["RW"; 3]);
    let held = Holds { sessions: vec![IQN.to_owned()], ..Holds::default() };
    stuck(&mut facts).holds.insert("nuc3".into(), held.clone());
    let Act::SetOwner { to, .. } = only(Kind::StaleOwner, &inventory, &facts).act else { panic!("an owner") };
    assert_eq!(to.as_deref(), Some("nuc3"));
    stuck(&mut facts).holds.insert("nuc1".into(), held);
    assert!(because(&only(Kind::StaleOwner, &inventory, &facts), false).contains("is not for homeprov to say"));
}

#[test]
fn off_is_who_nobody_hears_for_long_enough() {
    let (inventory, mut facts) = seen(&[2], &["RW", "RW"]);
    assert!(because(&only(Kind::StaleOwner, &inventory, &facts), true).contains("asked by ARP from nuc1 and nuc3"));
    // A minute is not long enough: its kernel may write still.
    let node = facts.cluster.as_mut().unwrap().nodes.get_mut("nuc2").unwrap();
    node.not_ready_since = Some(minutes_ago(1));
    assert!(because(&only(Kind::StaleOwner, &inventory, &facts), false).contains("silent for 60 s only"));
    // Somebody answers.
    stuck(&mut facts).heard.by.get_mut("nuc1").unwrap().insert(fixture::address(2), "02:aa".into());
    assert!(because(&only(Kind::StaleOwner, &inventory, &facts), false).contains("02:aa answers for 192.168.1.2"));
    // Nobody could ask.
    stuck(&mut facts).heard.by.clear();
    assert!(because(&only(Kind::StaleOwner, &inventory, &facts), false).contains("cannot be told"));
}

#[test]
fn a_pod_that_is_to_end_is_late_after_a_minute_and_gone_when_nothing_runs() {
    let (inventory, mut facts) = seen(&[], &["RW"; 3]);
    stuck(&mut facts).pods.push(StuckPod { ends_at: Some(minutes_ago(0)), ..user("nuc2") });
    assert_eq!(Kind::PodTerminating.findings(&inventory, &facts), vec![]);
    stuck(&mut facts).pods[0].ends_at = Some(minutes_ago(5));
    because(&only(Kind::PodTerminating, &inventory, &facts), true);
    let process =
        crate::facts::stuck::Process { uid: user("nuc2").uid, container: "c0ffee".into(), pid: 4711, age: 900 };
    stuck(&mut facts).holds.get_mut("nuc2").unwrap().processes.push(process);
    assert!(because(&only(Kind::PodTerminating, &inventory, &facts), false).contains("process 4711"));
}

#[test]
fn a_replica_goes_only_while_the_others_are_a_write_quorum() {
    let (inventory, mut facts) = seen(&[], &["RW", "RW", "WO"]);
    let target = StuckPod { component: Some("jiva-controller".into()), name: "ctrl".into(), ..replica(1, 600) };
    stuck(&mut facts).pods.extend([target, replica(1, 600), replica(2, 600), replica(3, 600)]);
    let finding = only(Kind::ReplicaBehind, &inventory, &facts);
    assert!(finding.seen.contains("pvc-1-jiva-rep-2") && because(&finding, true).contains("2 are a write quorum"));
    // Its controller has just started: it has its time again.
    stuck(&mut facts).pods[0].runs_since = Some(minutes_ago(3));
    assert_eq!(Kind::ReplicaBehind.findings(&inventory, &facts), vec![]);
    let (inventory, mut facts) = seen(&[], &["RW", "WO", "WO"]);
    let target = StuckPod { component: Some("jiva-controller".into()), name: "ctrl".into(), ..replica(1, 600) };
    stuck(&mut facts).pods.extend([target, replica(1, 600), replica(2, 600), replica(3, 600)]);
    for finding in Kind::ReplicaBehind.findings(&inventory, &facts) {
        assert!(because(&finding, false).starts_with("1 of 3 replicas are RW, and 2 are needed"));
    }
}

#[test]
fn a_larger_volume_is_given_more_time() {
    let volume = |capacity: &str| JivaVolume { capacity: capacity.into(), ..JivaVolume::default() };
    let (small, large) = (replicas_patience(&volume("1Gi")), replicas_patience(&volume("100Gi")));
    assert!(small < Duration::from_secs(20 * 60) && large > Duration::from_secs(3 * 3600), "{small:?} {large:?}");
}

fn replicas_patience(volume: &JivaVolume) -> Duration {
    super::replicas::patience(volume)
}

#[test]
fn what_is_left_keeps_nothing_else_from_being_mended() {
    let (inventory, mut facts) = seen(&[], &["RW"; 3]);
    let mending = Mending::new(true);
    facts.mending = Some(mending.clone());
    assert!(matches!(Kind::StaleOwner.check(&inventory, &facts, &Place::Cluster), Verdict::Differs { .. }));
    mending.tell(&only(Kind::StaleOwner, &inventory, &facts).id(), Told::Declined);
    assert!(matches!(Kind::StaleOwner.check(&inventory, &facts, &Place::Cluster), Verdict::Waits { .. }));
    facts.mending = Some(Mending::new(false));
    assert!(matches!(Kind::StaleOwner.check(&inventory, &facts, &Place::Cluster), Verdict::Waits { .. }));
}
