//! The drill of a run that was killed: it is ended before another one begins.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::back::not_back;
use super::canary::clean;
use super::look::quietly;
use super::{ASKED, EVERY, observe};
use crate::engine::asked::{context, failed};
use crate::engine::event::Event;
use crate::engine::outcome::{self, Outcome};
use crate::engine::session::Session;
use crate::error::ExitCode;
use crate::facts::Facts;
use crate::facts::drill::Drill;
use crate::steps::drill::{self as hands, by_hand};

/// How long the cluster may take until it is as before.
const CALM: Duration = Duration::from_secs(15 * 60);

/// Ends the drill of a run that was killed, and waits until the cluster is as it was.
pub(super) async fn end_another(session: &Session, facts: Facts) -> Result<Facts, Outcome> {
    let Some(drill) = facts.unfinished_drill() else { return Ok(facts) };
    session.tell(Event::Warning {
        node: Some(drill.node.clone()),
        message: format!("an earlier drill took it away at {} and did not end; it is ended now", drill.at),
    });
    let began = Instant::now();
    let mut context = context(session, facts, &ASKED)?;
    let mut ordered = false;
    loop {
        if !ordered && context.facts.node(&drill.node).is_some() {
            hands::bring_back(&context, &drill.node, drill.how)
                .await
                .map_err(|failure| failed(session, &context, &failure))?;
            ordered = true;
        }
        if ordered && not_back(&context, &drill.node, &context.facts).is_none() {
            clean(&context).await;
            let ended = Drill { result: Some("it was broken off".to_owned()), ..drill };
            hands::note(&context, &ended).await.map_err(|failure| failed(session, &context, &failure))?;
            return observe(session).await;
        }
        if began.elapsed() > CALM {
            let text = format!(
                "an earlier drill took {} away, and it is not back: {}",
                drill.node,
                by_hand(&drill.node, drill.how)
            );
            return Err(Outcome::new(ExitCode::Unreachable, text));
        }
        tokio::select! {
            () = sleep(EVERY * 5) => {}
            () = session.stop.wait() => return Err(outcome::interrupted()),
        }
        context.facts = Arc::new(quietly(&context).await);
    }
}
