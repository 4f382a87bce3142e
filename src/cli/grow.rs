//! The cluster takes in a node that the inventory is about to name: the plan is shown, asked about, then it is `up`.

use super::change::{self, Changed};
use super::output;
use super::run::{Manner, RunArguments};
use crate::engine;
use crate::error::{ExitCode, Failure};
use crate::facts::Facts;
use crate::inventory::Inventory;
use crate::plan::Plan;
use crate::report::face::Verbosity;
use crate::report::plan as view;
use crate::report::words;
use crate::status::growth::growth;
use crate::steps::takeover;

/// What a node is taken in with.
pub(super) struct Growth<'a> {
    /// The inventory until now.
    pub(super) before: &'a Inventory,
    /// The inventory with the node.
    pub(super) wanted: Inventory,
    /// The change of the file; none when it says so already, as after an interrupted run.
    pub(super) change: Option<&'a Changed>,
    /// The new node.
    pub(super) node: &'a str,
    /// The command, for a second run of it.
    pub(super) again: &'a [&'a str],
}

/// Shows, asks, writes the inventory and converges.
pub(super) async fn grow(arguments: &RunArguments, manner: &Manner, wanted: Growth<'_>) -> Result<ExitCode, Failure> {
    let command = wanted.again.first().copied().unwrap_or("up");
    let run = arguments.begin_with(manner, wanted.wanted.clone(), arguments.recipe()?, wanted.again)?;
    let looked = Box::pin(engine::preview(&run.session)).await;
    let decided = match looked {
        Err(outcome) => Err(Failure::new(outcome.code, outcome.summary)),
        Ok((plan, facts)) => possible(&plan, wanted.node).and_then(|()| ours(&wanted.wanted, &facts)).and_then(|()| {
            let typed = words::command(std::iter::once("homeprov").chain(wanted.again.iter().copied()));
            if manner.verbosity > Verbosity::Quiet {
                let shown = view::text(&plan, &wanted.wanted, &typed, output::stderr_paint(), output::stderr_width());
                let words = growth(wanted.before, &wanted.wanted, &facts);
                let words: Vec<String> = words.into_iter().map(|line| line + "\n").collect();
                let change = wanted.change.map(|change| format!("\n{}", change.difference())).unwrap_or_default();
                run.screen.suspend(|| output::note(&format!("{shown}{}{change}", words.concat())));
            }
            if plan.is_empty() && wanted.change.is_none() {
                return Ok(());
            }
            let question = format!("{} is to become a part of {}. Do it?", wanted.node, wanted.wanted.cluster.name);
            change::agreed(manner.yes, &run.screen, &question)?;
            wanted.change.map_or(Ok(()), Changed::write)
        }),
    };
    if let Err(failure) = decided {
        run.end().await;
        return Err(failure);
    }
    let outcome = Box::pin(engine::converge(&run.session, command)).await;
    run.end().await;
    Ok(outcome.code)
}

/// A cluster that homeprov did not set up is taken over by `up`, which asks, before it grows.
fn ours(inventory: &Inventory, facts: &Facts) -> Result<(), Failure> {
    takeover::pending(inventory, facts).map_or(Ok(()), |what| {
        Err(Failure::new(
            ExitCode::Refused,
            format!("{what}. `homeprov up` asks about that; the inventory stays as it is"),
        ))
    })
}

/// Refusals and a new machine that does not answer are told before the inventory names it.
fn possible(plan: &Plan, node: &str) -> Result<(), Failure> {
    let refusals: Vec<String> = plan.refusals().map(|refusal| refusal.verdict.text()).collect();
    if !refusals.is_empty() {
        let message = format!("refused before anything was changed, the inventory neither:\n{}", refusals.join("\n"));
        return Err(Failure::new(ExitCode::Refused, message));
    }
    plan.unreachable.get(node).map_or(Ok(()), |reason| {
        Err(Failure::new(
            ExitCode::Unreachable,
            format!("{node} does not answer, and the inventory stays as it is: {reason}"),
        ))
    })
}
