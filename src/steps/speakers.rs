//! A speaker runs on every node: the one that announces an address must be able to change.

use async_trait::async_trait;

use super::{Context, Failure, RustStep};
use crate::facts::Facts;
use crate::inventory::model::Inventory;
use crate::plan::{Place, Verdict};

/// A speaker pod is ready on every node of the inventory.
pub struct Speakers;

#[async_trait]
impl RustStep for Speakers {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        if inventory.metallb.is_none() {
            return Verdict::Holds;
        }
        let Some(seen) = facts.cluster.as_ref().and_then(|cluster| cluster.metallb.as_ref()) else {
            return Verdict::unknown("metallb-enabled");
        };
        let without: Vec<String> = inventory
            .nodes
            .iter()
            .filter(|node| !seen.speakers.contains(&node.name))
            .map(|node| node.name.clone())
            .collect();
        if without.is_empty() {
            return Verdict::Holds;
        }
        let why = format!("no speaker is ready on {}", without.join(", "));
        if without.iter().all(|name| facts.unreachable(name).is_some()) {
            return Verdict::Waits { nodes: without, why };
        }
        Verdict::Settling { why }
    }

    /// The `DaemonSet` starts a speaker on each node by itself.
    async fn apply(&self, _: &Context) -> Result<(), Failure> {
        Ok(())
    }
}
