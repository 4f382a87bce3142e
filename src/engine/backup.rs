//! A backup: the machines are looked at, other runs kept out, and the site's data streamed here.

use tokio::sync::watch;
use tokio::time::Instant;

use super::event::Event;
use super::lock::{Keeper, taken_away};
use super::outcome::{self, Outcome};
use super::session::Session;
use super::verify::{Asked, context, failed};
use crate::backup::save::save;
use crate::backup::{Options, Saved};
use crate::error::ExitCode;
use crate::facts::gather;

/// Makes a backup. Interrupted or failed, nothing of it stays.
pub async fn backup(session: &Session, options: &Options) -> Result<(Saved, Outcome), Outcome> {
    let began = session.begin("backup");
    let found = Box::pin(kept(session, options)).await;
    let outcome = match &found {
        Ok((_, outcome)) | Err(outcome) => outcome,
    };
    let applied = usize::from(found.is_ok());
    session.tell(outcome::finished(outcome, began, applied, session.inventory.nodes.len()));
    found
}

/// Keeps other runs out meanwhile: what is changed under way belongs to no moment.
async fn kept(session: &Session, options: &Options) -> Result<(Saved, Outcome), Outcome> {
    let facts = tokio::select! {
        facts = session.observe_cluster() => facts,
        () = session.stop.wait() => return Err(outcome::interrupted()),
    };
    let asked = Asked { id: "backup", title: "the site is backed up", fault: "the site cannot be backed up" };
    let nodes = gather::reached(&facts);
    let context = context(session, facts, &asked)?;
    let lost = watch::Sender::new(None);
    let away = taken_away(lost.subscribe());
    let taken = tokio::select! {
        taken = Keeper::take(&session.transport, &nodes, &session.me, session.break_lock, lost) => taken,
        () = session.stop.wait() => return Err(outcome::interrupted()),
    };
    let (keeper, taken) = taken.map_err(|held| outcome::locked(&held))?;
    session.tell_lock(&taken);
    let (step, place) = (context.step.clone(), context.place.clone());
    let started = Instant::now();
    session.tell(Event::StepStarted {
        step: step.id.clone(),
        title: step.title.clone(),
        place: place.clone(),
        attempt: 1,
        why: "asked for".to_owned(),
    });
    let saved = tokio::select! {
        saved = save(&context, options) => saved.map_err(|failure| failed(session, &context, &failure)),
        held = away => Err(outcome::locked(&held)),
        () = session.stop.wait() => {
            let text = "interrupted; nothing of this backup was kept, and earlier ones stay";
            Err(Outcome::new(ExitCode::Interrupted, text))
        }
    };
    keeper.leave().await;
    let saved = saved?;
    session.tell(Event::StepApplied { step: step.id.clone(), place: place.clone(), took: started.elapsed() });
    session.tell(Event::StepHolds { step: step.id, title: step.title, place });
    let summary = format!("backed up to {}", saved.folder.display());
    Ok((saved, Outcome::new(ExitCode::Done, summary)))
}
