//! The replicas on the departing node are made anew on others, while those that stay are enough for writing.

use async_trait::async_trait;

use super::to_be_emptied;
use crate::facts::storage::JivaVolume;
use crate::facts::{ClusterFacts, Facts};
use crate::inventory::model::Inventory;
use crate::kube::request;
use crate::plan::{Place, Verdict};
use crate::steps::guard::{self, Loss};
use crate::steps::{Context, Failure, RustStep};

/// No volume that could be kept elsewhere has a replica on the departing node, and all are whole.
pub struct ReplicasMoved;

/// Once the node is gone: every volume has as many replicas as there are nodes for them.
pub struct VolumesWhole;

#[async_trait]
impl RustStep for ReplicasMoved {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        let (Some(name), Some(cluster)) = (to_be_emptied(inventory, facts), &facts.cluster) else {
            return Verdict::Holds;
        };
        let concerned: Vec<_> =
            cluster.storage.jiva_volumes.iter().filter(|(id, volume)| concerned(cluster, id, volume, name)).collect();
        if let Some((id, _)) = concerned.iter().find(|(id, volume)| unclaimed(cluster, id, volume).next().is_some()) {
            return Verdict::differs(format!("a replica of {} waits for a claim that is gone", shown(cluster, id)));
        }
        if let Some(why) = concerned.iter().find_map(|(id, volume)| lacks(cluster, id, volume)) {
            return Verdict::settling(why);
        }
        match concerned.iter().find(|(id, _)| movable(cluster, id, name)) {
            Some((id, _)) => Verdict::differs(format!("the volume of {} has a replica on {name}", shown(cluster, id))),
            None => Verdict::Holds,
        }
    }

    /// What the operator does itself once a Node is missing (openebs/jiva-operator `pkg/controllers/jivavolume_controller.go`): the
    /// replica's claim and pod are deleted, and made anew where a node takes pods.
    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let (Some(name), Some(cluster)) = (to_be_emptied(&context.inventory, &context.facts), &context.facts.cluster)
        else {
            return Ok(());
        };
        let client = context.api().await?;
        // A pod that was made anew before its old claim was gone waits for that for ever; the next one gets a claim of its own.
        let mut waiting = cluster.storage.jiva_volumes.iter().flat_map(|(id, volume)| {
            let pod = move |number| (&volume.namespace, format!("{id}-jiva-rep-{number}"));
            unclaimed(cluster, id, volume).map(pod)
        });
        if let Some((namespace, pod)) = waiting.next() {
            request::delete(&client, &format!("/api/v1/namespaces/{namespace}/pods/{pod}")).await?;
            return Ok(());
        }
        let mut movable = cluster.storage.jiva_volumes.iter().filter(|(id, _)| movable(cluster, id, name));
        let Some((id, volume)) = movable.next() else { return Ok(()) };
        let what = format!("the replica of {} on {name} is taken away and made anew elsewhere", shown(cluster, id));
        guard::refuse(context, name, Loss::Restart, &what).await?;
        let Some(claim) = claim_on(cluster, id, name) else { return Ok(()) };
        let pod = claim.strip_prefix("openebs-").unwrap_or(claim);
        context.say(what);
        let namespace = format!("/api/v1/namespaces/{}", volume.namespace);
        request::delete(&client, &format!("{namespace}/persistentvolumeclaims/{claim}")).await?;
        request::delete(&client, &format!("{namespace}/pods/{pod}")).await?;
        Ok(())
    }
}

#[async_trait]
impl RustStep for VolumesWhole {
    fn check(&self, _: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        let (Some(departing), Some(cluster)) = (&facts.departing, &facts.cluster) else { return Verdict::Holds };
        if facts.departing_object().is_some() {
            return Verdict::unknown("node-gone");
        }
        for (id, volume) in &cluster.storage.jiva_volumes {
            // The operator lets go of a disk whose Node is missing, from three replicas on.
            let held = volume.replication_factor >= 3 && claim_on(cluster, id, &departing.name).is_some();
            if held && !cluster.nodes.contains_key(&departing.name) {
                let text = format!("a replica of {} still waits for {}", shown(cluster, id), departing.name);
                return Verdict::settling(text);
            }
            if let Some(why) = lacks(cluster, id, volume) {
                return Verdict::settling(why);
            }
        }
        Verdict::Holds
    }

    /// The operator and the volumes' controllers do it.
    async fn apply(&self, _: &Context) -> Result<(), Failure> {
        Ok(())
    }
}

/// Whether a volume has a replica on the node, or one that was on it and has no place yet.
fn concerned(cluster: &ClusterFacts, id: &str, volume: &JivaVolume, node: &str) -> bool {
    let nodes = cluster.storage.replica_nodes(id);
    nodes.iter().any(|other| other == node) || nodes.len() < wanted(volume)
}

/// What a volume lacks that it could have, with so many nodes.
pub fn lacks(cluster: &ClusterFacts, id: &str, volume: &JivaVolume) -> Option<String> {
    let holders = cluster.storage.replica_nodes(id);
    let can_hold = |(name, node): &(&String, &crate::facts::KubernetesNode)| {
        node.ready && (!node.unschedulable || holders.contains(name))
    };
    let possible = cluster.nodes.iter().filter(can_hold).count().min(wanted(volume));
    let working = volume.working();
    (working < possible || volume.status != "RW").then(|| {
        format!(
            "the volume of {} has {working} of {possible} replicas that can be read and written",
            shown(cluster, id)
        )
    })
}

/// Whether a volume's replica on a node could be on another one: Ready, open to pods, and without one of it.
pub(super) fn movable(cluster: &ClusterFacts, id: &str, node: &str) -> bool {
    let holders = cluster.storage.replica_nodes(id);
    let free = |(name, other): (&String, &crate::facts::KubernetesNode)| {
        other.ready && !other.unschedulable && name != node && !holders.contains(name)
    };
    holders.iter().any(|other| other == node) && cluster.nodes.iter().any(free)
}

/// The claim of a volume's replica on a node.
fn claim_on<'a>(cluster: &'a ClusterFacts, id: &str, node: &str) -> Option<&'a str> {
    let start = format!("openebs-{id}-jiva-rep-");
    let mut claims = cluster.storage.claims.iter().filter(|claim| claim.name.starts_with(&start));
    let on_node = |volume: &String| cluster.storage.volumes.get(volume).is_some_and(|volume| volume.nodes == [node]);
    claims.find(|claim| claim.volume.as_ref().is_some_and(on_node)).map(|claim| claim.name.as_str())
}

/// The numbers of a volume's replicas that have no claim.
fn unclaimed<'a>(cluster: &'a ClusterFacts, id: &'a str, volume: &'a JivaVolume) -> impl Iterator<Item = u32> + 'a {
    let claimed = move |number: &u32| {
        let name = format!("openebs-{id}-jiva-rep-{number}");
        cluster.storage.claims.iter().any(|claim| claim.name == name)
    };
    (0..volume.replication_factor).filter(move |number| !claimed(number))
}

fn wanted(volume: &JivaVolume) -> usize {
    usize::try_from(volume.replication_factor).unwrap_or(usize::MAX)
}

/// The claim whose data a volume holds, as people know it.
pub fn shown(cluster: &ClusterFacts, id: &str) -> String {
    let claim = cluster.storage.user_claim_of(id);
    claim.map_or_else(|| id.to_owned(), |claim| format!("{}/{}", claim.namespace, claim.name))
}
