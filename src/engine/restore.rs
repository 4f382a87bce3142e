//! A restore: the loop of `up` with another recipe.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::outcome::{self, Outcome};
use super::run::Run;
use super::session::Session;
use crate::backup;
use crate::error::ExitCode;
use crate::facts::restore::Restore;

/// Puts a backup back, or goes on where an earlier run of the same restore stopped. The session's recipe is to be that of a
/// restore.
pub async fn restore(session: &Session, folder: &Path, identity: Option<PathBuf>) -> Outcome {
    let began = session.begin("restore");
    let (outcome, applied, observations) = Box::pin(run(session, folder, identity, false)).await;
    session.tell(outcome::finished(&outcome, began, applied, observations));
    outcome
}

/// Tries a restore in a namespace of its own, which is removed afterwards, or goes on with one. The session's recipe is to be
/// that of a rehearsal.
pub async fn rehearse(session: &Session, folder: &Path, identity: Option<PathBuf>) -> Outcome {
    let began = session.begin("restore --rehearse");
    let (outcome, applied, observations) = Box::pin(run(session, folder, identity, true)).await;
    session.tell(outcome::finished(&outcome, began, applied, observations));
    outcome
}

async fn run(session: &Session, folder: &Path, identity: Option<PathBuf>, rehearsal: bool) -> (Outcome, usize, usize) {
    let refused = |why: String| (Outcome::new(ExitCode::Refused, why), 0, 0);
    // No machine is asked about a backup that is damaged. All of it is read, which takes as long as it takes.
    let own = folder.to_owned();
    let looked = tokio::select! {
        looked = tokio::task::spawn_blocking(move || backup::look(&own)) => looked,
        () = session.stop.wait() => return (outcome::interrupted(), 0, 0),
    };
    let looked = match looked.unwrap_or_else(|error| Err(format!("the backup could not be looked at: {error}"))) {
        Ok(looked) if looked.whole() => looked,
        Ok(looked) => {
            return refused(format!("the backup is damaged; nothing was changed:\n{}", looked.wrong().join("\n")));
        }
        Err(why) => return refused(why),
    };
    let facts = tokio::select! {
        facts = session.observe_cluster() => facts,
        () = session.stop.wait() => return (outcome::interrupted(), 0, 0),
    };
    // One that did not end is continued under its own id.
    let id = session.run.clone();
    let mut restore = Restore { id, folder: folder.to_owned(), manifest: looked.manifest, identity, rehearsal };
    let unfinished = facts.journal_of(restore.record()).filter(|journal| !journal.ended);
    if let Some(journal) = unfinished.filter(|journal| journal.backup == restore.manifest.name) {
        restore.id = journal.id;
    }
    let session = Session { restore: Some(Arc::new(restore)), ..session.clone() };
    Box::pin(Run::new(&session).run()).await
}
