//! Following a detached job to its end, through lost connections.
//!
//! The job runs on the node whether anybody follows it or not. A connection that breaks is told, and made again for a
//! limited time; then the job is left where it runs, and the next run attaches to it.

use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep};

use super::{Context, Failure};
use crate::bounded;
use crate::engine::event::Event;
use crate::facts::identity::hex;
use crate::ssh::{Job, JobReport, JobState, Program, TransportError};

/// How long a lost node is tried again while a job of ours runs there.
pub const RECONNECT: Duration = Duration::from_secs(300);
/// The pause after the first vain attempt to connect again; doubled each time, up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// The least time from one question about a job to the next.
const POLL_LEAST: Duration = Duration::from_millis(100);
/// Most bytes a job may print.
const OUTPUT_MAX: usize = 8 * 1024 * 1024;
/// How much longer than its limit a job may be followed: the node itself ends it at its limit, which takes a moment.
const OVERTIME: Duration = Duration::from_secs(120);

/// How a job ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its exit status; 124 when it was ended at its limit.
    pub status: i32,
    /// All it printed.
    pub output: String,
}

/// One job on one node, as it is followed.
struct Followed<'a> {
    context: &'a Context,
    node: &'a str,
    id: String,
    /// For how long the connection was lost, all times together.
    lost: Duration,
}

impl Context {
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
        let hash = hex(&Sha256::digest(content.as_bytes()));
        let id = format!("homeprov-{}-{}-{}", self.inventory.cluster.name, self.step.id, &hash[..8]);
        let beginner = ulid::Ulid::generate().to_string();
        let job = Job { id: id.clone(), step: self.step.id.clone(), beginner, program, limit: self.step.limit };
        let mut followed = Followed { context: self, node, id, lost: Duration::ZERO };
        let began = Instant::now();
        let mut report = followed.start(&job).await?;
        let mut output = std::mem::take(&mut report.output);
        self.say_lines(&output);
        let mut overdue = false;
        while report.state == JobState::Running && !vain(&output) && !overdue {
            let asked = Instant::now();
            report = followed.poll(report.offset).await?;
            if report.state == JobState::Running && asked.elapsed() < POLL_LEAST {
                // The node waits for news before it answers; one that does not must not be asked all the time.
                sleep(POLL_LEAST).await;
            }
            self.say_lines(&report.output);
            output.push_str(&report.output);
            if output.len() > OUTPUT_MAX {
                // Of a node that lies about its jobs nothing is known any more; that its end was asked for is enough.
                let _ = self.transport.end_job(node, &followed.id).await;
                return Err(Failure::failed(format!(
                    "{node} sent more than {} MiB of output of the job {}; it was told to end it",
                    OUTPUT_MAX / 1024 / 1024,
                    followed.id
                )));
            }
            overdue = began.elapsed() > self.step.limit + OVERTIME + followed.lost;
        }
        // Forgotten once its end has been read, so that another attempt starts afresh.
        followed.end().await?;
        match report.state {
            JobState::Finished(status) => Ok(Ended { status, output }),
            JobState::Running => Ok(Ended { status: 124, output }),
            JobState::Lost | JobState::Absent => Err(Failure::Failed {
                reason: format!("{node} restarted, or somebody ended the command there, before it had finished"),
                output: output.lines().map(str::to_owned).collect(),
            }),
        }
    }

    fn say_lines(&self, output: &str) {
        output.lines().filter(|line| !line.trim().is_empty()).for_each(|line| self.say(bounded::line(line)));
    }
}

impl Followed<'_> {
    /// Starts the job. Where the answer is lost it may have been started: asking again attaches to it then.
    async fn start(&mut self, job: &Job) -> Result<JobReport, Failure> {
        match self.context.transport.start_job(self.node, job).await {
            Err(error @ TransportError::Lost { .. }) => {
                let transport = &self.context.transport;
                let node = self.node;
                self.again(error, || transport.start_job(node, job)).await
            }
            other => Ok(other?),
        }
    }

    async fn poll(&mut self, offset: u64) -> Result<JobReport, Failure> {
        let (transport, node, id) = (&self.context.transport, self.node, self.id.clone());
        match transport.poll_job(node, &id, offset).await {
            Ok(report) => Ok(report),
            Err(error) => self.again(error, || transport.poll_job(node, &id, offset)).await,
        }
    }

    async fn end(&mut self) -> Result<(), Failure> {
        let (transport, node, id) = (&self.context.transport, self.node, self.id.clone());
        match transport.end_job(node, &id).await {
            Ok(()) => Ok(()),
            // It was reached, and cannot forget the job.
            Err(error @ TransportError::BadAnswer { .. }) => Err(error.into()),
            Err(error) => self.again(error, || transport.end_job(node, &id)).await,
        }
    }

    /// Asks again and again, with growing pauses, for as long as [`RECONNECT`] and as a better answer may come.
    async fn again<T, A>(&mut self, first: TransportError, ask: impl Fn() -> A) -> Result<T, Failure>
    where
        A: Future<Output = Result<T, TransportError>>,
    {
        let lost_at = Instant::now();
        let mut error = first;
        let mut pause = PAUSE;
        let mut told = false;
        while error.passes() && lost_at.elapsed() < RECONNECT {
            if !told {
                told = true;
                self.tell(&error);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            match ask().await {
                Ok(answer) => {
                    let away = lost_at.elapsed();
                    self.lost += away;
                    self.tell_attached(away);
                    return Ok(answer);
                }
                Err(another) => error = another,
            }
        }
        Err(match error {
            TransportError::BadAnswer { .. } => error.into(),
            error => {
                let (node, title) = (self.node.to_owned(), self.context.step.title.clone());
                Failure::Lost { node, title, error: Box::new(error) }
            }
        })
    }

    fn tell(&self, error: &TransportError) {
        if matches!(error, TransportError::BadAnswer { .. }) {
            // The connection stands.
            return self.context.say(format!("{error}; asking again"));
        }
        let Context { step, place, events, .. } = self.context;
        let _ = events.send(Event::StepLost {
            step: step.id.clone(),
            place: place.clone(),
            node: self.node.to_owned(),
            reason: error.to_string(),
            left: RECONNECT,
        });
    }

    fn tell_attached(&self, away: Duration) {
        let Context { step, place, events, .. } = self.context;
        let (step, place, node) = (step.id.clone(), place.clone(), self.node.to_owned());
        let _ = events.send(Event::StepAttached { step, place, node, away });
    }
}
