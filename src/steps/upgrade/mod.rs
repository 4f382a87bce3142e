//! MicroK8s goes from one minor version to the next, one node at a time. The channel that is wanted stands in the inventory of
//! the run.

pub mod allowed;
pub mod node;

use crate::facts::Facts;
use crate::inventory::model::Inventory;
use crate::steps::guard;

/// What is away while nodes are refreshed, a line each: told before the question.
pub fn told(inventory: &Inventory, facts: &Facts) -> Vec<String> {
    let alone = inventory.control_planes().filter(|node| guard::only_voter(inventory, facts, &node.name));
    let alone = alone.filter(|node| node::behind(facts, node, &inventory.cluster.channel));
    let lines = alone.map(|node| {
        format!(
            "{name} has the only vote of the data store: the API is away for some minutes while {name} is refreshed. Pods go on meanwhile, and \
             none is moved or started anew. With three control planes it would stay",
            name = node.name,
        )
    });
    lines.collect()
}

#[cfg(test)]
mod tests;
