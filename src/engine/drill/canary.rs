//! The canary: written on the node before it is taken away, read on another one meanwhile, and removed.

use std::sync::Arc;
use std::time::Duration;

use crate::drill::Row;
use crate::facts::Facts;
use crate::inventory::model::Engine;
use crate::steps::{Context, Failure, storage_proven};
use crate::storage::{Means, Rehearsal, Wanted};

/// What came of reading the canary: after how long, and where, or what was seen instead.
pub(super) type Read = Option<(Duration, Result<String, String>)>;

async fn means(context: &Context) -> Result<Means, Failure> {
    storage_proven::means(context).await
}

pub(super) async fn write(context: &Context, node: &str) -> Result<Rehearsal, String> {
    if context.inventory.storage.engine == Engine::None {
        return Err("the inventory leaves storage alone".to_owned());
    }
    let wanted = Wanted::of(&context.inventory.storage);
    context.say(format!("writing a canary on {node}"));
    let written = async {
        let means = means(context).await?;
        Ok::<_, Failure>(Box::pin(Rehearsal::begin(&means, &wanted, node)).await?)
    };
    written.await.unwrap_or_else(|failure| Err(failure.to_string()))
}

pub(super) async fn read(context: &Context, canary: &Rehearsal, node: &str) -> Result<String, String> {
    let read = async {
        let means = means(&elsewhere(context, node)).await?;
        Ok::<_, Failure>(Box::pin(canary.read(&means, node)).await?)
    };
    read.await.unwrap_or_else(|failure: Failure| Err(failure.to_string()))
}

/// The same without the node that is away: another API server is asked.
fn elsewhere(context: &Context, node: &str) -> Context {
    let mut facts = Facts::clone(&context.facts);
    facts.nodes.remove(node);
    if let Some(cluster) = &mut facts.cluster
        && cluster.via == node
        && let Some(other) = context.inventory.control_planes().find(|other| facts.nodes.contains_key(&other.name))
    {
        cluster.via.clone_from(&other.name);
    }
    Context { facts: Arc::new(facts), ..context.clone() }
}

/// Removes the canary; what is left is removed by the next proof.
pub(super) async fn clean(context: &Context) {
    if context.inventory.storage.engine == Engine::None {
        return;
    }
    let left = async {
        let means = means(context).await?;
        Ok::<_, Failure>(Box::pin(crate::storage::end_rehearsal(&means)).await?)
    };
    match left.await {
        Ok(left) if left.is_empty() => {}
        Ok(left) => context.say(format!("the canary left behind, for the next proof to remove: {}", left.join(", "))),
        Err(failure) => context.say(format!("the canary is removed by the next proof: {failure}")),
    }
}

pub(super) fn row_of(written: Result<(), &String>, read: Read) -> Row {
    let title = "canary read elsewhere after".to_owned();
    let row = |seconds, detail: String, well| Row { what: "canary", title: title.clone(), seconds, detail, well };
    match (written, read) {
        (Err(why), _) => row(None, format!("not tried: {why}"), true),
        (Ok(()), Some((after, Ok(on)))) => row(Some(after.as_secs()), format!("on {on}, with the same hash"), true),
        (Ok(()), Some((_, Err(why)))) => row(None, why, false),
        (Ok(()), None) => row(None, "it was not read in time".to_owned(), false),
    }
}
