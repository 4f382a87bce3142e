//! The loop of `up`.

mod look;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::{Mutex, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use super::apply::{Landed, apply_and_look};
use super::event::Event;
use super::ledger::{Key, Ledger, Next};
use super::lock::{Held, Keeper, taken_away};
use super::outcome::{self, Outcome};
use super::session::Session;
use crate::error::ExitCode;
use crate::facts::{Facts, Observation};
use crate::plan::{self, Pending, Place, Plan, Verdict};
use crate::playbook::model::{Action, On, Step};
use crate::steps::mastodon::site_answers;
use crate::steps::{self, Context, repair, takeover};

/// How often what is waited for is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long a world in motion may show nothing to do before the run gives up: services restart after a join.
const GRACE: Duration = Duration::from_secs(90);

/// How long the steps that were cut short may take to put things right.
const PARTING: Duration = Duration::from_secs(10);

/// One run of `up`.
pub struct Run<'a> {
    session: &'a Session,
    facts: Facts,
    ledger: Ledger,
    flying: JoinSet<Landed>,
    /// What is being applied, by place.
    places: BTreeMap<Place, Context>,
    turn: Arc<Mutex<()>>,
    /// The search for nodes that do not answer, beside everything else: it takes as long as a connection may take.
    searching: JoinSet<(String, Observation)>,
    sought: BTreeSet<String>,
    /// Whether everything that answers was observed after the last change.
    fresh: bool,
    /// Whether every node was, those that did not answer before, too.
    thorough: bool,
    turns: u32,
    observations: usize,
    shown: Option<Plan>,
    /// When the plan, or a node's reachability, last changed.
    moved: Instant,
    /// The nodes that have answered in this run.
    met: BTreeSet<String>,
    waiting_told: BTreeMap<Key, String>,
    /// Whether the user agreed to have a cluster taken over that homeprov did not set up.
    agreed: bool,
    /// The lock, once there was something to change.
    keeper: Option<Keeper>,
    /// Told when somebody else took the lock away.
    lost: watch::Sender<Option<Held>>,
    /// When the repository is to be read again at the latest.
    repository_due: Instant,
    /// The warnings told in this run.
    warned: BTreeSet<String>,
    /// The nodes that were given another beginning in this run, once each.
    mended: BTreeSet<String>,
}

/// What a look at the plan comes to.
enum Turn {
    /// Something flies or is waited for: the places to look at again.
    Waits(BTreeSet<Place>),
    /// The next thing needs a fresh look at everything.
    LookAgain,
    /// Nothing flies, nothing is waited for.
    Idle,
}

impl<'a> Run<'a> {
    pub fn new(session: &'a Session) -> Self {
        Self {
            session,
            facts: session.blank_facts(),
            ledger: Ledger::default(),
            flying: JoinSet::new(),
            places: BTreeMap::new(),
            turn: Arc::default(),
            searching: JoinSet::new(),
            sought: BTreeSet::new(),
            fresh: false,
            thorough: false,
            turns: 0,
            observations: 0,
            shown: None,
            moved: Instant::now(),
            met: BTreeSet::new(),
            waiting_told: BTreeMap::new(),
            agreed: false,
            keeper: None,
            lost: watch::Sender::new(None),
            repository_due: Instant::now(),
            warned: BTreeSet::new(),
            mended: BTreeSet::new(),
        }
    }

    /// Runs to the end; returns how it ended, how many steps were applied and how many observations were made.
    pub async fn run(mut self) -> (Outcome, usize, usize) {
        let stop = self.session.stop.clone();
        let lost = self.lost.subscribe();
        let ended = tokio::select! {
            outcome = self.turns() => Some(outcome),
            () = stop.wait() => None,
            held = taken_away(lost) => Some(outcome::locked(&held)),
        };
        let outcome = ended.unwrap_or_else(|| {
            outcome::interrupted_up(self.places.iter().map(|(place, context)| (place, context.step.title.as_str())))
        });
        // Following ends here; what runs on the nodes is detached and goes on.
        self.flying.abort_all();
        self.searching.abort_all();
        self.abandon().await;
        if let Some(keeper) = self.keeper.take() {
            keeper.leave().await;
        }
        (outcome, self.ledger.applied, self.observations)
    }

    /// Lets the steps that were cut short put right what cannot wait for the next run.
    async fn abandon(&self) {
        let steps = self.places.values().filter_map(|context| match &context.step.action {
            Action::Builtin(name) => Some((steps::builtin(name)?, context)),
            Action::Script { .. } => None,
        });
        let steps = steps.map(|(step, context)| step.abandoned(context));
        // What takes longer is done by the next run.
        let _ = timeout(PARTING, join_all(steps)).await;
    }

    async fn turns(&mut self) -> Outcome {
        self.observe_thoroughly().await;
        loop {
            let plan = plan::plan(&self.session.inventory, &self.session.recipe, &self.facts);
            self.show(&plan);
            if plan.runnable().next().is_some()
                && let Some(refusal) = self.taken_over().await
            {
                return refusal;
            }
            if self.keeper.is_none() && plan.runnable().next().is_some() {
                match self.lock().await {
                    // What was seen before the lock was ours may have been changed by its last holder.
                    Ok(()) => self.observe_all().await,
                    Err(held) => return outcome::locked(&held),
                }
                continue;
            }
            match self.dispatch(&plan) {
                Turn::LookAgain => self.observe_all().await,
                Turn::Waits(places) => self.wait(&places).await,
                Turn::Idle if !self.thorough => self.observe_thoroughly().await,
                Turn::Idle if plan.is_empty() => return self.done(),
                // The world is in motion after a change: a control plane restarts, a node boots.
                Turn::Idle if self.may_still_move(&plan) => {
                    sleep(LOOK).await;
                    self.observe_thoroughly().await;
                }
                Turn::Idle => {
                    let left_running: Vec<&str> = self.ledger.left_running().collect();
                    return outcome::stuck(&plan, &self.ledger.failures, &left_running, self.ledger.applied);
                }
            }
        }
    }

    /// Asks, once, before anything is changed on what homeprov did not set up; how the run ends where the answer is no. It may be
    /// seen only when services that were stopped run again.
    async fn taken_over(&mut self) -> Option<Outcome> {
        if self.agreed {
            return None;
        }
        let what = takeover::pending(&self.session.inventory, &self.facts)?;
        let Err(refusal) = takeover::agree(&what, self.session.takeover.clone()).await else {
            self.agreed = true;
            return None;
        };
        let when = match self.ledger.applied {
            0 => "refused before anything was changed".to_owned(),
            applied => format!("refused after {applied} of the steps that make a machine ready"),
        };
        Some(Outcome::new(ExitCode::Refused, format!("{when}: {refusal}")))
    }

    /// Keeps other runs out, before the first change.
    async fn lock(&mut self) -> Result<(), Held> {
        let Session { inventory, transport, me, break_lock, .. } = self.session;
        let nodes: Vec<String> = self.facts.answering(inventory).map(|(node, _)| node.name.clone()).collect();
        let (keeper, taken) = Keeper::take(transport, &nodes, me, *break_lock, self.lost.clone()).await?;
        self.keeper = Some(keeper);
        self.session.tell_lock(&taken);
        Ok(())
    }

    /// Whether it is worth looking again without anything left to be applied: this run has changed something, and what
    /// does not hold is not just waiting for machines that never answered.
    fn may_still_move(&self, plan: &Plan) -> bool {
        let waits = |pending: &Pending| matches!(pending.verdict, Verdict::Waits { .. });
        let passes =
            |node: &str| matches!(self.facts.nodes.get(node), Some(Observation::Unreachable { passes: true, .. }));
        let lost = plan.unreachable.keys().any(|node| self.met.contains(node) && passes(node));
        self.ledger.applied > 0
            && self.ledger.failures.is_empty()
            && self.moved.elapsed() < GRACE
            && (lost || !plan.pending.iter().all(waits))
    }

    fn done(&self) -> Outcome {
        // Said only where it was asked.
        if self.step("site-answers").is_some()
            && let Some(line) = site_answers::last_line(&self.session.inventory, &self.facts)
        {
            self.session.parting.site(line);
        }
        match self.ledger.applied {
            0 => Outcome::new(ExitCode::Done, "nothing to do: everything is observed to hold"),
            1 => Outcome::new(ExitCode::Done, "done: 1 step was applied, and everything is observed to hold"),
            count => Outcome::new(
                ExitCode::Done,
                format!("done: {count} steps were applied, and everything is observed to hold"),
            ),
        }
    }

    /// Reports what holds now, and the plan when it is another one.
    fn show(&mut self, plan: &Plan) {
        for (id, place) in self.ledger.now_holding(plan) {
            self.waiting_told.remove(&(id.clone(), place.clone()));
            if let Some(step) = self.step(&id) {
                self.session.tell(Event::StepHolds { step: id, title: step.title.clone(), place });
            }
        }
        if self.shown.as_ref() != Some(plan) {
            self.turns += 1;
            self.moved = Instant::now();
            self.session.tell(Event::Planned { turn: self.turns, plan: plan.clone() });
            self.shown = Some(plan.clone());
        }
    }

    fn step(&self, id: &str) -> Option<&'a Step> {
        self.session.recipe.steps.iter().find(|step| step.id == id)
    }

    /// Starts what may be started.
    fn dispatch(&mut self, plan: &Plan) -> Turn {
        let mut waits: BTreeSet<Place> = self.places.keys().cloned().collect();
        let mut serial_taken: BTreeSet<&str> = BTreeSet::new();
        let mut look_again = false;
        for pending in &plan.pending {
            let Some(step) = self.step(&pending.step) else { continue };
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
    fn begin_again(&mut self) {
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

    /// Waits for a command to end, or for the next look at what settles.
    async fn wait(&mut self, places: &BTreeSet<Place>) {
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

fn is_serial(step: &Step) -> bool {
    match &step.action {
        Action::Builtin(name) => steps::builtin(name).is_some_and(steps::RustStep::serial),
        Action::Script { .. } => false,
    }
}
