//! A repair that is wanted, and what has come of each finding in it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// What came of a finding in this run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Told {
    /// It was mended, and observed to be gone.
    Mended,
    /// The user said no.
    Declined,
    /// It was tried, and is still so.
    Vain {
        /// What was seen instead.
        reason: String,
    },
}

/// A repair. Clones share what is known of the findings.
#[derive(Debug, Clone, Default)]
pub struct Mending {
    /// Whether somebody can say yes: without, findings are shown and nothing is mended.
    pub can_agree: bool,
    told: Arc<Mutex<BTreeMap<String, Told>>>,
}

impl Mending {
    /// A repair in which questions are answered, or none.
    pub fn new(can_agree: bool) -> Self {
        Self { can_agree, told: Arc::default() }
    }

    /// Writes down what came of a finding.
    pub fn tell(&self, finding: &str, told: Told) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(finding.to_owned(), told);
    }

    /// What came of a finding, if anything did.
    pub fn told(&self, finding: &str) -> Option<Told> {
        self.all().remove(finding)
    }

    /// What came of all of them.
    pub fn all(&self) -> BTreeMap<String, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
