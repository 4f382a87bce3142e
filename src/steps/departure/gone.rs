//! Kubernetes has no Node for the departing member any more.

use async_trait::async_trait;

use crate::facts::Facts;
use crate::inventory::model::Inventory;
use crate::plan::{Place, Verdict};
use crate::steps::repair::{self, Command};
use crate::steps::{Context, Failure, RustStep};

/// `microk8s remove-node`: who has left the data store keeps its Node otherwise.
pub struct NodeGone;

#[async_trait]
impl RustStep for NodeGone {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        if facts.departing.is_none() {
            return Verdict::Holds;
        }
        if facts.cluster.is_none() || facts.seed(inventory).is_none() {
            return Verdict::settling("the API does not answer, so it cannot be told");
        }
        match facts.departing_object() {
            Some((name, _)) => Verdict::differs(format!("Kubernetes still has a Node {name}")),
            None => Verdict::Holds,
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let seed = context.facts.seed(&context.inventory);
        let seed = seed.ok_or_else(|| Failure::failed("no control plane of this cluster answers"))?;
        let Some((name, _)) = context.facts.departing_object() else { return Ok(()) };
        let command = Command::Remove { on: seed.name.clone(), who: name.to_owned(), force: false };
        context.say(command.to_string());
        repair::run(context, &command).await
    }
}
