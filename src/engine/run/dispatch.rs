//! What of a plan is started, waited for or given up.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::Run;
use crate::engine::apply::apply_and_look;
use crate::engine::event::Event;
use crate::engine::ledger::{Key, Next};
use crate::error::ExitCode;
use crate::plan::{Pending, Place, Plan, Verdict};
use crate::playbook::model::{Action, Step};
use crate::steps::{self, Context, RustStep, repair};

/// What a look at the plan comes to.
pub(super) enum Turn {
    /// Something flies or is waited for: the places to look at again.
    Waits(BTreeSet<Place>),
    /// The next thing needs a fresh look at everything.
    LookAgain,
    /// Nothing flies, nothing is waited for.
    Idle,
}

impl Run<'_> {
    /// Starts what may be started.
    pub(super) fn dispatch(&mut self, plan: &Plan) -> Turn {
        let mut waits: BTreeSet<Place> = self.places.keys().cloned().collect();
        let mut serial_taken: BTreeSet<&str> = BTreeSet::new();
        let mut look_again = false;
        for pending in &plan.pending {
            let Some(step) = self.step(&pending.step) else { continue };
            if halts(step) && self.ledger.has_failed(&step.id) {
                continue;
            }
            let key = (pending.step.clone(), pending.place.clone());
            let serial = is_serial(step);
            if self.places.contains_key(&pending.place) || (serial && serial_taken.contains(step.id.as_str())) {
                if serial {
                    serial_taken.insert(&step.id);
                }
                continue;
            }
            match self.ledger.next(step, pending) {
                Next::Apply(attempt) => {
                    let alone = pending.place == Place::Cluster || serial;
                    if alone && !self.flying.is_empty() {
                        continue;
                    }
                    if alone && !self.fresh {
                        look_again = true;
                        break;
                    }
                    self.start(step, pending, &key, attempt);
                    waits.insert(pending.place.clone());
                }
                Next::Wait(left) => {
                    self.tell_waiting(&key, pending, left);
                    // A serial step looks at other nodes, too: the seed lists the members.
                    waits.insert(if serial { Place::Cluster } else { pending.place.clone() });
                }
                Next::Fail(code, reason, output) => {
                    let hint = self.waited_in_vain(pending);
                    // With that known, there may be something to do after all.
                    if self.removed(&pending.place) {
                        self.begin_again();
                        look_again = true;
                        break;
                    }
                    look_again |= self.facts.repair && hint.is_some();
                    let hint = hint.map(|hint| format!("\n{hint}")).unwrap_or_default();
                    self.fail(step, &key, code, &format!("{reason}{hint}"), output);
                }
                Next::Nothing => continue,
            }
            if serial {
                serial_taken.insert(&step.id);
            }
        }
        match () {
            () if look_again => Turn::LookAgain,
            () if self.flying.is_empty() && waits.is_empty() => Turn::Idle,
            () => Turn::Waits(waits),
        }
    }

    fn start(&mut self, step: &Step, pending: &Pending, key: &Key, attempt: u32) {
        self.session.tell(Event::StepStarted {
            step: step.id.clone(),
            title: step.title.clone(),
            place: pending.place.clone(),
            attempt,
            why: pending.verdict.text(),
        });
        self.ledger.started(key);
        self.changed();
        let context = Context {
            inventory: Arc::clone(&self.session.inventory),
            facts: Arc::new(self.facts.clone()),
            transport: Arc::clone(&self.session.transport),
            events: self.session.events.clone(),
            step: step.clone(),
            place: pending.place.clone(),
            turn: Arc::clone(&self.turn),
            state: self.session.state.clone(),
            parting: self.session.parting.clone(),
            ask: self.session.repair.clone(),
        };
        self.places.insert(pending.place.clone(), context.clone());
        self.flying.spawn(apply_and_look(context, Arc::clone(&self.session.recipe), is_serial(step)));
    }

    fn tell_waiting(&mut self, key: &Key, pending: &Pending, left: Duration) {
        let why = pending.verdict.text();
        if self.waiting_told.get(key) != Some(&why) {
            self.waiting_told.insert(key.clone(), why.clone());
            self.session.tell(Event::Waiting { step: key.0.clone(), place: key.1.clone(), why, left });
        }
    }

    /// Notes a node that was waited for until the time was up; what could be done about it, if anything.
    fn waited_in_vain(&mut self, pending: &Pending) -> Option<String> {
        let (Verdict::Settling { .. }, Place::Node(node)) = (&pending.verdict, &pending.place) else { return None };
        if self.mended.contains(node) {
            return None;
        }
        self.facts.overdue.insert(node.clone());
        repair::hint(&self.session.inventory, &self.facts, node)
    }

    /// Whether a node that was waited for in vain turns out to be no member any more: it can be joined again.
    fn removed(&self, place: &Place) -> bool {
        let Place::Node(name) = place else { return false };
        let node = self.session.inventory.node(name);
        !self.mended.contains(name) && node.is_some_and(|node| self.facts.removed(&self.session.inventory, node))
    }

    /// Nodes get another beginning: what had failed on them is tried again, once.
    pub(super) fn begin_again(&mut self) {
        for node in &self.facts.overdue {
            self.ledger.forgive(node);
            self.mended.insert(node.clone());
        }
    }

    fn fail(&mut self, step: &Step, key: &Key, code: ExitCode, reason: &str, output: Vec<String>) {
        let place = match &key.1 {
            Place::Node(node) => node.as_str(),
            Place::Cluster => "the cluster",
        };
        self.ledger.fail(key, code, format!("{place}: {}: {reason}", step.title));
        self.session.tell(Event::StepFailed {
            step: key.0.clone(),
            title: step.title.clone(),
            place: key.1.clone(),
            reason: format!("{reason}\nwhy it matters: {}", step.why),
            output,
        });
    }
}

/// Whether the step goes from node to node, one at a time.
pub(super) fn is_serial(step: &Step) -> bool {
    builtin(step).is_some_and(RustStep::serial)
}

/// Whether a failure of the step on one node keeps it from the others.
fn halts(step: &Step) -> bool {
    builtin(step).is_some_and(RustStep::halts)
}

fn builtin(step: &Step) -> Option<&'static dyn RustStep> {
    match &step.action {
        Action::Builtin(name) => steps::builtin(name),
        Action::Script { .. } => None,
    }
}
