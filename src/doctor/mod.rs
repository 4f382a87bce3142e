//! The traps of MicroK8s, `OpenEBS`, Flux and Mastodon, each a named check on one observation: what one notices, where it comes
//! from, what was seen of it where, and what to type.
//!
//! A check is a pure function. It says nothing of what is merely not done yet, which is for a plan to say: only of what
//! misleads, breaks later, or does not mend by itself.

mod data;
mod flux;
mod machines;
mod members;
mod packages;
mod pool;
mod sight;
mod site;
mod storage;
mod volumes;

use serde::Serialize;

pub use sight::{Extra, Sight};

/// The version of the JSON format of [`Diagnosis`].
pub const SCHEMA: u32 = 1;

/// A trap by its name, and how it is recognised.
#[derive(Clone, Copy)]
pub struct Trap {
    /// Its name; part of the interface.
    pub name: &'static str,
    /// What one notices of it, if anything.
    pub symptom: &'static str,
    /// Where that comes from.
    pub cause: &'static str,
    /// Where upstream says more of it.
    pub link: &'static str,
    /// The places where it is seen.
    look: fn(&Sight<'_>) -> Vec<Sighting>,
}

/// A place where a trap is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sighting {
    node: Option<String>,
    evidence: String,
    remedy: String,
}

impl Sighting {
    /// In the cluster as a whole.
    fn of_cluster(evidence: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { node: None, evidence: evidence.into(), remedy: remedy.into() }
    }

    /// On one node.
    fn on(node: &str, evidence: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { node: Some(node.to_owned()), evidence: evidence.into(), remedy: remedy.into() }
    }
}

/// A trap that was recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check's name.
    pub check: &'static str,
    /// The node; absent where it is the cluster's as a whole.
    pub node: Option<String>,
    /// What one notices of it.
    pub symptom: &'static str,
    /// Where that comes from.
    pub cause: &'static str,
    /// What was seen.
    pub evidence: String,
    /// What to do, with the command.
    pub remedy: String,
    /// Where upstream says more of it.
    pub link: &'static str,
}

/// What came of looking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// Format version: [`SCHEMA`].
    pub schema: u32,
    /// The cluster's name in the inventory.
    pub cluster: String,
    /// When it was looked at.
    pub at: jiff::Timestamp,
    /// What was found, by subject: machines first, the site last.
    pub findings: Vec<Finding>,
    /// How many checks there are.
    pub checks: usize,
    /// How many of them had something to look at: none without a node that answers, those of machines alone without the API.
    pub looked_at: usize,
    /// What could not be looked at, and why, a sentence each.
    pub not_seen: Vec<String>,
}

/// The traps that are looked for on the machines.
const ON_MACHINES: [&[Trap]; 3] = [machines::TRAPS, packages::TRAPS, members::TRAPS];
/// Those that only the API tells of.
const IN_THE_CLUSTER: [&[Trap]; 6] =
    [pool::TRAPS, storage::TRAPS, volumes::TRAPS, flux::TRAPS, site::TRAPS, data::TRAPS];

/// Every trap, by subject.
pub fn traps() -> impl Iterator<Item = &'static Trap> {
    ON_MACHINES.into_iter().chain(IN_THE_CLUSTER).flatten()
}

/// How many of the traps there is something to look at for.
pub fn looked_at(sight: &Sight<'_>) -> usize {
    let count = |subjects: &[&[Trap]]| subjects.iter().map(|traps| traps.len()).sum::<usize>();
    let machines = if sight.facts.answering(sight.inventory).next().is_some() { count(&ON_MACHINES) } else { 0 };
    machines + if sight.cluster().is_some() { count(&IN_THE_CLUSTER) } else { 0 }
}

/// Holds every trap against what was seen.
pub fn examine(sight: &Sight<'_>) -> Vec<Finding> {
    let findings = traps().flat_map(|trap| {
        (trap.look)(sight).into_iter().map(|Sighting { node, evidence, remedy }| Finding {
            check: trap.name,
            node,
            symptom: trap.symptom,
            cause: trap.cause,
            evidence,
            remedy,
            link: trap.link,
        })
    });
    findings.collect()
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod whole {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_trap_has_a_name_of_its_own_and_says_all_it_has_to() {
        let mut names = BTreeSet::new();
        for trap in traps() {
            assert!(names.insert(trap.name), "{} is there twice", trap.name);
            assert!(trap.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", trap.name);
            assert!(trap.link.starts_with("https://"), "{}: {}", trap.name, trap.link);
            for text in [trap.symptom, trap.cause] {
                assert!(text.len() > 20 && !text.ends_with('.'), "{}: {text}", trap.name);
            }
        }
    }
}
