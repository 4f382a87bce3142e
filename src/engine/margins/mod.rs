//! How many more nodes may fail, from one observation: before the API, each volume, the site stop.

mod api;
mod site;
pub(super) mod volume;

use crate::facts::{ClusterFacts, Facts, Identity};
use crate::inventory::model::{Engine, Inventory};
use crate::status::margin::NodeMargin;

/// The margins of all there is; none while there is no cluster.
pub(super) fn describe(inventory: &Inventory, facts: &Facts) -> Vec<NodeMargin> {
    if facts.identity() == Identity::None && facts.cluster.is_none() {
        return Vec::new();
    }
    let api = api::margin(inventory, facts);
    let volumes = facts.cluster.iter().filter(|_| inventory.storage.engine != Engine::None);
    let volumes: Vec<NodeMargin> = volumes.flat_map(volume::margins).collect();
    let site = site::margin(inventory, facts, &api);
    std::iter::once(api).chain(volumes).chain(site).collect()
}

/// Whether a node of this name can have pods.
pub(super) fn ready(cluster: &ClusterFacts, node: &str) -> bool {
    cluster.nodes.get(node).is_some_and(|node| node.ready)
}

#[cfg(test)]
mod tests;
