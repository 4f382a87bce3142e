//! The departed machine does not take itself for a part of the cluster.

use async_trait::async_trait;

use crate::facts::Facts;
use crate::inventory::model::Inventory;
use crate::plan::{Place, Verdict};
use crate::ssh::{Program, Purpose};
use crate::steps::{Context, Failure, RustStep};

/// homeprov's record of the cluster is gone from a machine that has left it.
pub struct DepartedForgets;

#[async_trait]
impl RustStep for DepartedForgets {
    fn check(&self, _: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        let departing = facts.departing.as_ref().filter(|departing| !departing.dead);
        match departing.and_then(|departing| facts.node(&departing.name)) {
            Some(seen) if seen.identity.is_some() => Verdict::differs("it has the cluster's identity recorded"),
            _ => Verdict::Holds,
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let Some(departing) = &context.facts.departing else { return Ok(()) };
        let script = "rm -f /var/lib/homeprov/identity".to_owned();
        let answer = context.run(&departing.name, Purpose::Apply, Program::Shell(script)).await?;
        if answer.succeeded() {
            Ok(())
        } else {
            Err(Failure::command("removing the record", answer.status, &answer.stderr))
        }
    }
}
