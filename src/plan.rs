//! What does not hold yet, and why: a pure function of inventory, recipe and facts.

use serde::Serialize;

/// What a check says of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// Observed to hold.
    Holds,
    /// Observed not to hold.
    Differs {
        /// What differs, in one line; more lines are a diff.
        why: String,
    },
    /// Cannot be known before another step has been done.
    Unknown {
        /// That step's id.
        after: String,
    },
    /// Does not hold and homeprov will not or cannot change that.
    Blocked {
        /// The reason and the way out.
        reason: String,
    },
}

/// Where a pending step stands: on a node or in the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// On one node, by name.
    Node(String),
    /// In the cluster as a whole.
    Cluster,
}

/// A step that does not hold somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pending {
    /// The step's id.
    pub step: String,
    /// The step's title.
    pub title: String,
    /// The playbook it stands in.
    pub playbook: String,
    /// Where.
    pub place: Place,
    /// What was observed.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Whether it could be applied now: it differs, and everything it waits for holds.
    pub runnable: bool,
}

/// The steps that do not hold, in playbook order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Everything that does not hold.
    pub pending: Vec<Pending>,
}

impl Plan {
    /// Whether nothing is left to do.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }
}
