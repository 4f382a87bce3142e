//! A backup: the machines are looked at, other runs kept out, and the site's data streamed here.

use super::alone::alone;
use super::asked::{Asked, begins, context, ended, failed, holds};
use super::outcome::{self, Outcome};
use super::session::Session;
use crate::backup::save::save;
use crate::backup::{Options, Saved};
use crate::error::ExitCode;
use crate::facts::gather;
use crate::steps::Context;

/// Makes a backup. Interrupted or failed, nothing of it stays.
pub async fn backup(session: &Session, options: &Options) -> Result<(Saved, Outcome), Outcome> {
    let began = session.begin("backup");
    let found = Box::pin(kept(session, options)).await;
    ended(session, began, usize::from(found.is_ok()), found)
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
    alone(session, &nodes, saved(session, &context, options)).await
}

async fn saved(session: &Session, context: &Context, options: &Options) -> Result<(Saved, Outcome), Outcome> {
    let began = begins(session, context, "asked for");
    let saved = tokio::select! {
        saved = save(context, options) => saved.map_err(|failure| failed(session, context, &failure))?,
        () = session.stop.wait() => {
            let text = "interrupted; nothing of this backup was kept, and earlier ones stay";
            return Err(Outcome::new(ExitCode::Interrupted, text));
        }
    };
    holds(session, context, began);
    let summary = format!("backed up to {}", saved.folder.display());
    Ok((saved, Outcome::new(ExitCode::Done, summary)))
}
