//! What taking a member out costs, in words for the question before it is done.

use super::replicas::{movable, shown};
use crate::facts::Facts;
use crate::inventory::model::{Engine, Inventory};

/// What is lost, and what becomes of the rest; one sentence each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Losses {
    /// Gone for good.
    pub lost: Vec<String>,
    /// There, and weaker than before.
    pub weaker: Vec<String>,
    /// Goes on elsewhere, with an interruption.
    pub moved: Vec<String>,
}

impl Losses {
    /// All of it, a line each.
    pub fn lines(&self) -> Vec<String> {
        let marked =
            |mark: &str, lines: &[String]| lines.iter().map(|line| format!("{mark} {line}")).collect::<Vec<_>>();
        [marked("lost:", &self.lost), marked("weaker:", &self.weaker), marked("moved:", &self.moved)].concat()
    }
}

/// What the departing member's going costs, as far as it can be seen; `after` is the inventory without it.
pub fn losses(inventory: &Inventory, after: &Inventory, facts: &Facts) -> Losses {
    let mut losses = Losses::default();
    let (Some(departing), Some(cluster)) = (&facts.departing, &facts.cluster) else { return losses };
    let name = facts.departing_object().map_or(departing.name.as_str(), |(name, _)| name);
    let storage = &cluster.storage;
    for (id, volume) in &storage.volumes {
        if volume.nodes == [name] && volume.phase == "Bound" && !storage.is_replica(id) {
            losses.lost.push(format!("the volume of {}: it lies on {name}'s disk alone", shown(cluster, id)));
        }
    }
    for pod in cluster.departing_pods.iter().filter(|pod| pod.moves()) {
        let shown_pod = format!("{}/{}", pod.namespace, pod.name);
        match (&pod.owner, &pod.share) {
            (None, _) => losses.lost.push(format!("the pod {shown_pod}: nothing makes it anew")),
            (_, Some(share)) => {
                let volume = share.strip_prefix("nfs-").unwrap_or(share);
                let text = format!(
                    "the NFS server of {}: who has it mounted waits until it is up again",
                    shown(cluster, volume)
                );
                losses.moved.push(text);
            }
            _ => losses.moved.push(format!("the pod {shown_pod}")),
        }
    }
    for (id, volume) in &storage.jiva_volumes {
        if !storage.replica_nodes(id).iter().any(|other| other == name) {
            continue;
        }
        let claim = shown(cluster, id);
        if movable(cluster, id, name) {
            losses.moved.push(format!("a replica of {claim}: it is made anew on another node"));
        } else {
            let factor = volume.replication_factor;
            let left = factor.saturating_sub(1);
            losses.weaker.push(format!(
                "{claim} keeps {left} of {factor} replicas: no other node is free for one. It gets it back when a node is added"
            ));
        }
    }
    losses.weaker.extend(weaker_cluster(inventory, after));
    losses
}

/// What a smaller cluster cannot have.
fn weaker_cluster(before: &Inventory, after: &Inventory) -> Vec<String> {
    let mut weaker = Vec::new();
    let (was, is) = (before.control_planes().count(), after.control_planes().count());
    if was >= 3 && is < 3 {
        weaker.push(format!(
            "with {is} control planes the data store has one voter: its loss is the loss of the cluster"
        ));
    }
    if before.storage.engine == Engine::Jiva && after.storage.engine != Engine::Jiva {
        weaker.push(format!(
            "with {} nodes [storage] engine is \"{}\" unless the inventory says otherwise: new volumes lie on one disk. Existing ones stay with Jiva; engine = \"jiva\" keeps it for new ones",
            after.nodes.len(),
            after.storage.engine.name(),
        ));
    }
    weaker
}
