//! One run of a command: what it works with, and its entry points.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::time::Instant;

use super::event::{Event, SCHEMA, Sink};
use super::lock::{Holder, Taken};
use super::outcome::{self, Outcome};
use super::parting::Parting;
use super::run::Run;
use super::stop::Stop;
use crate::facts::repository::Manner;
use crate::facts::restore::Restore;
use crate::facts::{Departing, Facts, Mending, RepositoryFacts, gather, here, repository};
use crate::inventory::model::Inventory;
use crate::plan::{self, Plan};
use crate::playbook::model::Recipe;
use crate::ssh::Transport;
use crate::steps::repair::Ask;

/// What a run works with.
#[derive(Clone)]
pub struct Session {
    /// What is wanted.
    pub inventory: Arc<Inventory>,
    /// The steps.
    pub recipe: Arc<Recipe>,
    /// The way to the nodes.
    pub transport: Arc<dyn Transport>,
    /// Where events go.
    pub events: Sink,
    /// Whether the user asked to stop.
    pub stop: Stop,
    /// The run's id.
    pub run: String,
    /// homeprov's folder for state on this machine.
    pub state: PathBuf,
    /// Who this run is, in the leases it takes.
    pub me: Holder,
    /// Whether leases are taken from whoever holds them.
    pub break_lock: bool,
    /// What is told once, after the run.
    pub parting: Parting,
    /// Whether files in the repository that a person edited are written anew.
    pub overwrite: bool,
    /// How the user is asked before a cluster that homeprov did not set up is taken over; absent where nobody can be asked.
    pub takeover: Option<Ask>,
    /// How the user is asked before members are repaired; absent where they did not want that.
    pub repair: Option<Ask>,
    /// The member that is to be taken out of the cluster, where that is what the run is for.
    pub departing: Option<Departing>,
    /// The backup that is to be put back; absent where none is.
    pub restore: Option<Arc<Restore>>,
    /// The repair, where what is stuck is to be mended.
    pub mending: Option<Mending>,
}

impl Session {
    /// Reports an event; nobody listening is no fault.
    pub fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }

    /// Reports that the run begins.
    pub fn begin(&self, command: &str) -> Instant {
        self.tell(Event::RunStarted {
            schema: SCHEMA,
            run: self.run.clone(),
            command: command.to_owned(),
            cluster: self.inventory.cluster.name.clone(),
            nodes: self.inventory.nodes.iter().map(|node| node.name.clone()).collect(),
        });
        Instant::now()
    }

    /// Reports whose lock was found without a run behind it, and where none can be kept.
    pub(super) fn tell_lock(&self, taken: &Taken) {
        for (node, reason) in &taken.open {
            let message = format!("another run is not kept out here: {reason}");
            self.tell(Event::Warning { node: Some(node.clone()), message });
        }
        let mut told: Vec<&Holder> = Vec::new();
        for holder in &taken.ended {
            if !told.contains(&holder) {
                self.tell(Event::Warning {
                    node: None,
                    message: format!("an earlier run ended without giving its lock back ({holder}); it is taken over"),
                });
                told.push(holder);
            }
        }
    }

    /// Observes everything: one exec on each node and the Git repository beside them, then the API.
    pub async fn observe(&self) -> Facts {
        let manner = self.manner();
        let repository = repository::read(&self.inventory, &self.state, &manner, None);
        let facts = self.observe_with(Box::pin(repository)).await;
        for message in crate::steps::warnings(&self.inventory, &facts) {
            self.tell(Event::Warning { node: None, message });
        }
        facts
    }

    /// How what is wanted in the repository comes about.
    pub(super) fn manner(&self) -> Manner {
        Manner { overwrite: self.overwrite, templates: self.recipe.templates.clone() }
    }

    /// The same without the repository, for what does not depend on it.
    pub async fn observe_cluster(&self) -> Facts {
        self.observe_with(std::future::ready(None)).await
    }

    /// What is known before anything was looked at: what this machine has recorded, and what the user wants.
    pub(super) fn blank_facts(&self) -> Facts {
        Facts {
            recorded_here: here::read(&self.state, &self.inventory.cluster.name),
            repair: self.repair.is_some(),
            departing: self.departing.clone(),
            restore: self.restore.clone(),
            mending: self.mending.clone(),
            ..Facts::default()
        }
    }

    async fn observe_with(&self, repository: impl Future<Output = Option<RepositoryFacts>>) -> Facts {
        let facts = gather::all(&*self.transport, &self.inventory, &self.recipe, self.blank_facts(), repository).await;
        for node in &self.inventory.nodes {
            if facts.is_dead(&node.name) {
                continue;
            }
            if let Some(reason) = facts.unreachable(&node.name) {
                self.tell(Event::Unreachable { node: node.name.clone(), reason: reason.to_owned() });
            }
        }
        facts
    }
}

/// Brings the machines to what the inventory says.
pub async fn up(session: &Session) -> Outcome {
    converge(session, "up").await
}

/// The same with another recipe, for another command: repeats until a fresh observation leaves nothing to do.
pub async fn converge(session: &Session, command: &str) -> Outcome {
    let began = session.begin(command);
    let (outcome, applied, observations) = Box::pin(Run::new(session).run()).await;
    session.tell(outcome::finished(&outcome, began, applied, observations));
    outcome
}

/// What the recipe would do now, without a word: for a question before it is done.
pub async fn preview(session: &Session) -> Result<(Plan, Facts), Outcome> {
    let facts = tokio::select! {
        facts = session.observe() => facts,
        () = session.stop.wait() => return Err(outcome::interrupted()),
    };
    Ok((plan::plan(&session.inventory, &session.recipe, &facts), facts))
}

/// What `up` would do now; nothing is touched.
pub async fn plan(session: &Session) -> Result<(Plan, Facts), Outcome> {
    let began = session.begin("plan");
    let (plan, facts) = preview(session).await?;
    session.tell(Event::Planned { turn: 1, plan: plan.clone() });
    let outcome = outcome::of_plan(&plan);
    session.tell(outcome::finished(&outcome, began, 0, session.inventory.nodes.len()));
    Ok((plan, facts))
}
