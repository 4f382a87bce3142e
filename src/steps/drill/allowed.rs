//! Whether a node may be taken away for a while, and what will happen: told from facts before it is asked.

use std::collections::BTreeSet;

use crate::drill::How;
use crate::facts::mastodon::INGRESS;
use crate::facts::stuck::StuckPod;
use crate::facts::{Facts, Identity, NodeFacts};
use crate::inventory::model::Inventory;
use crate::steps::departure::replicas::{lacks, shown};
use crate::steps::guard::{self, Loss};
use crate::steps::highly_available::look;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prospect {
    /// The node.
    pub node: String,
    /// How it goes.
    pub how: How,
}

/// Pods that run somewhere else when their node is away: not those of each node, of its disk, or that run to an end. Those of a
/// `StatefulSet` wait for their node: there is to be one of each.
pub fn moves(pod: &StuckPod) -> bool {
    let stays = ["DaemonSet", "Node", "Job", "StatefulSet"];
    !pod.ended && pod.owner.as_ref().is_some_and(|owner| !stays.contains(&owner.as_str()))
}

/// Pods that wait for their node when it is away.
pub fn waits(pod: &StuckPod) -> bool {
    !pod.ended && pod.owner.as_deref() == Some("StatefulSet") && pod.component.as_deref() != Some("jiva-replica")
}

/// Why the node must not be taken away now; none when it may.
pub fn refusals(inventory: &Inventory, facts: &Facts, prospect: &Prospect) -> Vec<String> {
    let name = &prospect.node;
    let Some(node) = inventory.node(name) else { return vec![format!("the inventory has no node {name}")] };
    if !matches!(facts.identity(), Identity::Known(_)) {
        return vec!["homeprov knows of no cluster here: `homeprov up` records which one it is".to_owned()];
    }
    if let Some(reason) = facts.unreachable(name) {
        return vec![format!("{name} does not answer, so it could not be brought back: {reason}")];
    }
    let Some(cluster) = &facts.cluster else {
        let problem = facts.cluster_problem.as_deref().unwrap_or("no control plane of this cluster answers");
        return vec![format!("the cluster does not answer: {problem}")];
    };
    if !facts.is_member(node) || !cluster.ready_at(name, node.address) {
        return vec![format!("{name} is no member that is Ready")];
    }
    if inventory.nodes.len() == 1 {
        return vec![format!("{name} is the only node: without it nothing is left to be watched")];
    }
    let mut why = Vec::new();
    if facts.unfinished_restore().is_some() {
        why.push("a restore is under way".to_owned());
    }
    if guard::only_voter(inventory, facts, name) {
        // Unlike a refresh, which stops services in order: a drill cuts off in the middle of a write what is nowhere else.
        why.push(format!(
            "{name} has the only vote of the data store: without it the API is away until {name} is back, nothing moves elsewhere, \
             and there is no other copy of the data store if this one is damaged. With three control planes one of them can be taken away"
        ));
    } else if let Err(obstacle) = guard::judge(inventory, facts, name, Loss::Restart) {
        why.push(obstacle.to_string());
    }
    let others: Vec<&String> = cluster
        .nodes
        .iter()
        .filter(|(other, object)| !object.ready && *other != name)
        .map(|(other, _)| other)
        .collect();
    if let Some(other) = others.first() {
        why.push(format!("the Node {other} is not Ready already: bring it back first"));
    }
    let voters = look(inventory, facts);
    if voters.answering.len() < voters.listed.len() {
        why.push(format!("{} of {} voters answer already", voters.answering.len(), voters.listed.len()));
    }
    why.extend(cluster.storage.jiva_volumes.iter().filter_map(|(id, volume)| lacks(cluster, id, volume)));
    why.extend(only_ingress(facts, name));
    if !inventory
        .control_planes()
        .any(|other| other.name != *name && facts.node(&other.name).is_some_and(NodeFacts::healthy_member))
    {
        why.push(format!("no other control plane answers: without {name} there is no API to watch"));
    }
    why.sort();
    why.dedup();
    why
}

/// Whether every ingress controller that is ready runs there.
fn only_ingress(facts: &Facts, node: &str) -> Option<String> {
    let pods = facts.stuck.iter().flat_map(|stuck| &stuck.pods);
    let ready = pods.filter(|pod| pod.namespace == INGRESS && pod.ready && pod.owner.as_deref() == Some("DaemonSet"));
    let nodes: BTreeSet<&str> = ready.filter_map(|pod| pod.node.as_deref()).collect();
    (nodes.len() == 1 && nodes.contains(node))
        .then(|| format!("the only ingress controller that is ready runs on {node}"))
}

/// What will happen, a line each.
pub fn told(facts: &Facts, prospect: &Prospect) -> Vec<String> {
    let Prospect { node, how } = prospect;
    let mut lines = vec![match how {
        How::Stop => format!(
            "MicroK8s on {node} is stopped, its containers are killed and its volumes let go; {node} itself stays on"
        ),
        How::Power => format!(
            "{node} is switched off at once, as by a power cut. Unless it comes back by itself (wake-on-lan, a socket that can be switched), \
             SOMEBODY MUST PRESS ITS BUTTON"
        ),
        How::Network => format!("{node} is cut off from everything but SSH, for four minutes and a half at the most"),
    }];
    lines.push("the cluster notices after 40 s".to_owned());
    let Some(stuck) = &facts.stuck else { return lines };
    let there: Vec<&StuckPod> = stuck.pods.iter().filter(|pod| pod.node.as_ref() == Some(node)).collect();
    let moving: Vec<String> = there.iter().filter(|pod| moves(pod)).map(|pod| pod.shown()).collect();
    match (how, moving.is_empty()) {
        (_, true) => lines.push("no pod that could run elsewhere is on it".to_owned()),
        (How::Network, false) => {
            lines.push(format!("these are away meanwhile, and move nowhere: {}", moving.join(", ")));
        }
        (_, false) => {
            lines
                .push(format!("these are away for about six minutes, until they run elsewhere: {}", moving.join(", ")));
        }
    }
    let waiting: Vec<String> = there.iter().filter(|pod| waits(pod)).map(|pod| pod.shown()).collect();
    if !waiting.is_empty() {
        lines.push(format!("these are of a StatefulSet, and away until {node} is back: {}", waiting.join(", ")));
    }
    let alone: Vec<String> =
        there.iter().filter(|pod| pod.owner.is_none() && !pod.ended).map(|pod| pod.shown()).collect();
    if !alone.is_empty() && *how != How::Network {
        lines.push(format!("nothing makes these anew, they are LOST: {}", alone.join(", ")));
    }
    if let Some(cluster) = &facts.cluster {
        for (id, volume) in &cluster.storage.jiva_volumes {
            if cluster.storage.replica_nodes(id).contains(node) {
                let left = volume.working().saturating_sub(1);
                lines.push(format!(
                    "the volume of {} stays writable with {left} of {} replicas",
                    shown(cluster, id),
                    volume.replication_factor
                ));
            }
        }
        let local = cluster.storage.volumes.iter().filter(|(id, volume)| {
            volume.nodes == [node.clone()] && volume.phase == "Bound" && !cluster.storage.is_replica(id)
        });
        lines.extend(
            local.map(|(id, _)| format!("the volume of {} is on its disk alone, and away with it", shown(cluster, id))),
        );
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::fixture::{self, cluster};
    use crate::facts::stuck::StuckFacts;

    fn pod(namespace: &str, owner: &str, node: &str) -> StuckPod {
        StuckPod {
            namespace: namespace.into(),
            name: format!("{namespace}-{node}"),
            node: Some(node.into()),
            owner: Some(owner.into()),
            ready: true,
            ..StuckPod::default()
        }
    }

    fn prospect(node: &str) -> Prospect {
        Prospect { node: node.into(), how: How::Stop }
    }

    #[test]
    fn one_of_three_may_be_taken_away_and_with_another_one_dead_none() {
        assert_eq!(refusals(&fixture::inventory(3), &cluster(3, &[]), &prospect("nuc2")), Vec::<String>::new());
        let why = refusals(&fixture::inventory(3), &cluster(3, &[3]), &prospect("nuc2"));
        assert!(why.iter().any(|why| why.contains("the Node nuc3 is not Ready already")), "{why:?}");
        assert!(why.iter().any(|why| why.contains("2 are needed")), "{why:?}");
        let away = refusals(&fixture::inventory(3), &cluster(3, &[2]), &prospect("nuc2"));
        assert!(away[0].contains("could not be brought back"), "{away:?}");
    }

    #[test]
    fn the_only_ingress_stays() {
        let mut facts = cluster(3, &[]);
        let pods = vec![pod(INGRESS, "DaemonSet", "nuc2")];
        facts.stuck = Some(StuckFacts { pods, ..StuckFacts::default() });
        assert!(refusals(&fixture::inventory(3), &facts, &prospect("nuc2"))[0].contains("the only ingress controller"));
        assert_eq!(refusals(&fixture::inventory(3), &facts, &prospect("nuc1")), Vec::<String>::new());
        facts.stuck.as_mut().unwrap().pods.push(pod(INGRESS, "DaemonSet", "nuc1"));
        assert_eq!(refusals(&fixture::inventory(3), &facts, &prospect("nuc2")), Vec::<String>::new());
    }

    #[test]
    fn what_moves_what_waits_and_what_is_lost_is_told() {
        let mut facts = cluster(3, &[]);
        let alone = StuckPod { owner: None, ..pod("play", "", "nuc2") };
        let pods = vec![
            pod("web", "ReplicaSet", "nuc2"),
            pod("db", "StatefulSet", "nuc2"),
            pod("log", "DaemonSet", "nuc2"),
            pod("other", "ReplicaSet", "nuc1"),
            alone,
        ];
        facts.stuck = Some(StuckFacts { pods, ..StuckFacts::default() });
        let lines = told(&facts, &prospect("nuc2")).join("\n");
        assert!(lines.contains("until they run elsewhere: web/web-nuc2\n"), "{lines}");
        assert!(lines.contains("away until nuc2 is back: db/db-nuc2"), "{lines}");
        assert!(lines.contains("LOST: play/play-nuc2"), "{lines}");
    }
}
