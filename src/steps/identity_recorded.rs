//! Which cluster this is, is written down: before anything is joined, then on every member.

use async_trait::async_trait;

use super::{Context, Failure, RustStep};
use crate::facts::identity::{self, IdentityRecord};
use crate::facts::{Facts, Identity, NodeFacts};
use crate::inventory::model::Inventory;
use crate::plan::{Place, Verdict};
use crate::ssh::{Program, Purpose};

/// The identity is recorded on the controller and on at least the seed.
pub struct IdentityRecorded;
/// The identity is recorded on a member.
pub struct IdentityOnNode;

#[async_trait]
impl RustStep for IdentityRecorded {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        match facts.identity() {
            Identity::Conflict(_) => Verdict::unknown("cluster-identity"),
            Identity::None if facts.seed(inventory).is_none() => first_control_plane(inventory, facts),
            // Whether somebody uses it is asked about before it is taken for the seed.
            Identity::None if unread(inventory, facts) => {
                Verdict::settling("the API of the first control plane does not tell yet whether somebody uses it")
            }
            Identity::None => Verdict::differs("no cluster is recorded; the first control plane becomes the seed"),
            Identity::Known(_) if facts.is_unrecorded() => Verdict::differs(
                "homeprov did not set this cluster up; `up` asks before it takes it over and writes down which one it is",
            ),
            Identity::Known(_) if facts.recorded_here.is_none() => {
                Verdict::differs("recorded on the nodes, not on this machine yet")
            }
            Identity::Known(_) => Verdict::Holds,
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let ca = match context.facts.identity() {
            Identity::Known(ca) => ca,
            _ => context
                .node_facts()?
                .ca
                .clone()
                .ok_or_else(|| Failure::failed("the seed shows no certificate authority"))?,
        };
        let record = IdentityRecord { cluster: context.inventory.cluster.name.clone(), ca };
        if let Identity::None = context.facts.identity() {
            write(context, &context.node()?.name, &record).await?;
        }
        crate::facts::here::write(&context.state, &record)
            .map_err(|error| Failure::failed(format!(
                "which cluster this is cannot be written down on this machine, in {}: {error}. Nothing is lost, the nodes have it: make room \
                 there, or name another folder with XDG_STATE_HOME, and run `up` again",
                context.state.display()
            )))
    }
}

/// Whether it was not told which namespaces the machine has that is to become the seed.
fn unread(inventory: &Inventory, facts: &Facts) -> bool {
    let seed = facts.seed(inventory);
    seed.is_some_and(|seed| {
        facts.node(&seed.name).is_some_and(NodeFacts::alone) && !facts.lone_namespaces.contains_key(&seed.name)
    })
}

fn first_control_plane(inventory: &Inventory, facts: &Facts) -> Verdict {
    match inventory.control_planes().next() {
        Some(first) if facts.unreachable(&first.name).is_some() => Verdict::Waits {
            nodes: vec![first.name.clone()],
            why: format!("{} is the first control plane and starts the cluster; it does not answer", first.name),
        },
        _ => Verdict::unknown("microk8s-ready"),
    }
}

#[async_trait]
impl RustStep for IdentityOnNode {
    fn check(&self, inventory: &Inventory, facts: &Facts, place: &Place) -> Verdict {
        let Place::Node(name) = place else { return Verdict::Holds };
        let (Some(node), Some(seen)) = (inventory.node(name), facts.node(name)) else { return Verdict::Holds };
        match (&seen.identity, facts.is_member(node)) {
            (_, false) => Verdict::unknown("members-joined"),
            (Some(_), true) => Verdict::Holds,
            (None, true) => Verdict::differs("a member of the cluster without a record of it"),
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let node = context.node()?;
        let Some(ca) = context.node_facts()?.ca.clone() else {
            return Err(Failure::failed("it shows no certificate authority"));
        };
        write(context, &node.name, &IdentityRecord { cluster: context.inventory.cluster.name.clone(), ca }).await
    }
}

async fn write(context: &Context, node: &str, record: &IdentityRecord) -> Result<(), Failure> {
    let file = "/var/lib/homeprov/identity";
    let script = format!(
        "mkdir -p /var/lib/homeprov && printf '%s' {} >{file}.new && mv {file}.new {file}",
        shlex::try_quote(&record.to_string()).map_err(|error| Failure::failed(error.to_string()))?
    );
    let answer = context.run(node, Purpose::Apply, Program::Shell(script)).await?;
    if !answer.succeeded() {
        return Err(Failure::command("writing the record", answer.status, &answer.stderr));
    }
    context.say(format!("the cluster is {}", identity::short(&record.ca)));
    Ok(())
}
