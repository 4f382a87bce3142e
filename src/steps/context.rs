//! What a step has in hand while it is applied.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::bounded;
use crate::engine::event::{Event, Sink};
use crate::engine::parting::Parting;
use crate::facts::identity::hex;
use crate::facts::{Facts, NodeFacts};
use crate::inventory::model::{Inventory, Node};
use crate::plan::Place;
use crate::playbook::model::Step;
use crate::ssh::{Job, JobState, Program, Purpose, Script, SectionAnswer, Transport, TransportError};

/// How long a lost node is tried again while a job of ours runs there.
const RECONNECT: Duration = Duration::from_secs(300);

/// The least time from one question about a job to the next.
const POLL_LEAST: Duration = Duration::from_millis(100);
/// Most bytes a job may print.
const JOB_OUTPUT_MAX: usize = 8 * 1024 * 1024;
/// How long after its limit a job's end may be told: the node ends it there, and may have been lost meanwhile.
const JOB_LATE: Duration = Duration::from_secs(2 * RECONNECT.as_secs());

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
    /// The API did not do as asked.
    #[error("the API server answered: {}", crate::kube::error::message(.0))]
    Api(#[from] kube::Error),
}

impl Failure {
    /// A failure without output.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::Failed { reason: reason.into(), output: Vec::new() }
    }

    /// A failed command, with the end of what it printed.
    pub fn command(what: &str, status: i32, output: &str) -> Self {
        let mut tail: Vec<String> = output.lines().rev().take(20).map(bounded::line).collect();
        tail.reverse();
        Self::Failed { reason: format!("{what} ended with status {status}"), output: tail }
    }
}

/// How a job ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its exit status; 124 when it was ended at its limit.
    pub status: i32,
    /// All it printed.
    pub output: String,
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

    /// Runs a program on a node as a detached job and follows it to its end, through lost connections. A job of
    /// the same content that runs already is attached to, never started twice.
    pub async fn job(&self, node: &str, content: &str, program: Program) -> Result<Ended, Failure> {
        self.job_until(node, content, program, |_| false).await
    }

    /// The same, but ended early, with status 124, once its output shows that it gets nowhere.
    pub async fn job_until(
        &self,
        node: &str,
        content: &str,
        program: Program,
        vain: impl Fn(&str) -> bool + Send,
    ) -> Result<Ended, Failure> {
        let id = self.job_id(content);
        let job = Job { id: id.clone(), step: self.step.id.clone(), program, limit: self.step.limit };
        let began = Instant::now();
        let mut report = self.transport.start_job(node, &job).await?;
        let mut output = std::mem::take(&mut report.output);
        self.say_lines(&output);
        while report.state == JobState::Running && !vain(&output) {
            let asked = Instant::now();
            report = self.poll(node, &id, report.offset).await?;
            if report.state == JobState::Running && asked.elapsed() < POLL_LEAST {
                // The node waits for news before it answers; one that does not must not be asked all the time.
                sleep(POLL_LEAST).await;
            }
            self.say_lines(&report.output);
            output.push_str(&report.output);
            if let Some(trouble) = out_of_bounds(began.elapsed(), &job, output.len()) {
                // Of a node that lies about its jobs nothing is known any more; that its end was asked for is enough.
                let _ = self.transport.end_job(node, &id).await;
                return Err(Failure::failed(format!("{node} {trouble}")));
            }
        }
        let state = report.state;
        // Forgotten once its end has been read, so that another attempt starts afresh.
        self.transport.end_job(node, &id).await?;
        match state {
            JobState::Finished(status) => Ok(Ended { status, output }),
            JobState::Running => Ok(Ended { status: 124, output }),
            _ => Err(Failure::Failed {
                reason: format!("{node} restarted or ended the command before it had finished"),
                output: output.lines().map(str::to_owned).collect(),
            }),
        }
    }

    async fn poll(&self, node: &str, id: &str, offset: u64) -> Result<crate::ssh::JobReport, Failure> {
        let lost_at = Instant::now();
        let mut pause = Duration::from_millis(500);
        loop {
            match self.transport.poll_job(node, id, offset).await {
                Ok(report) => return Ok(report),
                Err(error) if lost_at.elapsed() < RECONNECT => {
                    self.say(format!("lost ({error}); the command goes on on {node}, connecting again"));
                    sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(15));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn say_lines(&self, output: &str) {
        output.lines().filter(|line| !line.trim().is_empty()).for_each(|line| self.say(bounded::line(line)));
    }

    fn job_id(&self, content: &str) -> String {
        let hash = hex(&Sha256::digest(content.as_bytes()));
        format!("homeprov-{}-{}-{}", self.inventory.cluster.name, self.step.id, &hash[..8])
    }
}

/// What is wrong with a job that goes on and on: no honest node tells of one.
fn out_of_bounds(elapsed: Duration, job: &Job, printed: usize) -> Option<String> {
    if printed > JOB_OUTPUT_MAX {
        let mebibytes = JOB_OUTPUT_MAX / 1024 / 1024;
        return Some(format!("sent more than {mebibytes} MiB of output of the job {}; it was told to end it", job.id));
    }
    let seconds = job.limit.as_secs();
    (elapsed > job.limit + JOB_LATE).then(|| {
        format!("says that the job {} still runs, long after its limit of {seconds} s; it was told to end it", job.id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_of_an_honest_node_stays_within_bounds() {
        let job = Job {
            id: "homeprov-home-x-1".into(),
            step: "x".into(),
            program: Program::Shell("true".into()),
            limit: Duration::from_secs(60),
        };
        // It was lost shortly before its end, and found again at the last moment.
        assert_eq!(out_of_bounds(job.limit + RECONNECT, &job, JOB_OUTPUT_MAX), None);
        let late = out_of_bounds(job.limit + JOB_LATE + Duration::from_secs(1), &job, 0).unwrap();
        assert!(late.contains("homeprov-home-x-1 still runs, long after its limit of 60 s"), "{late}");
        assert!(out_of_bounds(Duration::ZERO, &job, JOB_OUTPUT_MAX + 1).unwrap().contains("more than 8 MiB"));
    }
}
