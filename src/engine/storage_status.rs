//! How storage stands, from one observation.

use super::margins;
use crate::facts::storage::{JivaVolume, Volume};
use crate::facts::{ClusterFacts, Facts, StorageFacts};
use crate::inventory::model::{Engine, Inventory};
use crate::inventory::storage::classes;
use crate::plan::{Place, Verdict};
use crate::status::margin::NodeMargin;
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
    let cluster = facts.cluster.as_ref()?;
    let seen = &cluster.storage;
    let volumes = seen.volumes.iter().filter(|(name, volume)| !seen.lies_behind(name, volume));
    Some(StorageStatus {
        engine: inventory.storage.engine,
        replicas: inventory.storage.replicas,
        classes: seen.classes.keys().map(|name| class(inventory, seen, name)).collect(),
        volumes: volumes.map(|(name, volume)| volume_status(cluster, name, volume)).collect(),
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

fn volume_status(cluster: &ClusterFacts, name: &str, volume: &Volume) -> VolumeStatus {
    let seen = &cluster.storage;
    let jiva = seen.jiva_volumes.get(name);
    let nodes = match jiva {
        Some(_) => seen.replica_nodes(name),
        None => volume.nodes.clone(),
    };
    let (margin, state) = state(jiva, &margins::volume::margin(cluster, name, volume), &nodes);
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

/// How near a volume is to taking no more writes, by how many nodes may fail.
fn state(jiva: Option<&JivaVolume>, margin: &NodeMargin, nodes: &[String]) -> (Margin, String) {
    let told = |margin, text: &str| (margin, text.to_owned());
    match (margin.stands, margin.nodes) {
        (Conclusion::No, _) => told(Margin::ReadOnly, "read-only"),
        (Conclusion::Unknown, _) | (Conclusion::Yes, None) => (Margin::Unknown, margin.limit.clone()),
        (Conclusion::Yes, Some(0)) => match (jiva, nodes) {
            (Some(jiva), _) if jiva.replication_factor == 1 => {
                told(Margin::OneNode, "one replica: stored, not replicated")
            }
            (None, [node]) => (Margin::OneNode, format!("stored on {node}, not replicated")),
            _ => told(Margin::Last, "read-only on the next failure"),
        },
        (Conclusion::Yes, Some(1)) => told(Margin::Spare, "one more node may fail"),
        (Conclusion::Yes, Some(nodes)) => (Margin::Spare, format!("{nodes} more nodes may fail")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::margins::volume::Spread;
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
            let replicas = usize::try_from(volume.replication_factor).unwrap();
            let nodes = margins::volume::jiva(&volume, &Spread::apart(replicas));
            assert_eq!(super::state(Some(&volume), &nodes, &[]), (margin, state.to_owned()));
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
            .filter(|(name, volume)| !seen.lies_behind(name, volume))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(shown, ["pvc-b"]);
        let cluster = ClusterFacts { storage: seen, ..ClusterFacts::default() };
        let status = volume_status(&cluster, "pvc-b", &Volume::default());
        assert_eq!((status.claim.as_deref(), status.shared), (Some("web/media"), true));
        assert_eq!(status.nodes, ["nuc2"]);
    }
}
