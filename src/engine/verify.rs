//! The proof of storage at any time, whatever the record says.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, timeout};

use super::event::Event;
use super::lock::{Keeper, taken_away};
use super::outcome::{self, Outcome};
use super::session::Session;
use crate::error::ExitCode;
use crate::facts::{Facts, gather};
use crate::inventory::storage::classes;
use crate::plan::{self, Place};
use crate::playbook::model::{Action, On, Step};
use crate::steps::{Context, Failure, storage_proven};
use crate::storage::{Proof, Wanted};

/// How long removing what was made may take when the user asks to stop.
const PARTING: Duration = Duration::from_secs(10);

/// What to prove, when not all the inventory's classes as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StorageQuestion {
    /// Whether a node is to lose its replica meanwhile.
    pub drill: bool,
    /// Only this class, be it in the inventory or not.
    pub class: Option<String>,
    /// So many bytes instead of the inventory's `proof_size`.
    pub size: Option<u64>,
}

/// Proves storage, and writes the record when all the inventory asks for is proven.
pub async fn storage(session: &Session, question: &StorageQuestion) -> Result<(Proof, Outcome), Outcome> {
    let began = session.begin("verify storage");
    let found = Box::pin(prove(session, question)).await;
    let outcome = match &found {
        Ok((_, outcome)) | Err(outcome) => outcome,
    };
    let applied = usize::from(found.is_ok());
    session.tell(outcome::finished(outcome, began, applied, session.inventory.nodes.len()));
    found
}

/// Keeps other runs out meanwhile: each proof clears away what earlier ones left.
async fn prove(session: &Session, question: &StorageQuestion) -> Result<(Proof, Outcome), Outcome> {
    let facts = tokio::select! {
        facts = session.observe_cluster() => facts,
        () = session.stop.wait() => return Err(outcome::interrupted()),
    };
    let nodes = gather::reached(&facts);
    let lost = watch::Sender::new(None);
    let away = taken_away(lost.subscribe());
    let taken = tokio::select! {
        taken = Keeper::take(&session.transport, &nodes, &session.me, session.break_lock, lost) => taken,
        () = session.stop.wait() => return Err(outcome::interrupted()),
    };
    let (keeper, taken) = taken.map_err(|held| outcome::locked(&held))?;
    session.tell_lock(&taken);
    let found = tokio::select! {
        found = proven(session, question, facts) => found,
        held = away => Err(outcome::locked(&held)),
    };
    keeper.leave().await;
    found
}

async fn proven(session: &Session, question: &StorageQuestion, facts: Facts) -> Result<(Proof, Outcome), Outcome> {
    let wanted = wanted(session, question)?;
    let what = Asked {
        id: "storage-proven",
        title: "data written through a volume is where it should be",
        fault: "storage cannot be proven",
    };
    let context = context(session, facts, &what)?;
    let (step, place) = (context.step.clone(), context.place.clone());
    session.tell(Event::StepStarted {
        step: step.id.clone(),
        title: step.title.clone(),
        place: place.clone(),
        attempt: 1,
        why: "asked for".to_owned(),
    });
    let started = Instant::now();
    let proving = tokio::select! {
        proof = storage_proven::prove(&context, &wanted) => proof,
        () = session.stop.wait() => {
            // What takes longer is removed at the beginning of the next proof.
            let _ = timeout(PARTING, storage_proven::abandon(&context)).await;
            let text = "interrupted; what the proof made is being removed, and what is left of it is at the next proof";
            return Err(Outcome::new(ExitCode::Interrupted, text));
        }
    };
    let proof = match proving {
        Ok(proof) => proof,
        Err(failure) => return Err(failed(session, &context, &failure)),
    };
    if let Some(reason) = storage_proven::refuted(&proof) {
        // What the record says is known to be wrong now; `up` is to prove it again.
        if asked_for(session, &proof) {
            storage_proven::forget(&context).await.map_err(|failure| failed(session, &context, &failure))?;
        }
        let (step, title) = (step.id, step.title);
        session.tell(Event::StepFailed { step, title, place, reason: reason.clone(), output: vec![] });
        return Ok((proof, Outcome::new(ExitCode::VerificationFailed, reason)));
    }
    if question.class.is_none() && question.size.is_none() {
        storage_proven::record(&context, &proof).await.map_err(|failure| failed(session, &context, &failure))?;
    }
    session.tell(Event::StepApplied { step: step.id.clone(), place: place.clone(), took: started.elapsed() });
    session.tell(Event::StepHolds { step: step.id, title: step.title, place });
    Ok((proof, Outcome::new(ExitCode::Done, "proven")))
}

/// Whether a class that failed is one of the inventory's.
fn asked_for(session: &Session, proof: &Proof) -> bool {
    let storage = &session.inventory.storage;
    let own = [classes::rwo_class(storage), classes::rwx_class(storage)];
    proof.classes.iter().any(|class| class.cause.is_some() && own.contains(&Some(class.class.as_str())))
}

fn wanted(session: &Session, question: &StorageQuestion) -> Result<Wanted, Outcome> {
    let mut wanted = Wanted::of(&session.inventory.storage);
    if let Some(class) = &question.class {
        wanted = wanted.only(class);
    }
    wanted.drill = question.drill;
    wanted.size = question.size.unwrap_or(wanted.size);
    if wanted.classes.is_empty() {
        let text = "the inventory says `engine = \"none\"`: there is no class to prove; name one with --class";
        return Err(Outcome::new(ExitCode::Refused, text));
    }
    Ok(wanted)
}

/// What is asked for by name, and not because a plan says so.
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

pub(super) fn failed(session: &Session, context: &Context, failure: &Failure) -> Outcome {
    let code = match failure {
        Failure::Unreachable(_) | Failure::Lost { .. } => ExitCode::Unreachable,
        Failure::NotVerified { .. } => ExitCode::VerificationFailed,
        Failure::Refused { .. } => ExitCode::Refused,
        Failure::Failed { .. } | Failure::Busy { .. } | Failure::Api(_) => ExitCode::StepFailed,
    };
    let (step, title) = (context.step.id.clone(), context.step.title.clone());
    let reason = failure.to_string();
    session.tell(Event::StepFailed { step, title, place: Place::Cluster, reason: reason.clone(), output: vec![] });
    Outcome::new(code, reason)
}
