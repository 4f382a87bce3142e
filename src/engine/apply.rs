//! Applying one step.

use std::sync::Arc;

use tokio::time::{Duration, Instant, timeout};

use super::event::Event;
use super::ledger::Key;
use crate::facts::Observation;
use crate::facts::observe::observe;
use crate::plan::Place;
use crate::playbook::model::{Action, Recipe};
use crate::playbook::render::{RenderContext, render};
use crate::ssh::{Program, Purpose};
use crate::steps::job::RECONNECT;
use crate::steps::{self, Context, Failure};

/// How much longer than its limit a step may take, for looks before and after its command.
const SLACK: Duration = Duration::from_secs(600);

/// A step's command has ended.
pub struct Landed {
    /// Which step, where.
    pub key: Key,
    /// How it ended.
    pub result: Result<(), Failure>,
    /// How long it took.
    pub took: Duration,
    /// What its node looked like afterwards, when it stands on one and concerns no other.
    pub seen: Option<Observation>,
}

/// Applies a step, and looks at its node afterwards unless it is `serial`, when everything has to be looked at: on each
/// node at its own pace, whatever the others do.
pub async fn apply_and_look(context: Context, recipe: Arc<Recipe>, serial: bool) -> Landed {
    let (inventory, transport, events) = (context.inventory.clone(), context.transport.clone(), context.events.clone());
    let mut landed = apply(context).await;
    if landed.result.is_ok() {
        let (step, place) = landed.key.clone();
        let _ = events.send(Event::StepApplied { step, place, took: landed.took });
    }
    if let (_, Place::Node(name)) = &landed.key
        && !serial
        && let Some(node) = inventory.node(name)
    {
        landed.seen = Some(observe(&*transport, &inventory, &recipe, node).await);
    }
    landed
}

/// Applies a step and says how its command ended. Each wait within a step has a limit of its own; this one is for what
/// they might have left out.
async fn apply(context: Context) -> Landed {
    let began = Instant::now();
    let longest = context.step.limit + RECONNECT + SLACK;
    let result = timeout(longest, act(&context)).await.unwrap_or_else(|_| {
        let seconds = longest.as_secs();
        Err(Failure::failed(format!(
            "it was given up after {seconds} s; its limit is {} s",
            context.step.limit.as_secs()
        )))
    });
    Landed { key: (context.step.id.clone(), context.place.clone()), result, took: began.elapsed(), seen: None }
}

async fn act(context: &Context) -> Result<(), Failure> {
    match context.step.action.clone() {
        Action::Builtin(name) => match steps::builtin(&name) {
            Some(step) => step.apply(context).await,
            None => Err(Failure::Refused { reason: format!("this homeprov has no step `{name}`") }),
        },
        Action::Script { apply: Some(script), detached, .. } => run_script(context, &script, detached).await,
        // Only waiting helps; it has its settle time.
        Action::Script { apply: None, .. } => Ok(()),
    }
}

async fn run_script(context: &Context, template: &str, detached: bool) -> Result<(), Failure> {
    let Place::Node(name) = &context.place else { return Ok(()) };
    let node = context.node()?;
    let text = render(template, &RenderContext::new(&context.inventory, Some(node)))
        .map_err(|error| Failure::Refused { reason: error.to_string() })?;
    let (status, output) = if detached {
        let ended = context.job(name, &text, Program::Shell(text.clone())).await?;
        (ended.status, ended.output)
    } else {
        let answer = context.run(name, Purpose::Apply, Program::Shell(text)).await?;
        if answer.timed_out {
            return Err(Failure::failed(format!("it did not end within {} s", context.step.limit.as_secs())));
        }
        (answer.status, format!("{}{}", answer.stdout, answer.stderr))
    };
    if status == 0 { Ok(()) } else { Err(Failure::command("its command", status, &output)) }
}
