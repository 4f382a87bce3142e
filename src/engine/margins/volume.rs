//! How many more nodes may fail before a volume takes no more writes.
//!
//! A Jiva volume takes them while more than half of its replicas are readable and writable (openebs/jiva
//! `controller/control.go`). What fails is a node, with all the replicas on it.

use std::collections::BTreeMap;

use crate::facts::storage::{JivaVolume, Volume};
use crate::facts::{ClusterFacts, StorageFacts};
use crate::status::margin::{NodeMargin, Subject};

/// How many replicas of a volume are on each node that is up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spread(BTreeMap<String, usize>);

impl Spread {
    /// From the claims of the replicas: each is bound to a folder of its node.
    pub fn of(storage: &StorageFacts, volume: &str, ready: &dyn Fn(&str) -> bool) -> Self {
        let mut nodes = BTreeMap::new();
        for claim in storage.replica_claims(volume) {
            let volume = claim.volume.as_ref().and_then(|volume| storage.volumes.get(volume));
            for node in
                volume.map(|volume| volume.nodes.as_slice()).unwrap_or_default().iter().filter(|node| ready(node))
            {
                *nodes.entry(node.clone()).or_default() += 1;
            }
        }
        Self(nodes)
    }

    /// So many replicas, each on a node of its own.
    #[cfg(test)]
    pub fn apart(replicas: usize) -> Self {
        Self((1..=replicas).map(|number| (format!("nuc{number}"), 1)).collect())
    }

    /// How many nodes may go before fewer than `quorum` of `working` replicas are left. Those that go are the fullest ones;
    /// replicas of which the node is not known count as alone on theirs.
    fn spare(&self, working: usize, quorum: usize) -> usize {
        let known: usize = self.0.values().sum();
        let mut counts: Vec<usize> = self.0.values().copied().collect();
        counts.extend(std::iter::repeat_n(1, working.saturating_sub(known)));
        counts.sort_unstable_by_key(|count| std::cmp::Reverse(*count));
        let mut left = working;
        let survives = |count: &usize| {
            left = left.saturating_sub(*count);
            left >= quorum
        };
        counts.iter().copied().take_while(survives).count()
    }

    /// The node with several replicas, and how many.
    fn crowded(&self) -> Option<(&str, usize)> {
        let several = self.0.iter().filter(|(_, count)| **count > 1);
        several.max_by_key(|(_, count)| **count).map(|(node, count)| (node.as_str(), *count))
    }
}

/// The margins of the volumes that hold users' data, by name.
pub(super) fn margins(cluster: &ClusterFacts) -> Vec<NodeMargin> {
    let storage = &cluster.storage;
    let volumes = storage.volumes.iter().filter(|(name, volume)| !storage.lies_behind(name, volume));
    volumes
        .map(|(name, volume)| {
            let claim = storage.user_claim_of(name);
            let called = claim.map_or_else(|| name.clone(), |claim| format!("{}/{}", claim.namespace, claim.name));
            NodeMargin { name: Some(called), ..margin(cluster, name, volume) }
        })
        .collect()
}

/// The margin of one volume.
pub fn margin(cluster: &ClusterFacts, name: &str, volume: &Volume) -> NodeMargin {
    let storage = &cluster.storage;
    match storage.jiva_volumes.get(name) {
        Some(found) => jiva(found, &Spread::of(storage, name, &|node| super::ready(cluster, node))),
        None => plain(storage, volume),
    }
}

/// Of a Jiva volume whose replicas are so spread.
pub fn jiva(volume: &JivaVolume, spread: &Spread) -> NodeMargin {
    let (working, quorum, replicas) = (volume.working(), volume.quorum(), volume.replication_factor);
    let counted = format!("{working} of {replicas} replicas are RW, and {quorum} must be");
    if volume.status.is_empty() {
        return NodeMargin::unknown(Subject::Volume, "its controller does not answer");
    }
    if volume.status == "RO" || working < quorum {
        return NodeMargin::stopped(Subject::Volume, counted);
    }
    let limit = match spread.crowded() {
        _ if replicas == 1 => match spread.0.keys().next() {
            Some(node) => format!("its one replica is on {node}"),
            None => "it has one replica".to_owned(),
        },
        Some((node, count)) => format!("{counted}; {count} of them are on {node}"),
        None => counted,
    };
    NodeMargin::of(Subject::Volume, spread.spare(working, quorum), limit)
}

fn plain(storage: &StorageFacts, volume: &Volume) -> NodeMargin {
    if let [node] = volume.nodes.as_slice() {
        return NodeMargin::of(Subject::Volume, 0, format!("it lies on {node} alone"));
    }
    let maker = storage.classes.get(&volume.class).map_or("its maker", |class| class.provisioner.as_str());
    NodeMargin::unknown(Subject::Volume, format!("how it is kept is known to {maker} alone"))
}
