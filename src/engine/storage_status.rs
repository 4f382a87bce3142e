//! How storage stands, from one observation.

use crate::facts::storage::{JivaVolume, Volume};
use crate::facts::{Facts, StorageFacts};
use crate::inventory::model::{Engine, Inventory};
use crate::inventory::storage::classes;
use crate::plan::{Place, Verdict};
use crate::status::storage::{Access, ClassStatus, Margin, StorageStatus, VolumeStatus};
use crate::status::{Conclusion, Probe};
use crate::steps::storage::kubelet_directory::KubeletDirectory;
use crate::steps::storage::rwx_class::wrong_backend;
use crate::steps::{RustStep, storage_proven};

/// Classes and volumes; none where storage is left alone or the API gave nothing.
pub(super) fn describe(inventory: &Inventory, facts: &Facts) -> Option<StorageStatus> {
    if inventory.storage.engine == Engine::None {
        return None;
    }
    let seen = &facts.cluster.as_ref()?.storage;
    let volumes = seen.volumes.iter().filter(|(name, volume)| !lies_behind(seen, name, volume));
    Some(StorageStatus {
        engine: inventory.storage.engine,
        replicas: inventory.storage.replicas,
        classes: seen.classes.keys().map(|name| class(inventory, seen, name)).collect(),
        volumes: volumes.map(|(name, volume)| volume_status(seen, name, volume)).collect(),
        proof: storage_proven::valid_record(inventory, facts).map(|record| Probe {
            verdict: Conclusion::Yes,
            at: record.at,
            evidence: record.evidence.iter().chain(&record.not_tried).cloned().collect(),
        }),
    })
}

/// What the user should know: where bytes would not go where they should, and volumes unlike new ones.
pub(super) fn warnings(inventory: &Inventory, facts: &Facts) -> Vec<String> {
    let storage = &inventory.storage;
    let Some(seen) = facts.cluster.as_ref().map(|cluster| &cluster.storage) else { return Vec::new() };
    if storage.engine != Engine::Jiva {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    if let Verdict::Differs { why } | Verdict::Blocked { reason: why } =
        KubeletDirectory.check(inventory, facts, &Place::Cluster)
    {
        warnings.push(why);
    }
    if storage.rwx {
        warnings.extend(wrong_backend(seen));
    }
    let others = seen
        .jiva_volumes
        .iter()
        .filter(|(_, volume)| volume.replication_factor != 0 && volume.replication_factor != storage.replicas);
    warnings.extend(others.map(|(name, volume)| {
        let is = volume.replication_factor;
        format!("{name} has {is} replicas by its own policy, the inventory wants {} for new volumes", storage.replicas)
    }));
    warnings
}

/// Whether a volume holds the bytes of another one: a replica of a Jiva volume, or a share, which is told with the volume
/// its NFS server has mounted.
fn lies_behind(seen: &StorageFacts, name: &str, volume: &Volume) -> bool {
    let replica = seen.is_replica(name);
    let backing = format!("nfs-{name}");
    replica || (volume.nfs_server.is_some() && seen.claims.iter().any(|claim| claim.name == backing))
}

fn class(inventory: &Inventory, seen: &StorageFacts, name: &str) -> ClassStatus {
    let class = seen.classes.get(name).cloned().unwrap_or_default();
    let storage = &inventory.storage;
    let used_for = if classes::rwo_class(storage) == Some(name) {
        Some(Access::ReadWriteOnce)
    } else if classes::rwx_class(storage) == Some(name) && wrong_backend(seen).is_none() {
        Some(Access::ReadWriteMany)
    } else {
        None
    };
    ClassStatus {
        name: name.to_owned(),
        provisioner: class.provisioner,
        backend: class.openebs.backend,
        reclaim_policy: class.reclaim_policy,
        used_for,
    }
}

fn volume_status(seen: &StorageFacts, name: &str, volume: &Volume) -> VolumeStatus {
    let jiva = seen.jiva_volumes.get(name);
    let nodes = match jiva {
        Some(_) => seen.replica_nodes(name),
        None => volume.nodes.clone(),
    };
    let (margin, state) = match jiva {
        Some(jiva) => judge(jiva),
        None => plain(seen, volume),
    };
    let claim = seen.user_claim_of(name);
    VolumeStatus {
        name: name.to_owned(),
        claim: claim.map(|claim| format!("{}/{}", claim.namespace, claim.name)),
        shared: seen.claim_of(name).is_some_and(|own| Some(own) != claim),
        class: volume.class.clone(),
        capacity: volume.capacity.clone(),
        replicas_wanted: jiva.map(|jiva| jiva.replication_factor),
        replicas: jiva.map(|jiva| jiva.replicas.clone()).unwrap_or_default(),
        nodes,
        mounted_on: jiva.and_then(|jiva| jiva.node.clone()),
        margin,
        state,
    }
}

/// A Jiva volume takes writes while more than half of its replicas are readable and writable
/// (openebs/jiva `controller/control.go`).
fn judge(volume: &JivaVolume) -> (Margin, String) {
    let replicas = usize::try_from(volume.replication_factor).unwrap_or_default();
    let (working, quorum) = (volume.working(), volume.quorum());
    let told = |margin, text: &str| (margin, text.to_owned());
    match volume.status.as_str() {
        "" => told(Margin::Unknown, "its controller does not answer"),
        "RO" => told(Margin::ReadOnly, "read-only"),
        _ if working < quorum => told(Margin::ReadOnly, "read-only"),
        _ if replicas == 1 => told(Margin::OneNode, "one replica: stored, not replicated"),
        _ if working == quorum => told(Margin::Last, "read-only on the next failure"),
        _ if working == quorum + 1 => told(Margin::Spare, "one more node may fail"),
        _ => (Margin::Spare, format!("{} more nodes may fail", working - quorum)),
    }
}

fn plain(seen: &StorageFacts, volume: &Volume) -> (Margin, String) {
    if let [node] = volume.nodes.as_slice() {
        return (Margin::OneNode, format!("stored on {node}, not replicated"));
    }
    let maker = seen.classes.get(&volume.class).map_or("its maker", |class| class.provisioner.as_str());
    (Margin::Unknown, format!("how it is kept is known to {maker} alone"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::storage::{Claim, Replica};

    fn volume(replicas: u32, status: &str, modes: &[&str]) -> JivaVolume {
        let replica = |mode: &&str| Replica { address: String::new(), mode: (*mode).to_owned() };
        JivaVolume {
            replication_factor: replicas,
            status: status.to_owned(),
            replicas: modes.iter().map(replica).collect(),
            ..JivaVolume::default()
        }
    }

    #[test]
    fn the_margin_is_counted_from_the_quorum() {
        for (volume, margin, state) in [
            (volume(3, "RW", &["RW", "RW", "RW"]), Margin::Spare, "one more node may fail"),
            (volume(3, "RW", &["RW", "RW", "WO"]), Margin::Last, "read-only on the next failure"),
            (volume(3, "RO", &["RW"]), Margin::ReadOnly, "read-only"),
            (volume(3, "RW", &["RW"]), Margin::ReadOnly, "read-only"),
            (volume(2, "RW", &["RW", "RW"]), Margin::Last, "read-only on the next failure"),
            (volume(5, "RW", &["RW"; 5]), Margin::Spare, "2 more nodes may fail"),
            (volume(1, "RW", &["RW"]), Margin::OneNode, "one replica: stored, not replicated"),
            (volume(3, "", &[]), Margin::Unknown, "its controller does not answer"),
        ] {
            assert_eq!(judge(&volume), (margin, state.to_owned()));
        }
    }

    #[test]
    fn a_share_is_told_with_the_volume_behind_it() {
        let claim = |namespace: &str, name: &str, volume: &str| Claim {
            namespace: namespace.into(),
            name: name.into(),
            volume: Some(volume.into()),
            ..Claim::default()
        };
        let replica = |node: &str| Volume {
            claim: Some(("openebs".into(), "openebs-pvc-b-jiva-rep-0".into())),
            nodes: vec![node.into()],
            ..Volume::default()
        };
        let seen = StorageFacts {
            jiva_volumes: [("pvc-b".to_owned(), volume(3, "RW", &["RW", "RW"]))].into(),
            volumes: [
                ("pvc-a".to_owned(), Volume { nfs_server: Some("10.152.183.7".into()), ..Volume::default() }),
                ("pvc-b".to_owned(), Volume::default()),
                ("pvc-c".to_owned(), replica("nuc2")),
            ]
            .into(),
            claims: vec![
                claim("web", "media", "pvc-a"),
                claim("openebs", "nfs-pvc-a", "pvc-b"),
                claim("openebs", "openebs-pvc-b-jiva-rep-0", "pvc-c"),
            ],
            ..StorageFacts::default()
        };
        let shown: Vec<&String> = seen
            .volumes
            .iter()
            .filter(|(name, volume)| !lies_behind(&seen, name, volume))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(shown, ["pvc-b"]);
        let status = volume_status(&seen, "pvc-b", &Volume::default());
        assert_eq!((status.claim.as_deref(), status.shared), (Some("web/media"), true));
        assert_eq!(status.nodes, ["nuc2"]);
    }
}
