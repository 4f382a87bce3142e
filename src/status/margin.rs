//! How many more nodes may fail, as data.

use serde::Serialize;

use super::Conclusion;

/// How many more nodes may fail, all at once and whichever they are, before something stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeMargin {
    /// What would stop.
    pub of: Subject,
    /// The claim of a volume as `namespace/name`, or its own name where it has none.
    pub name: Option<String>,
    /// Whether it stands now.
    pub stands: Conclusion,
    /// How many more nodes may fail; absent where it does not stand, or that cannot be told.
    pub nodes: Option<u32>,
    /// What limits it, in one sentence.
    pub limit: String,
}

/// What stops when too many nodes fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// The API of the cluster: its data store has no majority any more.
    Api,
    /// A volume: it takes no more writes.
    Volume,
    /// The site.
    Site,
}

impl NodeMargin {
    /// So many more nodes may fail.
    pub fn of(of: Subject, nodes: usize, limit: impl Into<String>) -> Self {
        let nodes = Some(u32::try_from(nodes).unwrap_or(u32::MAX));
        Self { of, name: None, stands: Conclusion::Yes, nodes, limit: limit.into() }
    }

    /// It does not stand now.
    pub fn stopped(of: Subject, limit: impl Into<String>) -> Self {
        Self { of, name: None, stands: Conclusion::No, nodes: None, limit: limit.into() }
    }

    /// It cannot be told.
    pub fn unknown(of: Subject, limit: impl Into<String>) -> Self {
        Self { of, name: None, stands: Conclusion::Unknown, nodes: None, limit: limit.into() }
    }
}
