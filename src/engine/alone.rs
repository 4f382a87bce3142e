//! One run at a time, for what is asked for by name: the lock around it, and its end when somebody takes the lock away.

use tokio::sync::watch;

use super::lock::{Held, Keeper, taken_away};
use super::outcome::{self, Outcome};
use super::session::Session;

/// Takes the leases of these nodes; what comes with them tells when somebody else took one away.
pub(super) async fn lock(
    session: &Session,
    nodes: &[String],
) -> Result<(Keeper, watch::Receiver<Option<Held>>), Outcome> {
    let (tell, lost) = watch::channel(None);
    let taken = tokio::select! {
        taken = Keeper::take(&session.transport, nodes, &session.me, session.break_lock, tell) => taken,
        () = session.stop.wait() => return Err(outcome::interrupted()),
    };
    let (keeper, taken) = taken.map_err(|held| outcome::locked(&held))?;
    session.tell_lock(&taken);
    Ok((keeper, lost))
}

/// Does something while other runs are kept out. It ends where it is when another run takes the lock away.
pub(super) async fn alone<T>(
    session: &Session,
    nodes: &[String],
    work: impl Future<Output = Result<T, Outcome>>,
) -> Result<T, Outcome> {
    let (keeper, lost) = lock(session, nodes).await?;
    let found = tokio::select! {
        found = work => found,
        held = taken_away(lost) => Err(outcome::locked(&held)),
    };
    keeper.leave().await;
    found
}
