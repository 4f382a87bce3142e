//! The data store does not list the departing member any more, and its machine is a cluster of its own.

use async_trait::async_trait;

use crate::facts::Facts;
use crate::inventory::model::Inventory;
use crate::plan::{Place, Verdict};
use crate::ssh::{Program, Purpose};
use crate::steps::guard::{self, Loss};
use crate::steps::repair::{self, Command};
use crate::steps::{Context, Failure, RustStep};

/// `microk8s leave` on a machine that lives; otherwise its entry is taken out by another member.
pub struct NodeLeft;

#[async_trait]
impl RustStep for NodeLeft {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        let Some(departing) = &facts.departing else { return Verdict::Holds };
        if !departing.dead && facts.departing_member(inventory).is_some() {
            return Verdict::differs(format!("{} is a member of the cluster", departing.name));
        }
        match facts.departing_listed(inventory) {
            Some(true) => {
                let address = departing.address.map(|address| address.to_string()).unwrap_or_default();
                Verdict::differs(format!("the data store lists {address} as a member"))
            }
            Some(false) => Verdict::Holds,
            None => Verdict::settling("no other member tells who is one"),
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let (inventory, facts) = (&context.inventory, &context.facts);
        let Some(departing) = &facts.departing else { return Ok(()) };
        let name = &departing.name;
        let seed = facts.seed(inventory).ok_or_else(|| Failure::failed("no control plane of this cluster answers"))?;
        if let Some((node, seen)) = facts.departing_member(inventory).filter(|_| !departing.dead) {
            guard::refuse(context, name, Loss::Leaves, &format!("{name} is to leave the cluster")).await?;
            if !seen.locks.contains("no-cert-reissue") && !seen.worker {
                // A machine cut off in mid-join lacks it, and `leave` takes it for no member then
                // (canonical/microk8s `microk8s-resources/wrappers/microk8s-leave.wrapper`).
                mark(context, &node.name).await?;
            }
            return repair::run(context, &Command::Leave { on: node.name.clone() }).await;
        }
        let Some(address) = departing.address else { return Ok(()) };
        let object = facts.departing_object().map_or(name.as_str(), |(object, _)| object);
        guard::refuse(context, object, Loss::Entry, &format!("{name} is to be taken out of the data store")).await?;
        let command = Command::Remove { on: seed.name.clone(), who: address.to_string(), force: true };
        context.say(command.to_string());
        repair::run(context, &command).await
    }
}

async fn mark(context: &Context, node: &str) -> Result<(), Failure> {
    let script = "cd /var/snap/microk8s/current/var/lock && touch no-cert-reissue && rm -f join-in-progress";
    let answer = context.run(node, Purpose::Apply, Program::Shell(script.to_owned())).await?;
    if answer.succeeded() {
        Ok(())
    } else {
        Err(Failure::command("setting the markers", answer.status, &answer.stderr))
    }
}
