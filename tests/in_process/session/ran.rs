//! What a run came to, and the ways to have one come to it.

use std::time::Duration;

use homeprov::engine::event::Event;
use homeprov::engine::{self, Outcome, Session};
use homeprov::plan::Place;
use homeprov::ssh::Purpose;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, timeout};

use super::House;

/// More virtual time than any run may take.
pub const LONGEST: Duration = Duration::from_secs(3600);

/// What a run came to.
#[derive(Debug)]
pub struct Ran {
    pub outcome: Outcome,
    pub events: Vec<Event>,
    /// How much virtual time it took.
    pub took: Duration,
}

impl House {
    pub(super) async fn to_the_end(&self, started: (Session, UnboundedReceiver<Event>)) -> Ran {
        self.command_to_the_end("up", started).await
    }

    pub(super) async fn command_to_the_end(
        &self,
        command: &str,
        (session, mut received): (Session, UnboundedReceiver<Event>),
    ) -> Ran {
        let began = Instant::now();
        let ended = timeout(LONGEST, engine::converge(&session, command)).await;
        let took = began.elapsed();
        let events = drain(&mut received);
        let Ok(outcome) = ended else { panic!("it did not end within {LONGEST:?}; its end:\n{}", tail(&events)) };
        Ran { outcome, events, took }
    }

    pub(super) async fn meeting(
        &self,
        command: &str,
        (session, mut received): (Session, UnboundedReceiver<Event>),
        mut meets: impl FnMut(&Event),
    ) -> Ran {
        let began = Instant::now();
        let mut events = Vec::new();
        let run = engine::converge(&session, command);
        tokio::pin!(run);
        let outcome = loop {
            tokio::select! {
                biased;
                Some(event) = received.recv() => {
                    meets(&event);
                    events.push(event);
                }
                outcome = &mut run => break outcome,
                () = sleep(LONGEST.saturating_sub(began.elapsed())) => {
                    panic!("it did not end within {LONGEST:?}; its end:\n{}", tail(&events))
                }
            }
        };
        let took = began.elapsed();
        events.extend(drain(&mut received));
        Ran { outcome, events, took }
    }

    pub(super) async fn killed(
        command: &str,
        (session, mut received): (Session, UnboundedReceiver<Event>),
        most: usize,
    ) {
        let mut events = 0;
        tokio::select! {
            biased;
            () = async {
                while events < most {
                    received.recv().await;
                    events += 1;
                }
            } => {}
            _ = engine::converge(&session, command) => {}
        }
    }
}

pub fn drain(received: &mut UnboundedReceiver<Event>) -> Vec<Event> {
    std::iter::from_fn(|| received.try_recv().ok()).collect()
}

pub fn tail(events: &[Event]) -> String {
    let last = &events[events.len().saturating_sub(30)..];
    let lines: Vec<String> = last.iter().map(|event| format!("{event:?}")).collect();
    lines.join("\n")
}

/// A command's result and how it ended, apart.
pub fn apart<T>(ended: Result<(T, Outcome), Outcome>) -> (Result<T, Outcome>, Outcome) {
    match ended {
        Ok((report, outcome)) => (Ok(report), outcome),
        Err(outcome) => (Err(outcome.clone()), outcome),
    }
}

impl Ran {
    /// The steps it applied, as `step@place`.
    pub fn applied(&self) -> Vec<String> {
        started(&self.events).map(|(step, place, _)| format!("{step}@{place}")).collect()
    }

    /// How many connections it made.
    pub fn connections(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::Connected { .. })).count()
    }

    /// How many execs it made for this purpose.
    pub fn execs(&self, purpose: Purpose) -> usize {
        let made = |event: &&Event| matches!(event, Event::Executed { purpose: made, .. } if *made == purpose);
        self.events.iter().filter(made).count()
    }

    /// Its end, for the message of a failed assertion.
    pub fn tail(&self) -> String {
        tail(&self.events)
    }
}

/// The steps that were started: id, place and what was observed before.
pub fn started(events: &[Event]) -> impl Iterator<Item = (&str, String, &str)> {
    events.iter().filter_map(|event| match event {
        Event::StepStarted { step, place, why, .. } => {
            let place = match place {
                Place::Node(node) => node.clone(),
                Place::Cluster => "cluster".to_owned(),
            };
            Some((step.as_str(), place, why.as_str()))
        }
        _ => None,
    })
}
