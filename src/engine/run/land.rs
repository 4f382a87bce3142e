//! What has ended: one step, and what is known by it.

use std::collections::BTreeSet;

use tokio::task::JoinError;
use tokio::time::{Instant, sleep};

use super::dispatch::is_serial;
use super::{LOOK, Run};
use crate::engine::apply::Landed;
use crate::engine::event::Event;
use crate::plan::Place;
use crate::playbook::model::{Action, On, Step};
use crate::steps;

impl Run<'_> {
    /// Waits for a command to end, or for the next look at what settles.
    pub(super) async fn wait(&mut self, places: &BTreeSet<Place>) {
        tokio::select! {
            Some(landed) = self.flying.join_next() => self.land_all(landed).await,
            Some(Ok((node, observation))) = self.searching.join_next() => self.searched(&node, observation),
            () = sleep(LOOK) => {
                let idle: BTreeSet<Place> = places.iter().filter(|place| !self.places.contains_key(*place)).cloned().collect();
                if !idle.is_empty() {
                    self.observe(&idle).await;
                }
            }
        }
    }

    /// Takes in what has ended: one step, and whatever else is there by then. The API is read once for all of them.
    async fn land_all(&mut self, first: Result<Landed, JoinError>) {
        let mut everywhere = false;
        let mut next = Some(first);
        while let Some(landed) = next {
            match landed {
                Ok(landed) => everywhere |= self.land(landed),
                // A step that panicked is a fault of homeprov: the next observation decides what is left to do.
                Err(error) => {
                    let message = format!("a step broke off: {error}");
                    self.session.tell(Event::Warning { node: None, message });
                    self.places.clear();
                    everywhere = true;
                }
            }
            next = self.flying.try_join_next();
        }
        if everywhere {
            self.observe_all().await;
        } else {
            self.observe_cluster().await;
        }
    }

    /// Takes in how one step ended; whether everything has to be looked at again.
    fn land(&mut self, landed: Landed) -> bool {
        let Landed { key, result, seen, .. } = landed;
        self.places.remove(&key.1);
        self.moved = Instant::now();
        self.landed = self.moved;
        if key.1 == Place::Cluster {
            // It may have pushed.
            self.repository_due = self.moved;
        }
        let Some(step) = self.step(&key.0) else { return true };
        match &result {
            Ok(()) => {
                self.ledger.landed(&key, step);
                if let Place::Node(node) = &key.1 {
                    self.facts.overdue.remove(node);
                }
                if mends(step) {
                    self.begin_again();
                }
            }
            Err(failure) => {
                if let Some(after) = self.ledger.went_wrong(&key, step, failure) {
                    let reason = failure.to_string();
                    self.session.tell(Event::StepRetry { step: key.0.clone(), place: key.1.clone(), reason, after });
                }
            }
        }
        if let (Place::Node(node), Some(seen)) = (key.1, seen) {
            self.observations += 1;
            self.saw(&node, seen);
        }
        // A serial step looks at other nodes, too, and a cluster step at all of them.
        step.on == On::Cluster || is_serial(step)
    }
}

fn mends(step: &Step) -> bool {
    matches!(&step.action, Action::Builtin(name) if steps::builtin(name).is_some_and(steps::RustStep::mends))
}
