use super::*;
use crate::facts::fixture::{address, cluster, inventory};
use crate::facts::storage::{Claim, JivaVolume, Replica, Volume};
use crate::facts::{MetallbFacts, StorageFacts};
use crate::inventory::model::Access;
use crate::status::Conclusion;
use crate::status::margin::Subject;
use crate::steps::mastodon::fixture as with_site;

fn api(nodes: u8, dead: &[u8]) -> NodeMargin {
    api::margin(&inventory(nodes), &cluster(nodes, dead))
}

/// A cluster in which only the first node votes, as of two or of one.
fn one_vote(nodes: u8) -> (Inventory, Facts) {
    use crate::facts::MemberRole::{Spare, Voter};
    let mut facts = cluster(nodes, &[]);
    for number in 1..=nodes {
        let seen = crate::facts::fixture::node(&mut facts, &format!("nuc{number}"));
        for member in seen.members.iter_mut().flatten() {
            member.role = if member.address == address(1) { Voter } else { Spare };
        }
    }
    (inventory(nodes), facts)
}

#[test]
fn the_api_needs_a_majority_of_the_listed_voters() {
    for (nodes, dead, may_fail) in [(3, &[][..], 1), (3, &[3][..], 0), (5, &[], 1), (5, &[5], 1)] {
        let margin = api(nodes, dead);
        assert_eq!(
            (margin.stands, margin.nodes),
            (Conclusion::Yes, Some(may_fail)),
            "{nodes} without {dead:?}: {margin:?}"
        );
    }
    assert_eq!(api(3, &[3]).limit, "2 of 3 voters answer (nuc3 not), and 2 must");
    let five = api(5, &[]);
    assert_eq!(five.limit, "3 of 3 voters answer, and 2 must; a stand-by takes a lost voter's place within a minute");
    for (nodes, words) in [(1, "nuc1 is the only control plane"), (2, "nuc1 alone votes")] {
        let (inventory, facts) = one_vote(nodes);
        let margin = api::margin(&inventory, &facts);
        assert_eq!(margin.nodes, Some(0), "{margin:?}");
        assert!(margin.limit.contains(words), "{margin:?}");
    }
}

#[test]
fn without_a_majority_the_api_has_stopped() {
    let margin = api(3, &[2, 3]);
    assert_eq!((margin.stands, margin.nodes), (Conclusion::No, None));
    assert!(margin.limit.contains("1 of 3 voters answer (nuc2, nuc3 not), and 2 must"), "{margin:?}");
    assert_eq!(api(3, &[1, 2, 3]).stands, Conclusion::No);
}

#[test]
fn no_cluster_has_no_margins() {
    assert_eq!(describe(&inventory(3), &Facts::default()), vec![]);
}

/// A Jiva volume with a replica on each of these nodes, in these modes.
fn with_volume(storage: &mut StorageFacts, name: &str, claim: (&str, &str), replicas: &[(&str, &str)]) {
    let bound = |namespace: &str, name: &str, volume: &str| Claim {
        namespace: namespace.into(),
        name: name.into(),
        volume: Some(volume.into()),
        ..Claim::default()
    };
    storage.claims.push(bound(claim.0, claim.1, name));
    storage.volumes.insert(name.into(), Volume::default());
    for (number, (node, _)) in replicas.iter().enumerate() {
        let (own, behind) = (format!("openebs-{name}-jiva-rep-{number}"), format!("{name}-rep-{number}"));
        storage.claims.push(bound("openebs", &own, &behind));
        let claim = Some(("openebs".to_owned(), own));
        storage.volumes.insert(behind, Volume { claim, nodes: vec![(*node).into()], ..Volume::default() });
    }
    let connected = replicas.iter().filter(|(_, mode)| !mode.is_empty());
    let volume = JivaVolume {
        replication_factor: u32::try_from(replicas.len()).unwrap(),
        status: "RW".into(),
        replicas: connected.map(|(_, mode)| Replica { address: String::new(), mode: (*mode).into() }).collect(),
        ..JivaVolume::default()
    };
    storage.jiva_volumes.insert(name.into(), volume);
}

/// The margin of a volume with a replica on each of these nodes, all of which are up but those in `dead`.
fn volume(replicas: &[(&str, &str)], dead: &[u8]) -> NodeMargin {
    let mut facts = cluster(5, dead);
    let cluster = facts.cluster.as_mut().unwrap();
    with_volume(&mut cluster.storage, "pvc-1", ("default", "data"), replicas);
    let mut margins = volume::margins(cluster);
    assert_eq!(margins.len(), 1, "replicas are no volumes of their own: {margins:?}");
    margins.remove(0)
}

#[test]
fn a_volume_counts_nodes_and_not_replicas() {
    let apart = [("nuc1", "RW"), ("nuc2", "RW"), ("nuc3", "RW")];
    let margin = volume(&apart, &[]);
    assert_eq!((margin.name.as_deref(), margin.nodes), (Some("default/data"), Some(1)));
    assert_eq!(margin.limit, "3 of 3 replicas are RW, and 2 must be");
    // Two on one node: its loss takes both.
    let crowded = volume(&[("nuc1", "RW"), ("nuc1", "RW"), ("nuc3", "RW")], &[]);
    assert_eq!(crowded.nodes, Some(0));
    assert!(crowded.limit.ends_with("2 of them are on nuc1"), "{crowded:?}");
    let five = [("nuc1", "RW"), ("nuc2", "RW"), ("nuc3", "RW"), ("nuc4", "RW"), ("nuc5", "RW")];
    assert_eq!(volume(&five, &[]).nodes, Some(2));
}

#[test]
fn a_replica_that_is_not_rw_does_not_count() {
    let rebuilt = [("nuc1", "RW"), ("nuc2", "RW"), ("nuc3", "WO")];
    assert_eq!(volume(&rebuilt, &[]).nodes, Some(0));
    let lost = [("nuc1", "RW"), ("nuc2", "RW"), ("nuc3", "")];
    assert_eq!(volume(&lost, &[3]).nodes, Some(0));
    let last = volume(&[("nuc1", "RW"), ("nuc2", ""), ("nuc3", "")], &[2, 3]);
    assert_eq!((last.stands, last.nodes), (Conclusion::No, None));
    let two = volume(&[("nuc1", "RW"), ("nuc2", "RW")], &[]);
    assert_eq!((two.nodes, two.limit.as_str()), (Some(0), "2 of 2 replicas are RW, and 2 must be"));
    assert_eq!(volume(&[("nuc2", "RW")], &[]).limit, "its one replica is on nuc2");
}

#[test]
fn a_volume_in_a_folder_lies_on_one_node() {
    let mut facts = cluster(3, &[]);
    let found = facts.cluster.as_mut().unwrap();
    found.storage.volumes.insert("pvc-1".into(), Volume { nodes: vec!["nuc2".into()], ..Volume::default() });
    found.storage.volumes.insert("pvc-2".into(), Volume::default());
    let margins = volume::margins(found);
    assert_eq!((margins[0].nodes, margins[0].limit.as_str()), (Some(0), "it lies on nuc2 alone"));
    assert_eq!((margins[1].stands, margins[1].nodes), (Conclusion::Unknown, None));
}

/// Three nodes and a site, all volumes on all nodes.
fn site() -> (Inventory, Facts) {
    let mut inventory = with_site::inventory();
    for (node, number) in inventory.nodes.iter_mut().zip(1..) {
        node.address = address(number);
    }
    let mut facts = cluster(3, &[]);
    let found = facts.cluster.as_mut().unwrap();
    found.mastodon = with_site::facts().cluster.unwrap().mastodon;
    found.metallb =
        Some(MetallbFacts { speakers: vec!["nuc1".into(), "nuc2".into(), "nuc3".into()], ..MetallbFacts::default() });
    let apart = [("nuc1", "RW"), ("nuc2", "RW"), ("nuc3", "RW")];
    for (number, claim) in ["data-mastodon-postgresql-0", "redis-data-mastodon-redis-master-0"].iter().enumerate() {
        with_volume(&mut found.storage, &format!("pvc-{number}"), ("mastodon", claim), &apart);
    }
    for (number, claim) in ["mastodon-assets", "mastodon-system"].iter().enumerate() {
        // A share, and the volume its server has mounted.
        let share = format!("share-{number}");
        with_volume(&mut found.storage, &format!("backing-{number}"), ("openebs", &format!("nfs-{share}")), &apart);
        let claim = Claim {
            namespace: "mastodon".into(),
            name: (*claim).into(),
            volume: Some(share.clone()),
            ..Claim::default()
        };
        found.storage.claims.push(claim);
        found.storage.volumes.insert(share, Volume { nfs_server: Some("10.152.183.7".into()), ..Volume::default() });
    }
    (inventory, facts)
}

fn of_site(inventory: &Inventory, facts: &Facts) -> NodeMargin {
    let margins = describe(inventory, facts);
    let site = margins.into_iter().find(|margin| margin.of == Subject::Site);
    site.expect("there is a site")
}

#[test]
fn a_site_stands_as_long_as_what_it_needs_most() {
    let (inventory, facts) = site();
    let margin = of_site(&inventory, &facts);
    assert_eq!((margin.stands, margin.nodes), (Conclusion::Yes, Some(1)));
    assert!(margin.limit.starts_with("the API: 3 of 3 voters answer"), "{margin:?}");
    assert!(margin.limit.contains("NFS server"), "{margin:?}");
}

#[test]
fn the_database_on_one_node_is_what_limits_the_site() {
    let (inventory, mut facts) = site();
    let storage = &mut facts.cluster.as_mut().unwrap().storage;
    storage.jiva_volumes.remove("pvc-0");
    storage.volumes.get_mut("pvc-0").unwrap().nodes = vec!["nuc2".into()];
    let margin = of_site(&inventory, &facts);
    assert_eq!(margin.nodes, Some(0));
    assert!(margin.limit.starts_with("its database (data-mastodon-postgresql-0): it lies on nuc2 alone"), "{margin:?}");
}

#[test]
fn a_share_is_as_safe_as_the_volume_behind_it() {
    let (inventory, mut facts) = site();
    let storage = &mut facts.cluster.as_mut().unwrap().storage;
    storage.jiva_volumes.get_mut("backing-1").unwrap().replicas[0].mode = "WO".into();
    let margin = of_site(&inventory, &facts);
    assert_eq!(margin.nodes, Some(0));
    assert!(margin.limit.starts_with("its media (mastodon-system): 2 of 3 replicas are RW"), "{margin:?}");
    // Nobody reads a file from a read-only database.
    facts.cluster.as_mut().unwrap().storage.jiva_volumes.get_mut("pvc-0").unwrap().status = "RO".into();
    let margin = of_site(&inventory, &facts);
    assert_eq!((margin.stands, margin.nodes), (Conclusion::No, None));
    assert!(margin.limit.starts_with("its database"), "{margin:?}");
}

#[test]
fn whoever_announces_the_site_counts() {
    let (mut inventory, mut facts) = site();
    let found = facts.cluster.as_mut().unwrap();
    found.metallb.as_mut().unwrap().speakers = vec!["nuc1".into()];
    let margin = of_site(&inventory, &facts);
    assert_eq!(margin.nodes, Some(0));
    assert!(margin.limit.starts_with("of all nodes nuc1 alone is seen to announce its address"), "{margin:?}");
    // Only nodes with a pod of the controller may announce: there is none left.
    let found = facts.cluster.as_mut().unwrap();
    let ingress = &mut found.mastodon.as_mut().unwrap().ingress;
    ingress.services[0].any_node = false;
    ingress.controller.as_mut().unwrap().ready_on.remove("nuc1");
    assert_eq!(of_site(&inventory, &facts).stands, Conclusion::No);
    inventory.mastodon.as_mut().unwrap().access = Access::Rwo;
    assert!(of_site(&inventory, &facts).limit.contains("share one node"));
}

#[test]
fn with_a_node_lost_the_site_has_no_margin_left() {
    let (inventory, mut facts) = site();
    let lost = cluster(3, &[3]);
    facts.nodes = lost.nodes;
    facts.cluster.as_mut().unwrap().nodes = lost.cluster.unwrap().nodes;
    let margin = of_site(&inventory, &facts);
    assert_eq!(margin.nodes, Some(0));
    assert!(margin.limit.starts_with("the API: 2 of 3 voters answer (nuc3 not)"), "{margin:?}");
}
