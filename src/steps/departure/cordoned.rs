//! The departing node takes no new pods.

use async_trait::async_trait;
use serde_json::json;

use super::to_be_emptied;
use crate::facts::Facts;
use crate::facts::cluster::DEPARTING;
use crate::inventory::model::Inventory;
use crate::kube::request;
use crate::plan::{Place, Verdict};
use crate::steps::{Context, Failure, RustStep};

/// `kubectl cordon`, and a taint that replicas do not tolerate.
pub struct NodeCordoned;

#[async_trait]
impl RustStep for NodeCordoned {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        let Some(name) = to_be_emptied(inventory, facts) else { return Verdict::Holds };
        match facts.departing_object() {
            Some((_, object)) if !object.unschedulable || !object.departing => {
                Verdict::differs(format!("{name} takes new pods"))
            }
            _ => Verdict::Holds,
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let Some(name) = to_be_emptied(&context.inventory, &context.facts) else { return Ok(()) };
        let client = context.api().await?;
        let taint = json!({"key": DEPARTING, "effect": "NoSchedule"});
        let patch = json!({"spec": {"unschedulable": true, "taints": [taint]}});
        request::strategic(&client, &format!("/api/v1/nodes/{name}"), &patch).await?;
        Ok(())
    }
}
