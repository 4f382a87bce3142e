//! A drill as data: a node is taken away, what becomes of the cluster is measured from outside, and the node comes back.

pub mod watch;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use watch::{Row, Sample, Watch};

/// The version of the JSON format of [`Report`].
pub const SCHEMA: u32 = 1;

/// How the node is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// MicroK8s is stopped there, and its volumes are let go.
    Stop,
    /// The machine is switched off by the kernel, at once.
    Power,
    /// It is cut off from all but SSH, for less time than a pod tolerates.
    Network,
}

impl How {
    /// Its word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Power => "power",
            Self::Network => "network",
        }
    }

    /// The way of a word.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Stop, Self::Power, Self::Network].into_iter().find(|how| how.word() == word)
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What came of a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Format version: [`SCHEMA`].
    pub schema: u32,
    /// The cluster's name in the inventory.
    pub cluster: String,
    /// The node that was taken away.
    pub node: String,
    /// How.
    pub how: How,
    /// When.
    pub at: jiff::Timestamp,
    /// For how many seconds it was away, from the order to take it away to the order to bring it back.
    pub away_seconds: u64,
    /// What was measured, in the order in which it happens.
    pub rows: Vec<Row>,
    /// Whether the node is back: its Node is Ready, and every volume whole.
    pub back: bool,
    /// How it is brought back by hand, where it is not.
    pub by_hand: Option<String>,
    /// Whether all went well.
    pub passed: bool,
}

impl Report {
    /// It in a few words, for the record: `site back in 94 s`.
    pub fn summary(&self) -> String {
        let row = |name: &str| self.rows.iter().find(|row| row.what == name);
        let told = ["site", "pods", "api"].iter().find_map(|name| row(name).filter(|row| row.seconds.is_some()));
        let first = match told {
            Some(Row { what: "site", seconds: Some(0), .. }) => "the site answered all the time".to_owned(),
            Some(Row { what: "site", seconds: Some(seconds), .. }) => format!("site back in {seconds} s"),
            Some(Row { what: "pods", seconds: Some(seconds), .. }) => format!("pods back in {seconds} s"),
            Some(Row { seconds: Some(0), .. }) => "the API answered all the time".to_owned(),
            Some(Row { seconds: Some(seconds), .. }) => format!("the API was away for {seconds} s"),
            _ => "nothing was measured".to_owned(),
        };
        match (self.passed, self.back) {
            (true, _) => first,
            (false, true) => format!("{first}; not all went well"),
            (false, false) => format!("{first}; the node was not back"),
        }
    }
}
