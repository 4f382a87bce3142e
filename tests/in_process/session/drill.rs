//! `homeprov drill`, to its end, stopped and killed.

use std::sync::Arc;

use homeprov::drill::Report;
use homeprov::engine::event::Event;
use homeprov::engine::{self, Outcome, Session, stop};
use homeprov::steps::drill::Prospect;
use homeprov::steps::repair::Ask;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

use super::inventories::recipe;
use super::ran::{apart, drain, tail};
use super::{House, LONGEST};

impl House {
    /// `homeprov drill`; how the question is answered is told by `ask`.
    pub async fn drill(&self, prospect: &Prospect, ask: Ask) -> (Result<Report, Outcome>, Outcome, Vec<Event>) {
        let (session, received) = self.session(recipe());
        Self::drilled(session, received, prospect, ask).await
    }

    async fn drilled(
        session: Session,
        mut received: UnboundedReceiver<Event>,
        prospect: &Prospect,
        ask: Ask,
    ) -> (Result<Report, Outcome>, Outcome, Vec<Event>) {
        let ended = timeout(LONGEST * 2, Box::pin(engine::drill(&session, prospect, &ask))).await;
        let events = drain(&mut received);
        let Ok(ended) = ended else { panic!("it did not end; its end:\n{}", tail(&events)) };
        let (report, outcome) = apart(ended);
        (report, outcome, events)
    }

    /// The same, and the user asks to stop when something comes about.
    pub async fn drill_stopped(
        &self,
        prospect: &Prospect,
        comes_about: impl Future<Output = ()> + Send + 'static,
    ) -> (Result<Report, Outcome>, Outcome, Vec<Event>) {
        let (mut session, received) = self.session(recipe());
        let (stopper, stop) = stop::channel();
        session.stop = stop;
        let user = tokio::spawn(async move {
            comes_about.await;
            stopper.ask();
            // It was asked for; that stays so.
            std::future::pending::<()>().await;
        });
        let ended = Self::drilled(session, received, prospect, Arc::new(|_| true)).await;
        user.abort();
        ended
    }

    /// The same, killed when something comes about.
    pub async fn drill_until(&self, prospect: &Prospect, comes_about: impl Future<Output = ()>) {
        let (session, _received) = self.session(recipe());
        let ask: Ask = Arc::new(|_| true);
        tokio::select! {
            ended = Box::pin(engine::drill(&session, prospect, &ask)) => panic!("it ended: {ended:?}"),
            () = comes_about => {}
        }
    }
}
