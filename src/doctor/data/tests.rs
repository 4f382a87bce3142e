//! What may wipe a site's data, told from facts.

use super::super::{Extra, examine};
use super::*;
use crate::facts::storage::{Claim, Volume};
use crate::facts::{Facts, StorageFacts};
use crate::steps::mastodon::fixture;
use crate::steps::storage::fixture::with as with_storage;

/// A site on volumes as homeprov makes them, applied by Flux.
fn site() -> Facts {
    let mut facts = fixture::facts();
    let cluster = facts.cluster.as_mut().expect("a cluster");
    cluster.storage = with_storage(|_| ()).cluster.expect("a cluster").storage;
    let storage = &mut cluster.storage;
    let mut add = |namespace: &str, claim: &str, volume: &str, class: &str, policy: &str| {
        storage.claims.push(Claim {
            namespace: namespace.into(),
            name: claim.into(),
            volume: Some(volume.into()),
            ..Claim::default()
        });
        let made = Volume {
            claim: Some((namespace.into(), claim.into())),
            class: class.into(),
            phase: "Bound".into(),
            reclaim_policy: policy.into(),
            ..Volume::default()
        };
        storage.volumes.insert(volume.into(), made);
    };
    add("mastodon", "mastodon-system", "pvc-1", "openebs-rwx", "Retain");
    add("openebs", "nfs-pvc-1", "pvc-2", "homeprov-jiva-retain", "Retain");
    // The replicas of its volumes, and somebody else's volume.
    add("openebs", "openebs-pvc-2-jiva-rep-1", "pvc-3", "openebs-hostpath", "Delete");
    add("play", "data", "pvc-4", "openebs-jiva-csi-default", "Delete");
    let flux = cluster.flux.as_mut().expect("Flux");
    flux.kustomizations.get_mut("flux-system/mastodon").expect("it is there").prunes = true;
    facts
}

fn storage(facts: &mut Facts) -> &mut StorageFacts {
    &mut facts.cluster.as_mut().expect("a cluster").storage
}

/// What these traps find: the check's name and what was seen.
fn found(change: impl FnOnce(&mut Facts)) -> Vec<(&'static str, String)> {
    let mut facts = site();
    change(&mut facts);
    let (inventory, extra) = (fixture::inventory(), Extra::default());
    let sight = Sight { inventory: &inventory, facts: &facts, extra: &extra, path: "home.toml" };
    let own = |check: &str| TRAPS.iter().any(|trap| trap.name == check);
    let findings = examine(&sight).into_iter().filter(|finding| own(finding.check));
    findings.map(|finding| (finding.check, finding.evidence)).collect()
}

#[test]
fn a_site_as_homeprov_makes_it_has_none() {
    assert_eq!(found(|_| ()), []);
}

#[test]
fn the_volume_of_a_share_and_the_one_behind_it_are_to_be_kept() {
    for volume in ["pvc-1", "pvc-2"] {
        let seen = found(|facts| {
            storage(facts).volumes.get_mut(volume).expect("it is there").reclaim_policy = "Delete".into();
        });
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!(seen[0].0, "volume-not-retained");
        assert!(seen[0].1.starts_with(&format!("volume {volume} of mastodon/mastodon-system")), "{seen:?}");
    }
}

#[test]
fn what_flux_may_remove_is_named() {
    let by = || Some("flux-system/mastodon".to_owned());
    let claim = found(|facts| storage(facts).claims.iter_mut().for_each(|claim| claim.pruned_by = by()));
    assert_eq!(claim.len(), 1, "{claim:?}");
    assert!(claim[0].0 == "data-pruned" && claim[0].1.starts_with("`-n mastodon pvc mastodon-system`"), "{claim:?}");
    let namespace = found(|facts| {
        let site = facts.cluster.as_mut().and_then(|cluster| cluster.mastodon.as_mut());
        site.expect("a site").namespace_pruned_by = by();
    });
    assert!(namespace[0].1.starts_with("`namespace mastodon`"), "{namespace:?}");
    let release = |prunes| {
        found(|facts| {
            let flux = facts.cluster.as_mut().and_then(|cluster| cluster.flux.as_mut()).expect("Flux");
            flux.helm_releases.get_mut("mastodon/mastodon").expect("it is there").pruned_by = by();
            flux.kustomizations.get_mut("flux-system/mastodon").expect("it is there").prunes = prunes;
        })
    };
    assert!(release(true)[0].1.starts_with("`-n mastodon helmrelease mastodon`"));
    assert_eq!(release(false), [], "that Kustomization removes nothing");
}

#[test]
fn a_release_that_uninstalls_is_named() {
    let seen = found(|facts| {
        let flux = facts.cluster.as_mut().and_then(|cluster| cluster.flux.as_mut()).expect("Flux");
        let release = flux.helm_releases.get_mut("mastodon/mastodon").expect("it is there");
        release.uninstalled_by = vec!["spec.install.remediation".into()];
    });
    assert_eq!(seen, [("release-uninstalled", "helmrelease mastodon/mastodon: spec.install.remediation".to_owned())]);
}

#[test]
fn a_share_that_is_roots_is_named() {
    let seen = found(|facts| storage(facts).classes.get_mut(RWX).expect("it is there").openebs.permissions.clear());
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen[0].0 == "share-not-writable" && seen[0].1.contains("names no owner"), "{seen:?}");
    // The stock class is another trap, and is made anew as a whole.
    let stock = found(|facts| {
        let class = storage(facts).classes.get_mut(RWX).expect("it is there");
        class.openebs.permissions.clear();
        class.openebs.backend = Some("openebs-hostpath".into());
    });
    assert_eq!(stock, []);
}
