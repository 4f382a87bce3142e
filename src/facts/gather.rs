//! One observation of everything: all nodes at once, then the API over one forward.

use std::collections::BTreeMap;

use futures::future::join_all;

use super::observe::observe;
use super::{Facts, Observation, RepositoryFacts, look_stuck};
use crate::inventory::model::{Engine, Inventory};
use crate::kube::read;
use crate::playbook::model::Recipe;
use crate::ssh::Transport;

/// Observes the named nodes, all at once; the rest of `facts` is kept.
pub async fn nodes(
    transport: &dyn Transport,
    inventory: &Inventory,
    recipe: &Recipe,
    names: &[String],
    facts: &mut Facts,
) {
    let wanted = inventory.nodes.iter().filter(|node| names.contains(&node.name));
    let looks = wanted.map(|node| async { (node.name.clone(), observe(transport, inventory, recipe, node).await) });
    facts.nodes.extend(join_all(looks).await);
    facts.observed_at = jiff::Timestamp::now();
}

/// Reads the cluster's API through the seed, or through the next healthy member when that one does not answer, and
/// the namespaces of machines that wait to be joined.
pub async fn cluster(transport: &dyn Transport, inventory: &Inventory, facts: &mut Facts) {
    facts.cluster = None;
    facts.cluster_problem = None;
    facts.unrecorded = facts.find_unrecorded(inventory);
    facts.stuck = None;
    for node in candidates(inventory, facts) {
        match Box::pin(read_through(transport, inventory, &node, facts)).await {
            Ok((client, cluster)) => {
                facts.cluster = Some(cluster);
                match besides(transport, inventory, &client, facts).await {
                    Ok(()) => break,
                    Err(problem) => {
                        facts.cluster = None;
                        facts.cluster_problem = Some(format!("{node}: {problem}"));
                    }
                }
            }
            Err(problem) => facts.cluster_problem = Some(format!("{node}: {problem}")),
        }
    }
    facts.lone_namespaces = lone_namespaces(transport, inventory, facts).await;
}

/// The members that could serve the API: the seed first.
fn candidates(inventory: &Inventory, facts: &Facts) -> Vec<String> {
    let Some(seed) = facts.seed(inventory) else { return Vec::new() };
    let others = inventory.control_planes().filter(|node| {
        node.name != seed.name
            && facts.is_member(node)
            && facts.node(&node.name).is_some_and(super::NodeFacts::healthy_member)
    });
    std::iter::once(seed).chain(others).map(|node| node.name.clone()).collect()
}

async fn read_through(
    transport: &dyn Transport,
    inventory: &Inventory,
    node: &str,
    facts: &Facts,
) -> Result<(kube::Client, super::ClusterFacts), String> {
    let config = facts.node(node).and_then(|seen| seen.kubeconfig.clone()).ok_or("it has no admin kubeconfig")?;
    let client = transport.kubernetes(node, &config).await.map_err(|error| error.to_string())?;
    let with_storage = inventory.storage.engine != Engine::None || facts.departing.is_some() || facts.mending.is_some();
    let (mut cluster, flux, mastodon) = futures::try_join!(
        Box::pin(read::cluster(&client, node, with_storage)),
        flux(&client, inventory),
        mastodon(&client, inventory),
    )
    .map_err(|error| error.to_string())?;
    cluster.flux = flux;
    cluster.mastodon = mastodon;
    Ok((client, cluster))
}

/// What only some commands ask for.
async fn besides(
    transport: &dyn Transport,
    inventory: &Inventory,
    client: &kube::Client,
    facts: &mut Facts,
) -> Result<(), String> {
    departing_pods(client, facts).await?;
    if let (Some(_), Some(cluster)) = (&facts.mending, &facts.cluster) {
        facts.stuck = Some(Box::pin(look_stuck::read(transport, inventory, client, facts, cluster)).await?);
    }
    Ok(())
}

/// The pods of the member that is to be taken out: its Node is known only now.
async fn departing_pods(client: &kube::Client, facts: &mut Facts) -> Result<(), String> {
    let Some(object) = facts.departing_object().map(|(name, _)| name.to_owned()) else { return Ok(()) };
    let pods = crate::kube::pods::on_node(client, &object).await.map_err(|error| error.to_string())?;
    if let Some(cluster) = &mut facts.cluster {
        cluster.departing_pods = pods;
    }
    Ok(())
}

async fn flux(client: &kube::Client, inventory: &Inventory) -> kube::Result<Option<super::flux::FluxFacts>> {
    match &inventory.flux {
        Some(_) => Box::pin(crate::kube::flux::read(client)).await,
        None => Ok(None),
    }
}

async fn mastodon(client: &kube::Client, inventory: &Inventory) -> kube::Result<Option<super::MastodonFacts>> {
    let Some(wanted) = &inventory.mastodon else { return Ok(None) };
    Box::pin(crate::kube::mastodon::read(client, wanted)).await.map(Some)
}

/// Namespaces a user made on each machine that is a cluster of its own but is wanted as a member: joining would
/// lose them (canonical/microk8s `scripts/wrappers/join.py`: the joiner's data store is replaced). And those of the first
/// control plane while nothing is recorded: they say whether somebody uses it.
async fn lone_namespaces(
    transport: &dyn Transport,
    inventory: &Inventory,
    facts: &Facts,
) -> BTreeMap<String, Vec<String>> {
    let lone = inventory.nodes.iter().filter(|node| {
        let seen = facts.node(&node.name);
        !facts.is_member(node) && seen.is_some_and(|seen| seen.control_plane_up() && seen.alone())
    });
    let reads = lone.map(|node| async move {
        let config = facts.node(&node.name)?.kubeconfig.clone()?;
        let client = transport.kubernetes(&node.name, &config).await.ok()?;
        Some((node.name.clone(), read::user_namespaces(&client).await.ok()?))
    });
    join_all(reads).await.into_iter().flatten().collect()
}

/// Everything: all nodes, the repository beside them, and the API. `blank` holds what is known before: the record on this
/// machine, and what the user wants.
pub async fn all(
    transport: &dyn Transport,
    inventory: &Inventory,
    recipe: &Recipe,
    blank: Facts,
    repository: impl Future<Output = Option<RepositoryFacts>>,
) -> Facts {
    let mut facts = blank;
    let names: Vec<String> = inventory.nodes.iter().map(|node| node.name.clone()).collect();
    let (repository, ()) = tokio::join!(repository, nodes(transport, inventory, recipe, &names, &mut facts));
    facts.repository = repository;
    cluster(transport, inventory, &mut facts).await;
    facts
}

/// The names of the nodes that answered.
pub fn reached(facts: &Facts) -> Vec<String> {
    let seen = facts.nodes.iter().filter(|(_, observation)| matches!(observation, Observation::Seen(_)));
    seen.map(|(name, _)| name.clone()).collect()
}
