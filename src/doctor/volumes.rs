//! Traps of volumes that are there.

use std::collections::BTreeSet;

use super::{Sight, Sighting, Trap};
use crate::facts::storage::JivaVolume;

pub(super) const TRAPS: &[Trap] = &[
    Trap {
        name: "volume-read-only",
        symptom: "the application says \"read-only file system\", a database recovers again and again",
        cause: "fewer than the quorum of a volume's replicas can be written, or a slow one made the target time out",
        link: "https://github.com/openebs/openebs/issues/2854",
        look: read_only,
    },
    Trap {
        name: "replica-not-writable",
        symptom: "a volume works, and turns read-only when the next node fails",
        cause: "a replica is being rebuilt, which it may never end with: it stays write-only",
        link: "https://github.com/openebs/openebs/issues/3427",
        look: write_only,
    },
    Trap {
        name: "replica-missing",
        symptom: "a volume works, and turns read-only when the next node fails",
        cause: "a replica is not connected: its node is away, its pod does not run, or there are fewer nodes than replicas",
        link: "https://github.com/openebs/openebs/issues/1383",
        look: missing,
    },
    Trap {
        name: "stale-mount-owner",
        symptom: "a pod waits in ContainerCreating with \"volume … is already mounted at more than one place\"",
        cause: "the driver has written down which node has the volume mounted, and that is no longer so",
        link: "https://github.com/openebs/openebs/issues/2536",
        look: stale_owner,
    },
];

/// The Jiva volumes whose controller answers, with the name of whose data they hold.
fn volumes<'a>(sight: &Sight<'a>) -> impl Iterator<Item = (&'a str, &'a JivaVolume, String)> {
    let storage = sight.storage();
    let all = storage.into_iter().flat_map(|storage| storage.jiva_volumes.iter().map(move |entry| (storage, entry)));
    let answering = all.filter(|(_, (_, volume))| !volume.status.is_empty());
    answering.map(|(storage, (name, volume))| {
        let claim = storage.user_claim_of(name).map(|claim| format!(" ({}/{})", claim.namespace, claim.name));
        (name.as_str(), volume, format!("{name}{}", claim.unwrap_or_default()))
    })
}

/// `3 of 3 replicas RW`, or how else they are.
fn modes(volume: &JivaVolume) -> String {
    let modes: Vec<&str> = volume
        .replicas
        .iter()
        .map(|replica| if replica.mode.is_empty() { "connecting" } else { &replica.mode })
        .collect();
    format!("{} of {} replicas RW (connected: {})", volume.working(), volume.replication_factor, modes.join(", "))
}

fn is_read_only(volume: &JivaVolume) -> bool {
    volume.status == "RO" || volume.working() < volume.quorum()
}

fn read_only(sight: &Sight<'_>) -> Vec<Sighting> {
    let stuck = volumes(sight).filter(|(_, volume, _)| is_read_only(volume));
    stuck
        .map(|(_, volume, shown)| {
            Sighting::of_cluster(
                format!("{shown} is {}: {}", volume.status, modes(volume)),
                format!(
                    "bring the nodes of its replicas back and wait until `microk8s kubectl -n {} get jivavolumes` says RW; then restart the \
                     pods that use it: they stay read-only until they mount it again",
                    volume.namespace
                ),
            )
        })
        .collect()
}

fn write_only(sight: &Sight<'_>) -> Vec<Sighting> {
    let rebuilt = volumes(sight).filter(|(_, volume, _)| volume.replicas.iter().any(|replica| replica.mode == "WO"));
    rebuilt
        .map(|(name, volume, shown)| {
            let namespace = &volume.namespace;
            Sighting::of_cluster(
                format!("{shown}: {}", modes(volume)),
                format!(
                    "wait while it copies. If it stays so with the others RW, restart its controller: `microk8s kubectl -n {namespace} \
                     delete pod -l openebs.io/persistent-volume={name},openebs.io/component=jiva-controller`"
                ),
            )
        })
        .collect()
}

fn missing(sight: &Sight<'_>) -> Vec<Sighting> {
    let lacking = volumes(sight).filter(|(_, volume, _)| {
        usize::try_from(volume.replication_factor).is_ok_and(|wanted| volume.replicas.len() < wanted)
    });
    lacking
        .map(|(name, volume, shown)| {
            let nodes = sight.storage().map(|storage| storage.replica_nodes(name)).unwrap_or_default();
            Sighting::of_cluster(
                format!("{shown}: {}; replicas lie on {}", modes(volume), nodes.join(", ")),
                format!(
                    "`microk8s kubectl -n {} get pods -o wide -l openebs.io/persistent-volume={name}` shows which one; bring its node back. \
                     Touch no other node before all are RW",
                    volume.namespace
                ),
            )
        })
        .collect()
}

fn stale_owner(sight: &Sight<'_>) -> Vec<Sighting> {
    let Some(storage) = sight.storage() else { return Vec::new() };
    let stale = storage.jiva_volumes.iter().filter_map(|(name, volume)| {
        let owner = volume.node.as_deref()?;
        let claim = storage.claim_of(name)?;
        let users: BTreeSet<&str> = sight
            .extra
            .pods
            .iter()
            .filter(|pod| !pod.ended && pod.namespace == claim.namespace && pod.claims.contains(&claim.name))
            .filter_map(|pod| pod.node.as_deref())
            .collect();
        (!users.contains(owner)).then(|| {
            let wanted = if users.is_empty() {
                "no pod uses it".to_owned()
            } else {
                format!("the pods that use it are on {}", users.into_iter().collect::<Vec<_>>().join(", "))
            };
            Sighting::on(
                owner,
                format!("JivaVolume {name} of {}/{} names {owner}, and {wanted}", claim.namespace, claim.name),
                format!(
                    "look again in a minute. If it stays so: {} takes it off once {owner} has let go of it. By hand, if on {owner} neither \
                     `findmnt | grep {name}` nor `iscsiadm -m session | grep {name}` prints anything: `microk8s kubectl -n {} label \
                     jivavolume {name} nodeID-` and empty its spec.mountInfo; otherwise restart {owner}",
                    sight.homeprov(&["repair"]),
                    volume.namespace
                ),
            )
        })
    });
    stale.collect()
}
