//! A drill: a node is taken away by daylight, what becomes of the cluster is measured from outside, and the node comes back.
//!
//! Whatever happens meanwhile, the last thing done is to bring the node back: also after Ctrl-C, and when another run takes the
//! lock away. A run that is killed leaves a record in the cluster, by which the next `drill` or `up` ends what it began, and on
//! the node a timer that does the same.

mod away;
mod back;
mod canary;
mod halt;
mod look;
mod rehearse;
mod unfinished;

use std::sync::Arc;
use std::time::Duration;

use halt::Halt;
use unfinished::end_another;

use super::alone::lock;
use super::asked::{Asked, context, ended};
use super::outcome::{self, Outcome};
use super::session::Session;
use crate::drill::Report;
use crate::error::ExitCode;
use crate::facts::{Facts, Mending, gather};
use crate::playbook::model::Recipe;
use crate::steps::Context;
use crate::steps::drill::{Prospect, refusals, told};
use crate::steps::repair::Ask;

/// How often the cluster is looked at while the node is away.
const EVERY: Duration = Duration::from_secs(1);

const ASKED: Asked =
    Asked { id: "drill", title: "the cluster stands without a node", fault: "there is nothing to be rehearsed" };

/// Takes a node away and watches; `ask` is how the user agrees to what will happen.
pub async fn drill(session: &Session, prospect: &Prospect, ask: &Ask) -> Result<(Report, Outcome), Outcome> {
    let began = session.begin("drill");
    // Facts alone are wanted, no step's check.
    let recipe = Arc::new(Recipe::default());
    let session = Session { mending: Some(Mending::new(false)), recipe, ..session.clone() };
    let found = Box::pin(locked(&session, prospect, ask)).await;
    ended(&session, began, usize::from(found.is_ok()), found)
}

/// Everything as it is now.
async fn observe(session: &Session) -> Result<Facts, Outcome> {
    tokio::select! {
        facts = session.observe_cluster() => Ok(facts),
        () = session.stop.wait() => Err(outcome::interrupted()),
    }
}

/// What keeps the node from being taken away.
fn refuse(session: &Session, facts: &Facts, prospect: &Prospect) -> Result<(), Outcome> {
    let why = refusals(&session.inventory, facts, prospect);
    if why.is_empty() {
        return Ok(());
    }
    let text = format!("{} cannot be taken away now:\n{}", prospect.node, why.join("\n"));
    Err(Outcome::new(ExitCode::Refused, text))
}

async fn agree(session: &Session, facts: &Facts, prospect: &Prospect, ask: &Ask) -> Result<(), Outcome> {
    let lines: Vec<String> = told(facts, prospect).iter().map(|line| format!("  {line}\n")).collect();
    let question = format!("{} of {}:\n{}Take it away?", prospect.node, session.inventory.cluster.name, lines.concat());
    let ask = Arc::clone(ask);
    let agreed = tokio::task::spawn_blocking(move || ask(&question)).await.unwrap_or(false);
    if agreed {
        Ok(())
    } else {
        Err(Outcome::new(ExitCode::Refused, "left as it is, as you said: nothing was changed"))
    }
}

/// Keeps other runs out, once it was agreed to.
async fn locked(session: &Session, prospect: &Prospect, ask: &Ask) -> Result<(Report, Outcome), Outcome> {
    let facts = observe(session).await?;
    if facts.unfinished_drill().is_none() {
        refuse(session, &facts, prospect)?;
        agree(session, &facts, prospect, ask).await?;
    }
    let (keeper, lost) = lock(session, &gather::reached(&facts)).await?;
    let halt = Halt::new(&session.stop, lost);
    let found = Box::pin(under_lock(session, facts, prospect, ask, &halt)).await;
    keeper.leave().await;
    found
}

async fn under_lock(
    session: &Session,
    facts: Facts,
    prospect: &Prospect,
    ask: &Ask,
    halt: &Halt,
) -> Result<(Report, Outcome), Outcome> {
    let context = tokio::select! {
        context = prepare(session, facts, prospect, ask) => context?,
        held = halt.lost() => return Err(outcome::locked(&held)),
    };
    // A node that is away comes back also when somebody takes the lock: that is within.
    Box::pin(rehearse::rehearse(session, &context, prospect, halt)).await
}

/// Ends what an earlier drill left, and looks once more: the answer may have taken an hour.
async fn prepare(session: &Session, facts: Facts, prospect: &Prospect, ask: &Ask) -> Result<Context, Outcome> {
    if facts.unfinished_drill().is_some() {
        let facts = Box::pin(end_another(session, facts)).await?;
        refuse(session, &facts, prospect)?;
        agree(session, &facts, prospect, ask).await?;
    }
    let facts = observe(session).await?;
    refuse(session, &facts, prospect)?;
    context(session, facts, &ASKED)
}
