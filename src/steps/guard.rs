//! Never worse than before: what would be left if a node's services were stopped, or the node were gone.
//!
//! One guard stands in front of everything homeprov does that stops a voter of the data store or a replica of a volume:
//! restarting a member, refreshing its snap, joining a machine (which stops what runs there), and every repair. What cannot
//! be judged is not done.

use std::fmt;
use std::net::Ipv4Addr;

use super::highly_available::{look, majority};
use super::{Context, Failure};
use crate::facts::storage::{JivaVolume, StorageFacts};
use crate::facts::{Facts, NodeFacts, gather};
use crate::inventory::model::{Engine, Inventory};
use crate::kube;
use crate::playbook::model::Recipe;

/// What happens to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Its services stop and come back: it stays a member, and its replicas stay on its disk.
    Restart,
    /// It is taken out of the cluster with what it holds.
    Leaves,
    /// What is taken out is an entry only: the machine behind it has lost its disk, or never had anything.
    Entry,
}

/// Of what too little would be left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// Voters of the data store: those left could not decide.
    Voters,
    /// Working replicas of a volume: it could not be written to.
    Replicas,
    /// The only copy of a volume, which lies on that node's disk alone.
    OnlyCopy,
}

/// Why a node must not go this way now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// What is left would be too little, in these words.
    Worse(Lack, String),
    /// It cannot be told, for this reason.
    Unjudged(String),
}

impl Obstacle {
    fn unjudged(text: impl Into<String>) -> Self {
        Self::Unjudged(text.into())
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Worse(_, text) | Self::Unjudged(text)) = self;
        f.write_str(text)
    }
}

/// Whether a node may go this way: what is left can go on.
pub fn judge(inventory: &Inventory, facts: &Facts, node: &str, loss: Loss) -> Result<(), Obstacle> {
    voters(inventory, facts, node, loss)?;
    let Some(cluster) = &facts.cluster else {
        // A machine that is a cluster of its own has no other's volumes.
        let lone = facts.node(node).is_some_and(NodeFacts::alone) && facts.seed(inventory).is_none();
        let unjudged = Obstacle::unjudged("the API does not answer, so the volumes cannot be judged");
        return if lone { Ok(()) } else { Err(unjudged) };
    };
    let Some(object) = cluster.nodes.get(node) else {
        // It has never run a pod of this cluster.
        return Ok(());
    };
    let storage = &cluster.storage;
    // What does not run there now is not lost by this.
    let serves = object.ready && loss != Loss::Entry;
    storage.jiva_volumes.iter().try_for_each(|(name, volume)| replicas(storage, name, volume, node, serves))?;
    if loss == Loss::Leaves { local_volumes(storage, node) } else { Ok(()) }
}

/// The same of a node that goes in several steps, before and between them: a volume that has no replica there any more, since
/// that is being made anew elsewhere, is no obstacle.
pub fn judge_departure(inventory: &Inventory, facts: &Facts, node: &str, loss: Loss) -> Result<(), Obstacle> {
    let mut facts = facts.clone();
    if let Some(cluster) = &mut facts.cluster {
        let storage = cluster.storage.clone();
        cluster.storage.jiva_volumes.retain(|name, _| storage.replica_nodes(name).iter().any(|other| other == node));
    }
    judge(inventory, &facts, node, loss)
}

/// The same from a look at the moment it is to be done: what the step began with may be minutes old. Where the inventory
/// leaves storage alone its volumes are read for this all the same: they are the user's.
pub async fn allow(context: &Context, node: &str, loss: Loss) -> Result<(), Obstacle> {
    let inventory = &context.inventory;
    let mut facts = Facts::clone(&context.facts);
    let names: Vec<String> = inventory.nodes.iter().map(|node| node.name.clone()).collect();
    // Facts alone are wanted, no step's check.
    let recipe = Recipe::default();
    gather::nodes(&*context.transport, inventory, &recipe, &names, &mut facts).await;
    Box::pin(gather::cluster(&*context.transport, inventory, &mut facts)).await;
    if let (Engine::None, Some(cluster), None) = (inventory.storage.engine, &mut facts.cluster, &facts.departing) {
        let unread = |why: String| Obstacle::unjudged(format!("the volumes cannot be read: {why}"));
        let client = context.api().await.map_err(|failure| unread(failure.to_string()))?;
        let read = Box::pin(kube::storage::read(&client)).await;
        cluster.storage = read.map_err(|error| unread(kube::error::message(&error)))?;
    }
    judge(inventory, &facts, node, loss)
}

/// The same, for an apply that ends with the refusal. What cannot be judged yet is tried again for a while.
pub async fn refuse(context: &Context, node: &str, loss: Loss, what: &str) -> Result<(), Failure> {
    allow(context, node, loss).await.map_err(|obstacle| {
        let reason =
            format!("{what}, and that is not safe now: {obstacle}. Bring back what is missing, then run `up` again");
        match obstacle {
            Obstacle::Worse(..) => Failure::Refused { reason },
            Obstacle::Unjudged(_) => Failure::Busy { reason },
        }
    })
}

/// Whether a node has the only vote of the data store. While its services are away there is no API, and when they are back
/// everything is as it was; it never leaves.
pub fn only_voter(inventory: &Inventory, facts: &Facts, node: &str) -> bool {
    let listed = look(inventory, facts).listed;
    let address = facts.address_of(inventory, node);
    let lone = facts.node(node).is_some_and(NodeFacts::alone);
    listed.len() == 1 && listed.iter().all(|voter| Some(*voter) == address || (voter.is_loopback() && lone))
}

/// The voters that would be left can decide.
fn voters(inventory: &Inventory, facts: &Facts, node: &str, loss: Loss) -> Result<(), Obstacle> {
    let address = facts.address_of(inventory, node);
    let Some(seed) = facts.seed(inventory) else {
        let own = facts.node(node).is_some_and(|seen| seen.alone() && !facts.carries_authority(seen));
        let unjudged = Obstacle::unjudged("no control plane of this cluster answers, so its voters cannot be judged");
        return if own { Ok(()) } else { Err(unjudged) };
    };
    let mut seen = look(inventory, facts);
    // That the seed tells its members is the answer of its own voter.
    seen.answering.extend(seen.listed.get(&seed.address).copied());
    let goes = |voter: &&Ipv4Addr| Some(**voter) == address;
    if !seen.listed.iter().any(|voter| goes(&voter)) {
        // A data store that nobody ever joined is listed at 127.0.0.1: there is no other voter to be left.
        return Ok(());
    }
    if loss == Loss::Restart && seen.listed.len() == 1 {
        // The API is away meanwhile. No majority is lost by that: nobody else decides, before or after.
        return Ok(());
    }
    let left = seen.answering.iter().filter(|voter| !goes(voter)).count();
    let listed = if loss == Loss::Restart { seen.listed.len() } else { seen.listed.len() - 1 };
    let needed = majority(listed);
    if left < needed {
        let text = format!("of {listed} voters {left} would answer without {node}, and {needed} are needed");
        return Err(Obstacle::Worse(Lack::Voters, text));
    }
    // Taking a member out is itself decided by those that are there.
    let (now, needed) = (seen.answering.len(), majority(seen.listed.len()));
    if now < needed {
        let text = format!("of {} voters {now} answer, and {needed} are needed", seen.listed.len());
        return Err(Obstacle::Worse(Lack::Voters, text));
    }
    Ok(())
}

/// A volume keeps its write quorum: more than half of its replicas, readable and writable (openebs/jiva
/// `controller/control.go`).
fn replicas(storage: &StorageFacts, name: &str, volume: &JivaVolume, node: &str, serves: bool) -> Result<(), Obstacle> {
    let nodes = storage.replica_nodes(name);
    let known = nodes.len() >= usize::try_from(volume.replication_factor).unwrap_or(usize::MAX);
    let concerned = nodes.iter().any(|other| other == node) || !known;
    if !concerned {
        return Ok(());
    }
    let claim = storage.user_claim_of(name);
    let shown = claim.map_or_else(|| name.to_owned(), |claim| format!("{}/{}", claim.namespace, claim.name));
    let working = volume.working();
    if volume.status.is_empty() {
        return Err(Obstacle::unjudged(format!("the volume of {shown} does not tell its state")));
    }
    if !serves && working >= nodes.len().max(1) {
        let text = format!("the volume of {shown} still counts a replica on {node}: its state cannot be judged");
        return Err(Obstacle::Unjudged(text));
    }
    let left = working.saturating_sub(usize::from(serves));
    if left >= volume.quorum() {
        return Ok(());
    }
    let text = format!(
        "the volume of {shown} would have {left} of {} replicas without {node}, and {} are needed for writing",
        volume.replication_factor,
        volume.quorum(),
    );
    Err(Obstacle::Worse(Lack::Replicas, text))
}

/// A volume on one node's disk goes with the node.
fn local_volumes(storage: &StorageFacts, node: &str) -> Result<(), Obstacle> {
    let mut lost = storage
        .volumes
        .iter()
        .filter(|(name, volume)| volume.nodes == [node] && volume.phase == "Bound" && !storage.is_replica(name));
    match lost.next() {
        Some((name, volume)) => {
            let claim =
                volume.claim.as_ref().map_or_else(|| name.clone(), |(namespace, claim)| format!("{namespace}/{claim}"));
            let text = format!("the volume of {claim} lies on {node}'s disk alone");
            Err(Obstacle::Worse(Lack::OnlyCopy, text))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
