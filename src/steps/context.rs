//! What a step has in hand while it is applied.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::bounded;
use crate::engine::event::{Event, Sink};
use crate::engine::parting::Parting;
use crate::facts::{Facts, NodeFacts};
use crate::inventory::model::{Inventory, Node};
use crate::plan::Place;
use crate::playbook::model::Step;
use crate::ssh::{Program, Purpose, Script, SectionAnswer, Transport, TransportError};
use crate::steps::repair::Ask;

/// The world as it was last observed, and the means to change it.
#[derive(Clone)]
pub struct Context {
    /// What is wanted.
    pub inventory: Arc<Inventory>,
    /// What was observed before this step.
    pub facts: Arc<Facts>,
    /// The way to the nodes.
    pub transport: Arc<dyn Transport>,
    /// Where events go.
    pub events: Sink,
    /// The step.
    pub step: Step,
    /// Where it is applied.
    pub place: Place,
    /// Held while a member of the cluster is restarted: one at a time.
    pub turn: Arc<Mutex<()>>,
    /// homeprov's folder for state on this machine.
    pub state: PathBuf,
    /// What is told once, after the run.
    pub parting: Parting,
    /// How the user is asked before members are repaired; absent where they did not want that.
    pub ask: Option<Ask>,
}

/// Why applying a step went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It may go better the next time; counts as an attempt.
    #[error("{reason}")]
    Failed {
        /// What went wrong.
        reason: String,
        /// The last lines the command printed.
        output: Vec<String>,
    },
    /// Something else is at work there, or a service outside is down; tried again for a while, not an attempt.
    #[error("{reason}")]
    Busy {
        /// Who or what.
        reason: String,
    },
    /// It will not go better: what is wanted cannot be.
    #[error("{reason}")]
    Refused {
        /// Why, and what to do.
        reason: String,
    },
    /// What was to be proven was tried and is not so.
    #[error("{reason}")]
    NotVerified {
        /// What was seen instead, and what to do.
        reason: String,
    },
    /// The node could not be reached.
    #[error("{0}")]
    Unreachable(#[from] TransportError),
    /// The connection to a node was lost for good while a command of ours ran there, which goes on.
    #[error("{}", lost(.node, .title, .error))]
    Lost {
        /// The node.
        node: String,
        /// What the command is to bring about: its step's title.
        title: String,
        /// What kept the connection from being made again.
        error: Box<TransportError>,
    },
    /// The API did not do as asked.
    #[error("the API server answered: {}", crate::kube::error::message(.0))]
    Api(#[from] kube::Error),
}

fn lost(node: &str, title: &str, error: &TransportError) -> String {
    format!("lost, still running on {node}: {error}. Once {node} answers, `up` attaches to \"{title}\" there")
}

impl Failure {
    /// A failure without output.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::Failed { reason: reason.into(), output: Vec::new() }
    }

    /// A failed command, with the end of what it printed; or what that tells of its surroundings.
    pub fn command(what: &str, status: i32, output: &str) -> Self {
        if let Some(failure) = super::cause::of_output(output) {
            return failure;
        }
        let mut tail: Vec<String> = output.lines().rev().take(20).map(bounded::line).collect();
        tail.reverse();
        Self::Failed { reason: format!("{what} ended with status {status}"), output: tail }
    }
}

impl Context {
    /// The node this step is applied to; the seed for a cluster step.
    pub fn node(&self) -> Result<&Node, Failure> {
        match &self.place {
            Place::Node(name) => self.inventory.node(name),
            Place::Cluster => self.facts.seed(&self.inventory),
        }
        .ok_or_else(|| Failure::failed("no control-plane node of this cluster answers"))
    }

    /// The facts of the node this step is applied to.
    pub fn node_facts(&self) -> Result<&NodeFacts, Failure> {
        let node = self.node()?;
        self.facts.node(&node.name).ok_or_else(|| Failure::failed(format!("{} was not seen", node.name)))
    }

    /// A client of the cluster's API, through the node whose API was last read.
    pub async fn api(&self) -> Result<kube::Client, Failure> {
        let via = match &self.facts.cluster {
            Some(cluster) => cluster.via.clone(),
            None => self.facts.seed(&self.inventory).map(|node| node.name.clone()).unwrap_or_default(),
        };
        let config = self.facts.node(&via).and_then(|facts| facts.kubeconfig.clone());
        let config = config.ok_or_else(|| Failure::failed("no control-plane node of this cluster answers"))?;
        Ok(self.transport.kubernetes(&via, &config).await?)
    }

    /// Reports a line of progress.
    pub fn say(&self, line: impl Into<String>) {
        let line = line.into();
        let _ = self.events.send(Event::StepOutput { step: self.step.id.clone(), place: self.place.clone(), line });
    }

    /// Runs a short program on a node.
    pub async fn run(&self, node: &str, purpose: Purpose, program: Program) -> Result<SectionAnswer, Failure> {
        let script = Script::single(purpose, self.step.id.clone(), program, self.step.limit);
        let mut answer = self.transport.run(node, &script).await?;
        answer.sections.remove(&self.step.id).ok_or_else(|| Failure::failed(format!("{node} gave no answer")))
    }

    /// Runs a command on a node; another status than 0 is a failure.
    pub async fn command<const N: usize>(&self, node: &str, argv: [&str; N]) -> Result<SectionAnswer, Failure> {
        let answer = self.run(node, Purpose::Apply, Program::command(argv)).await?;
        if answer.succeeded() {
            return Ok(answer);
        }
        Err(Failure::command(&argv.join(" "), answer.status, &format!("{}{}", answer.stdout, answer.stderr)))
    }
}
