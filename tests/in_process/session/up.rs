//! `homeprov up`, in every way a test may want it to go.

use std::sync::Arc;
use std::time::Duration;

use homeprov::engine;
use homeprov::engine::event::Event;
use homeprov::engine::lock::Holder;
use tokio::time::{Instant, sleep, timeout};

use super::inventories::without_proof;
use super::ran::{drain, tail};
use super::{House, LONGEST, Ran};

impl House {
    /// `homeprov up`, to its end.
    pub async fn up(&self) -> Ran {
        self.to_the_end(self.session(without_proof())).await
    }

    /// The same by somebody in particular.
    pub async fn up_as(&self, me: Holder) -> Ran {
        self.to_the_end(self.session_of(without_proof(), me)).await
    }

    /// The same with `--break-lock`.
    pub async fn up_by_force(&self, me: Holder) -> Ran {
        let (mut session, received) = self.session_of(without_proof(), me);
        session.break_lock = true;
        self.to_the_end((session, received)).await
    }

    /// `homeprov up`, to its end; every event is shown to `meets` as it is reported.
    pub async fn up_meeting(&self, meets: impl FnMut(&Event)) -> Ran {
        self.meeting("up", self.session(without_proof()), meets).await
    }

    /// `homeprov up`, killed after some time; what it had reported by then.
    pub async fn up_cut_off(&self, after: Duration) -> Vec<Event> {
        self.up_until(sleep(after)).await
    }

    /// `homeprov up`, killed when something comes about, unless it has ended by then; what it had reported.
    pub async fn up_until(&self, comes_about: impl Future<Output = ()>) -> Vec<Event> {
        let (session, mut received) = self.session(without_proof());
        tokio::select! {
            _ = engine::up(&session) => {}
            () = comes_about => {}
        }
        drop(session);
        drain(&mut received)
    }

    /// `homeprov up`, killed when it has reported so many events, unless it has ended by then.
    pub async fn up_events(&self, most: usize) -> Vec<Event> {
        let (session, mut received) = self.session(without_proof());
        let mut events = Vec::new();
        tokio::select! {
            biased;
            () = async {
                while events.len() < most {
                    events.extend(received.recv().await);
                }
            } => {}
            _ = engine::up(&session) => {}
        }
        events
    }

    /// `homeprov up`, to its end; once it has reported so many events, or has ended, something else happens, too.
    pub async fn up_while(&self, most: usize, happens: impl Future<Output = ()>) -> Ran {
        let (session, mut received) = self.session(without_proof());
        let began = Instant::now();
        let mut events = Vec::new();
        let mut happens = std::pin::pin!(happens);
        let mut happened = false;
        let outcome = {
            let mut up = std::pin::pin!(timeout(LONGEST, engine::up(&session)));
            loop {
                tokio::select! {
                    biased;
                    () = &mut happens, if events.len() >= most && !happened => happened = true,
                    event = received.recv() => events.extend(event),
                    ended = &mut up => break ended,
                }
            }
        };
        let took = began.elapsed();
        if !happened {
            happens.await;
        }
        events.extend(drain(&mut received));
        let Ok(outcome) = outcome else { panic!("it did not end within {LONGEST:?}; its end:\n{}", tail(&events)) };
        Ran { outcome, events, took }
    }

    /// `homeprov up` where somebody is asked before a cluster is taken over, and answers so.
    pub async fn up_taking_over(&self, answer: bool) -> Ran {
        let (mut session, received) = self.session(without_proof());
        session.takeover = Some(Arc::new(move |_| answer));
        self.to_the_end((session, received)).await
    }

    /// `homeprov up --repair`, to its end; how the questions are answered is told by `ask`.
    pub async fn up_repairing(&self, ask: impl Fn(&str) -> bool + Send + Sync + 'static) -> Ran {
        let (mut session, received) = self.session(without_proof());
        session.repair = Some(Arc::new(ask));
        self.to_the_end((session, received)).await
    }
}
