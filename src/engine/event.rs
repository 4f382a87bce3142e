//! What the engine reports. Reporters and the journal see nothing else.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::plan::{Place, Plan};
use crate::ssh::Purpose;

/// The version of the event format, in the first line of a journal and of `--json`.
pub const SCHEMA: u32 = 1;

/// Something that happened in a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The first event.
    RunStarted {
        /// Format version.
        schema: u32,
        /// The run's id.
        run: String,
        /// The command: `up`, `plan`, `status`.
        command: String,
        /// The cluster's name.
        cluster: String,
        /// The nodes in inventory order.
        nodes: Vec<String>,
    },
    /// An SSH connection was opened.
    Connected {
        /// The node.
        node: String,
        /// How long it took.
        #[serde(with = "seconds")]
        took: Duration,
    },
    /// A node could not be reached; it may be tried again.
    Unreachable {
        /// The node.
        node: String,
        /// Why, with the remedy.
        reason: String,
    },
    /// One exec was made.
    Executed {
        /// The node.
        node: String,
        /// Why.
        purpose: Purpose,
        /// How long it took.
        #[serde(with = "seconds")]
        took: Duration,
    },
    /// A forward through a node was opened, to its API server or to a service outside.
    Forwarded {
        /// The node.
        node: String,
    },
    /// A plan was made from a fresh observation.
    Planned {
        /// The turn, counted from one.
        turn: u32,
        /// What does not hold.
        plan: Plan,
    },
    /// A step is being applied.
    StepStarted {
        /// The step's id.
        step: String,
        /// Its title.
        title: String,
        /// Where.
        place: Place,
        /// Which attempt, from one.
        attempt: u32,
        /// What was observed before.
        why: String,
    },
    /// A line a running step printed. May be dropped by a slow reporter.
    StepOutput {
        /// The step's id.
        step: String,
        /// Where.
        place: Place,
        /// One line, redacted.
        line: String,
    },
    /// A step's command ended; whether it holds is for the next observation to say.
    StepApplied {
        /// The step's id.
        step: String,
        /// Where.
        place: Place,
        /// How long it took.
        #[serde(with = "seconds")]
        took: Duration,
    },
    /// A step that was applied, or that the run waited for, is observed to hold.
    StepHolds {
        /// The step's id.
        step: String,
        /// Its title.
        title: String,
        /// Where.
        place: Place,
    },
    /// The connection to a node was lost while a step's command runs there; the command goes on, and the connection is
    /// made again.
    StepLost {
        /// The step's id.
        step: String,
        /// Where.
        place: Place,
        /// The node the command runs on.
        node: String,
        /// How it was lost.
        reason: String,
        /// For how long the connection is tried again.
        #[serde(with = "seconds")]
        left: Duration,
    },
    /// The connection is back, and the step's command is followed again.
    StepAttached {
        /// The step's id.
        step: String,
        /// Where.
        place: Place,
        /// The node the command runs on.
        node: String,
        /// How long the connection was lost.
        #[serde(with = "seconds")]
        away: Duration,
    },
    /// An attempt at a step went wrong; it is tried again.
    StepRetry {
        /// The step's id.
        step: String,
        /// Where.
        place: Place,
        /// What went wrong.
        reason: String,
        /// When it is tried again.
        #[serde(with = "seconds")]
        after: Duration,
    },
    /// A step failed for good in this run.
    StepFailed {
        /// The step's id.
        step: String,
        /// Its title.
        title: String,
        /// Where.
        place: Place,
        /// What differs, why, and what to do next.
        reason: String,
        /// The last lines it printed.
        output: Vec<String>,
    },
    /// A step is waited for: what for and for how long at the most.
    Waiting {
        /// The step's id.
        step: String,
        /// Where.
        place: Place,
        /// What is not so yet.
        why: String,
        /// What is left of its limit.
        #[serde(with = "seconds")]
        left: Duration,
    },
    /// Something the user should know that is no failure.
    Warning {
        /// The node, when it concerns one.
        node: Option<String>,
        /// What.
        message: String,
    },
    /// The last event.
    RunFinished {
        /// The exit code.
        code: u8,
        /// What happened, in one line.
        summary: String,
        /// How long the run took.
        #[serde(with = "seconds")]
        took: Duration,
        /// Number of SSH connections made; counted from events on the way to the reporters.
        connections: u32,
        /// Number of observations.
        observations: u32,
        /// Number of steps applied.
        applied: u32,
    },
}

/// Takes events. Sending never blocks and never fails.
pub type Sink = tokio::sync::mpsc::UnboundedSender<Event>;

/// Durations are numbers of seconds in JSON.
mod seconds {
    use super::{Deserialize, Deserializer, Duration, Serializer};

    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(duration.as_secs_f64())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
