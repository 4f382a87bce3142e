//! What is asked for by name, and not because a plan says so: one step that stands for itself, from its beginning to its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::event::Event;
use super::outcome::{self, Outcome};
use super::session::Session;
use crate::error::ExitCode;
use crate::facts::Facts;
use crate::plan::{self, Place};
use crate::playbook::model::{Action, On, Step};
use crate::steps::{Context, Failure};

/// What is asked for.
pub(super) struct Asked {
    /// The step's id.
    pub id: &'static str,
    /// Its title.
    pub title: &'static str,
    /// What to say when there is no cluster to ask.
    pub fault: &'static str,
}

/// The step stands for itself here: no playbook has to name it for it to be asked for.
pub(super) fn context(session: &Session, facts: Facts, asked: &Asked) -> Result<Context, Outcome> {
    if facts.cluster.is_none() {
        let plan = plan::plan(&session.inventory, &session.recipe, &facts);
        if !plan.unreachable.is_empty() {
            return Err(outcome::of_plan(&plan));
        }
        let problem = facts.cluster_problem.as_deref().unwrap_or("there is no cluster yet; `homeprov up` makes it");
        return Err(Outcome::new(ExitCode::Refused, format!("{}: {problem}", asked.fault)));
    }
    Ok(context_of_nodes(session, facts, asked))
}

/// The same for what asks the nodes alone, be there a cluster or not.
pub(super) fn context_of_nodes(session: &Session, facts: Facts, asked: &Asked) -> Context {
    let hour = Duration::from_secs(3600);
    Context {
        inventory: Arc::clone(&session.inventory),
        facts: Arc::new(facts),
        transport: Arc::clone(&session.transport),
        events: session.events.clone(),
        step: Step {
            id: asked.id.to_owned(),
            title: asked.title.to_owned(),
            on: On::Cluster,
            action: Action::Builtin(asked.id.to_owned()),
            when: None,
            settle: Duration::ZERO,
            limit: hour,
            attempts: 1,
            why: String::new(),
            playbook: String::new(),
        },
        place: Place::Cluster,
        turn: Arc::new(Mutex::new(())),
        state: session.state.clone(),
        parting: session.parting.clone(),
        ask: None,
    }
}

/// Reports that the step begins.
pub(super) fn begins(session: &Session, context: &Context, why: impl Into<String>) -> Instant {
    session.tell(Event::StepStarted {
        step: context.step.id.clone(),
        title: context.step.title.clone(),
        place: context.place.clone(),
        attempt: 1,
        why: why.into(),
    });
    Instant::now()
}

/// Reports that it was done, and holds.
pub(super) fn holds(session: &Session, context: &Context, began: Instant) {
    let (step, title, place) = (context.step.id.clone(), context.step.title.clone(), context.place.clone());
    session.tell(Event::StepApplied { step: step.clone(), place: place.clone(), took: began.elapsed() });
    session.tell(Event::StepHolds { step, title, place });
}

/// Reports that it does not hold.
pub(super) fn fails(session: &Session, context: &Context, reason: &str) {
    let (step, title, place) = (context.step.id.clone(), context.step.title.clone(), context.place.clone());
    session.tell(Event::StepFailed { step, title, place, reason: reason.to_owned(), output: vec![] });
}

/// Reports what it failed with; how the command ends by that.
pub(super) fn failed(session: &Session, context: &Context, failure: &Failure) -> Outcome {
    let code = match failure {
        Failure::Unreachable(_) | Failure::Lost { .. } => ExitCode::Unreachable,
        Failure::NotVerified { .. } => ExitCode::VerificationFailed,
        Failure::Refused { .. } => ExitCode::Refused,
        Failure::Failed { .. } | Failure::Busy { .. } | Failure::Api(_) => ExitCode::StepFailed,
    };
    let reason = failure.to_string();
    fails(session, context, &reason);
    Outcome::new(code, reason)
}

/// Reports the end of a command that has a result, and hands that on.
pub(super) fn ended<T>(
    session: &Session,
    began: Instant,
    applied: usize,
    found: Result<(T, Outcome), Outcome>,
) -> Result<(T, Outcome), Outcome> {
    let outcome = match &found {
        Ok((_, outcome)) | Err(outcome) => outcome,
    };
    session.tell(outcome::finished(outcome, began, applied, session.inventory.nodes.len()));
    found
}
