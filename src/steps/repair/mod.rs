//! Members that are not whole are mended: with `--repair`, after the question, and never when quorum or the last good
//! replica would go.

mod finding;
mod reinstalled;

use std::sync::Arc;

use async_trait::async_trait;

pub use finding::{Command, Finding, all};

use super::{Context, Failure, RustStep, guard};
use crate::facts::{Facts, NodeFacts};
use crate::inventory::model::{Inventory, Node};
use crate::plan::{Place, Verdict};
use crate::ssh::{Program, Purpose};

/// Asks the user whether this may be done; false when they say no.
pub type Ask = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Nothing that the cluster lists as a member is another machine by now, or has another role than the inventory's.
pub struct MembersWhole;

#[async_trait]
impl RustStep for MembersWhole {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        let found = all(inventory, facts);
        if facts.repair
            && let Some(next) = found.iter().find(|finding| finding.obstacle(inventory, facts).is_none())
        {
            return Verdict::differs(&next.reading);
        }
        let refusals: Vec<String> =
            found.iter().filter(|finding| finding.refuses).map(|finding| said(inventory, facts, finding)).collect();
        if refusals.is_empty() { Verdict::Holds } else { Verdict::blocked(refusals.join("\n")) }
    }

    fn mends(&self) -> bool {
        true
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let found = all(&context.inventory, &context.facts);
        let mut mendable =
            found.iter().filter(|finding| finding.obstacle(&context.inventory, &context.facts).is_none());
        let Some(finding) = mendable.next() else { return Ok(()) };
        guard::refuse(context, &finding.node, finding.loss, &finding.reading).await?;
        if !agreed(context, finding).await {
            return Err(Failure::Refused { reason: format!("left as it is, as you said. {}", finding.reading) });
        }
        for command in &finding.commands {
            context.say(command.to_string());
            run(context, command).await?;
        }
        Ok(())
    }
}

/// A finding with what homeprov could do about it.
fn said(inventory: &Inventory, facts: &Facts, finding: &Finding) -> String {
    let reading = &finding.reading;
    match finding.obstacle(inventory, facts) {
        _ if finding.commands.is_empty() => reading.clone(),
        Some(why) => format!("{reading}. homeprov would not do it now: {why}"),
        None => format!("{reading}. `homeprov up --repair` does this, after asking"),
    }
}

/// What could be done about a node that was waited for in vain.
pub fn hint(inventory: &Inventory, facts: &Facts, node: &str) -> Option<String> {
    let found = all(inventory, facts);
    let finding = found.iter().find(|finding| finding.node == node && !finding.refuses)?;
    Some(said(inventory, facts, finding))
}

/// Members that are none of the inventory's. Nobody named them, so they are left alone, and they count.
pub fn strangers(inventory: &Inventory, facts: &Facts) -> Vec<String> {
    let Some(seed) = facts.seed(inventory) else { return Vec::new() };
    let members = facts.node(&seed.name).and_then(|seen| seen.members.as_deref()).unwrap_or_default();
    let known = |address| inventory.nodes.iter().any(|node| node.address == address);
    let strange = members.iter().filter(|member| !member.address.is_loopback() && !known(member.address));
    strange
        .map(|member| {
            format!(
                "the data store lists {address}, which is no node of the inventory; it counts when a majority is needed. \
                 If that machine is gone for good: `microk8s remove-node {address} --force` on {}",
                seed.name,
                address = member.address,
            )
        })
        .collect()
}

async fn agreed(context: &Context, finding: &Finding) -> bool {
    let Some(ask) = context.ask.clone() else { return false };
    let commands: Vec<String> = finding.commands.iter().map(|command| format!("  {command}")).collect();
    let question = format!("{}\nhomeprov would run:\n{}\nDo it?", finding.reading, commands.join("\n"));
    tokio::task::spawn_blocking(move || ask(&question)).await.unwrap_or(false)
}

/// Types a command there; whether it did what it should is for the next observation to say.
pub(super) async fn run(context: &Context, command: &Command) -> Result<(), Failure> {
    let mut argv = command.argv();
    "/snap/bin/microk8s".clone_into(&mut argv[0]);
    let program = Program::Command { argv: argv.clone(), input: None };
    let (status, output) = match command {
        // It restarts everything there, which takes a minute.
        Command::Leave { on } => {
            let ended = context.job(on, &argv.join(" "), program).await?;
            (ended.status, ended.output)
        }
        Command::Remove { on, .. } => {
            let answer = context.run(on, Purpose::Apply, program).await?;
            (answer.status, format!("{}{}", answer.stdout, answer.stderr))
        }
    };
    // Of a member that is no Node (any more) it ends with 1 when it has done what it was to do
    // (canonical/microk8s `scripts/wrappers/remove_node.py`).
    let gone = ["Removing node entry found in dqlite", "does not exist"].iter().any(|text| output.contains(text));
    if status == 0 || (matches!(command, Command::Remove { .. }) && gone) {
        return Ok(());
    }
    Err(Failure::command(&command.to_string(), status, &output))
}

/// A node of the recorded cluster that lists this node's address as a member: as its data store tells, or as that
/// last stored while it does not answer.
pub fn lists<'a>(
    inventory: &'a Inventory,
    facts: &'a Facts,
    ca: &str,
    node: &Node,
) -> Option<(&'a Node, &'a NodeFacts)> {
    let mut members =
        facts.answering(inventory).filter(|(other, seen)| other.name != node.name && seen.ca.as_deref() == Some(ca));
    members.find(|(_, seen)| {
        let told = seen.members.as_ref().unwrap_or(&seen.stored_members);
        told.iter().any(|member| member.address == node.address)
    })
}
