//! What came of a repair, as data.

use serde::Serialize;

use crate::facts::mending::Told;
use crate::steps::stuck::Finding;

/// The version of the JSON format of [`Report`].
pub const SCHEMA: u32 = 1;

/// What came of a repair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Format version: [`SCHEMA`].
    pub schema: u32,
    /// The cluster's name in the inventory.
    pub cluster: String,
    /// When it was looked at last.
    pub at: jiff::Timestamp,
    /// What was mended in this run, and is observed to be gone.
    pub mended: Vec<String>,
    /// What is stuck still.
    pub left: Vec<Entry>,
    /// What could not be looked at, and why, a sentence each.
    pub not_seen: Vec<String>,
}

/// Something that is stuck.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its name in the run.
    pub id: String,
    /// What it is.
    #[serde(flatten)]
    pub finding: Finding,
    /// What came of it in this run; absent where nothing was tried.
    pub told: Option<Told>,
}
