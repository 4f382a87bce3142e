//! What a diagnosis looks at: one observation, and the little that an observation leaves out.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::facts::pods::Pod;
use crate::facts::{ClusterFacts, Facts, NodeFacts, StorageFacts};
use crate::inventory::model::{Inventory, Node};
use crate::plan::{Place, Verdict};
use crate::steps;

/// What only a diagnosis asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extra {
    /// The pods of all namespaces.
    pub pods: Vec<Pod>,
    /// Addresses of the pool that another device answers for, each with its MAC address.
    pub taken: BTreeMap<Ipv4Addr, String>,
}

/// All of it.
#[derive(Clone, Copy)]
pub struct Sight<'a> {
    /// What is wanted.
    pub inventory: &'a Inventory,
    /// What was observed.
    pub facts: &'a Facts,
    /// What was asked for besides.
    pub extra: &'a Extra,
    /// The inventory's file as it is typed into a shell, quoted where that is needed.
    pub path: &'a str,
}

impl<'a> Sight<'a> {
    /// A command of homeprov on this inventory, as it is typed.
    pub(super) fn homeprov(&self, words: &[&str]) -> String {
        format!("`homeprov {} {}`", words.join(" "), self.path)
    }

    /// The nodes that answered and have MicroK8s.
    pub(super) fn installed(&self) -> impl Iterator<Item = (&'a Node, &'a NodeFacts)> {
        self.facts.answering(self.inventory).filter(|(_, seen)| seen.installed)
    }

    /// What the API said.
    pub(super) fn cluster(&self) -> Option<&'a ClusterFacts> {
        self.facts.cluster.as_ref()
    }

    /// What the API said of storage.
    pub(super) fn storage(&self) -> Option<&'a StorageFacts> {
        self.cluster().map(|cluster| &cluster.storage)
    }

    /// The nodes that share a value which should be each one's own, by that value.
    pub(super) fn sharing(&self, value: impl Fn(&'a NodeFacts) -> Option<&'a str>) -> BTreeMap<&'a str, Vec<&'a str>> {
        let mut owners: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (node, seen) in self.facts.answering(self.inventory) {
            if let Some(value) = value(seen).filter(|value| !value.is_empty()) {
                owners.entry(value).or_default().push(&node.name);
            }
        }
        owners.retain(|_, names| names.len() > 1);
        owners
    }

    /// What a pre-flight check says of a place, a line each: what was seen, and what to do about it.
    pub(super) fn refusals(&self, step: &str, place: &Place) -> Vec<(String, String)> {
        let Some(step) = steps::builtin(step) else { return Vec::new() };
        let Verdict::Blocked { reason } = step.check(self.inventory, self.facts, place) else { return Vec::new() };
        let parts = reason.lines().filter_map(|line| line.split_once("; "));
        parts.map(|(seen, remedy)| (seen.to_owned(), remedy.to_owned())).collect()
    }

    /// What the check of a playbook's script step printed on a node where it does not hold.
    pub(super) fn failed_check(&self, node: &str, step: &str) -> Option<String> {
        let answer = self.facts.seen(node)?.checks.get(step)?;
        (!answer.succeeded() && !answer.timed_out).then(|| answer.stdout.trim().to_owned())
    }
}
