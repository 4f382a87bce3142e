//! The loop of `up`.

mod dispatch;
mod land;
mod look;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dispatch::Turn;
use futures::future::join_all;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::apply::Landed;
use super::event::Event;
use super::ledger::{Key, Ledger};
use super::lock::{Held, Keeper, taken_away};
use super::outcome::{self, Outcome};
use super::session::Session;
use crate::error::ExitCode;
use crate::facts::{Facts, Observation};
use crate::plan::{self, Pending, Place, Plan, Verdict};
use crate::playbook::model::{Action, Step};
use crate::steps::mastodon::site_answers;
use crate::steps::{self, Context, takeover};

/// How often what is waited for is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long a world in motion may show nothing to do before the run gives up: services restart after a join.
const GRACE: Duration = Duration::from_secs(90);
/// How long after its last step a run looks on, however much moves: something may move for ever.
const LONGEST_GRACE: Duration = Duration::from_secs(900);

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
    /// When the shape of the plan, or a node's reachability, last changed.
    moved: Instant,
    /// When the last step ended.
    landed: Instant,
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
            landed: Instant::now(),
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
            && self.landed.elapsed() < LONGEST_GRACE
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
            if self.shown.as_ref().map(Plan::shape) != Some(plan.shape()) {
                self.moved = Instant::now();
            }
            self.session.tell(Event::Planned { turn: self.turns, plan: plan.clone() });
            self.shown = Some(plan.clone());
        }
    }

    fn step(&self, id: &str) -> Option<&'a Step> {
        self.session.recipe.steps.iter().find(|step| step.id == id)
    }
}
