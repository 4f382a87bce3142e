//! `homeprov remove`

use std::net::Ipv4Addr;

use clap::Args;

use super::change::{self, Changed, Held};
use super::consent::Consent;
use super::output;
use super::run::{Manner, Prints, Run, RunArguments};
use crate::engine;
use crate::error::{ExitCode, Failure};
use crate::facts::Departing;
use crate::inventory::{Inventory, edit};
use crate::report::face::Verbosity;
use crate::steps::departure::losses;

/// Take a node out of the cluster: emptied, its replicas made anew elsewhere, then left and forgotten
#[derive(Debug, Args)]
#[command(help_template = super::HELP, before_help = "\
Examples:
  homeprov remove home.toml nuc1
  homeprov remove home.toml nuc1 --dead          its machine is gone for good
  homeprov remove home.toml 192.168.1.14 --dead  a member that is in no inventory")]
pub(super) struct Arguments {
    #[command(flatten)]
    run: RunArguments,
    /// The node's name, or a member's address
    node: String,
    /// The machine is gone for good: the others take it out
    #[arg(long)]
    dead: bool,
    #[command(flatten)]
    consent: Consent,
    /// Print events as JSON, one object per line
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) async fn run(&self, verbosity: Verbosity) -> Result<ExitCode, Failure> {
        change::can_agree(self.consent.yes, "homeprov remove")?;
        let held = Held::read(&self.run.inventory)?;
        let departing = departing(&held, &self.node, self.dead)?;
        let change = match held.inventory.node(&departing.name) {
            Some(node) => Some(held.changed(edit::remove(&held.text, &held.inventory, &node.name))?),
            None => None,
        };
        let shown = held.shown();
        let mut again = vec!["remove", &shown, &self.node];
        if self.dead {
            again.push("--dead");
        }
        let manner = Manner { prints: Prints::Events, json: self.json, yes: self.consent.yes, verbosity };
        let after = change.as_ref().map_or(&held.inventory, |change| &change.inventory);
        let taking =
            Taking { departing, before: &held.inventory, after, change: change.as_ref(), again: &again, gone: false };
        let code = Box::pin(take_out(&self.run, &manner, taking, self.consent.break_lock)).await?;
        if code == ExitCode::Done && !self.dead && verbosity > Verbosity::Quiet && !self.json {
            output::result(&left(&self.node))?;
        }
        Ok(code)
    }
}

/// Who is meant: a node of the inventory by name or address, or a member that is in no inventory.
fn departing(held: &Held, called: &str, dead: bool) -> Result<Departing, Failure> {
    let address: Option<Ipv4Addr> = called.parse().ok();
    let known = held.inventory.nodes.iter().find(|node| node.name == called || Some(node.address) == address);
    if let Some(node) = known {
        return Ok(Departing { name: node.name.clone(), address: Some(node.address), dead });
    }
    if dead {
        return Ok(Departing { name: called.to_owned(), address, dead });
    }
    let names: Vec<&str> = held.inventory.nodes.iter().map(|node| node.name.as_str()).collect();
    let message = format!("{} has no node {called}; it has {}", held.shown(), names.join(", "));
    let help = "it may have been removed already. What the cluster remembers of a machine in no inventory is removed by its address or its Node's name, with --dead";
    Err(Failure::new(ExitCode::Usage, message).help(help))
}

/// A member that is to be taken out.
pub(super) struct Taking<'a> {
    /// Which one.
    pub(super) departing: Departing,
    /// The inventory with it.
    pub(super) before: &'a Inventory,
    /// The inventory afterwards.
    pub(super) after: &'a Inventory,
    /// The change of the file, once it is out.
    pub(super) change: Option<&'a Changed>,
    /// The command, for a second run of it.
    pub(super) again: &'a [&'a str],
    /// Whether a machine that does not answer is taken for dead without a word of the user's.
    pub(super) gone: bool,
}

/// Looks, shows, asks, takes the member out, and writes the inventory last.
pub(super) async fn take_out(
    arguments: &RunArguments,
    manner: &Manner,
    taking: Taking<'_>,
    break_lock: bool,
) -> Result<ExitCode, Failure> {
    let command = taking.again.first().copied().unwrap_or("remove");
    let inventory = without_seed(taking.before, &taking.departing.name);
    let mut run = arguments.begin_with(manner, inventory, arguments.recipe_of("remove")?, taking.again)?;
    run.session.break_lock = break_lock;
    run.session.departing = Some(taking.departing.clone());
    if let Err(failure) = Box::pin(consent(&mut run, manner, &taking)).await {
        run.end().await;
        return Err(failure);
    }
    let outcome = Box::pin(engine::converge(&run.session, command)).await;
    // A third node that does not answer keeps nobody from being out.
    let out = match outcome.code {
        ExitCode::Done => true,
        ExitCode::Unreachable => {
            Box::pin(engine::preview(&run.session)).await.is_ok_and(|(plan, _)| plan.pending.is_empty())
        }
        _ => false,
    };
    run.end().await;
    if out && let Some(change) = taking.change {
        change.write()?;
    }
    Ok(outcome.code)
}

/// The inventory as the run needs it: the departing node comes last, so that another one is the seed; the site is not its concern.
fn without_seed(inventory: &Inventory, departing: &str) -> Inventory {
    let mut inventory = inventory.clone();
    inventory.nodes.sort_by_key(|node| node.name == departing);
    inventory.flux = None;
    inventory.mastodon = None;
    inventory
}

async fn consent(run: &mut Run, manner: &Manner, taking: &Taking<'_>) -> Result<(), Failure> {
    let stopped = |outcome: engine::Outcome| Failure::new(outcome.code, outcome.summary);
    let (mut plan, mut facts) = Box::pin(engine::preview(&run.session)).await.map_err(stopped)?;
    let name = &taking.departing.name;
    if taking.gone && facts.unreachable(name).is_some() {
        run.session.departing = Some(Departing { dead: true, ..taking.departing.clone() });
        facts.departing.clone_from(&run.session.departing);
        plan = crate::plan::plan(&run.session.inventory, &run.session.recipe, &facts);
    }
    let refusals: Vec<String> = plan.refusals().map(|refusal| refusal.verdict.text()).collect();
    if !refusals.is_empty() {
        let message = format!("refused before anything was changed, the inventory neither:\n{}", refusals.join("\n"));
        return Err(Failure::new(ExitCode::Refused, message));
    }
    if plan.pending.is_empty() {
        // An earlier run got as far as that; only the file is left.
        return Ok(());
    }
    let found = losses(&run.session.inventory, taking.after, &facts);
    let mut lines: Vec<String> = found.lines();
    if facts.is_dead(name) {
        lines.push(format!("{name} is taken for gone for good: it must never be switched on again as it is"));
    }
    let steps: Vec<String> = plan.pending.iter().map(|pending| format!("  + {}\n", pending.title)).collect();
    let told: Vec<String> = lines.iter().map(|line| format!("  {line}\n")).collect();
    if manner.verbosity > Verbosity::Quiet || !manner.yes {
        run.screen.suspend(|| output::note(&format!("{name}:\n{}{}", steps.concat(), told.concat())));
    }
    change::agreed(manner.yes, &run.screen, &format!("Take {name} out of {}?", run.session.inventory.cluster.name))
}

/// What stays on a machine that has left.
fn left(name: &str) -> String {
    format!(
        "{name} is a MicroK8s of its own now. What stays there: MicroK8s itself and old replicas below /var/snap/microk8s/common, \
         iSCSI records in /etc/iscsi, the packages. `snap remove --purge microk8s` there removes the first two\n"
    )
}
