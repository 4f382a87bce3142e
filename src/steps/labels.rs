//! The Node objects carry the inventory's labels.

use async_trait::async_trait;
use serde_json::{Map, json};

use super::{Context, Failure, RustStep};
use crate::facts::Facts;
use crate::inventory::model::Inventory;
use crate::kube::request;
use crate::plan::{Place, Verdict};

/// Every label of the inventory is on its Node; labels it does not name are left alone.
pub struct Labels;

/// The labels that differ, as `node: key=value`.
fn missing(inventory: &Inventory, facts: &Facts) -> Vec<(String, String, String)> {
    let Some(cluster) = &facts.cluster else { return Vec::new() };
    let mut missing = Vec::new();
    for node in &inventory.nodes {
        let Some(object) = cluster.nodes.get(&node.name) else { continue };
        let wanted = node.labels.iter().filter(|(key, value)| object.labels.get(*key) != Some(value));
        missing.extend(wanted.map(|(key, value)| (node.name.clone(), key.clone(), value.clone())));
    }
    missing
}

#[async_trait]
impl RustStep for Labels {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        if facts.cluster.is_none() {
            return Verdict::unknown("members-joined");
        }
        let missing = missing(inventory, facts);
        if missing.is_empty() {
            return Verdict::Holds;
        }
        let shown: Vec<String> = missing.iter().map(|(node, key, value)| format!("{node}: {key}={value}")).collect();
        Verdict::differs(shown.join(", "))
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let client = context.api().await?;
        for (node, key, value) in missing(&context.inventory, &context.facts) {
            let labels: Map<String, serde_json::Value> = [(key, json!(value))].into_iter().collect();
            request::merge(&client, &format!("/api/v1/nodes/{node}"), &json!({ "metadata": { "labels": labels } }))
                .await?;
        }
        Ok(())
    }
}
