//! What does not hold yet, and why: a pure function of inventory, recipe and facts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bounded;
use crate::facts::{Facts, when};
use crate::inventory::model::{Inventory, Node, Role};
use crate::playbook::model::{Action, On, Recipe, Step};
use crate::steps;

/// What a check says of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// On its way: only time helps, and there is a limit to it.
    Settling {
        /// What is not so yet.
        why: String,
    },
    /// Cannot be known or done before an unreachable node answers. What does not need that node goes on.
    Waits {
        /// The nodes' names.
        nodes: Vec<String>,
        /// What waits for them.
        why: String,
    },
}

impl Verdict {
    /// Differs, in one line.
    pub fn differs(why: impl Into<String>) -> Self {
        Self::Differs { why: why.into() }
    }

    /// On its way, in one line.
    pub fn settling(why: impl Into<String>) -> Self {
        Self::Settling { why: why.into() }
    }

    /// Blocked, with the way out.
    pub fn blocked(reason: impl Into<String>) -> Self {
        Self::Blocked { reason: reason.into() }
    }

    /// Unknown until another step is done.
    pub fn unknown(after: impl Into<String>) -> Self {
        Self::Unknown { after: after.into() }
    }

    /// What was observed, as one text.
    pub fn text(&self) -> String {
        match self {
            Self::Holds => String::new(),
            Self::Differs { why } | Self::Settling { why } | Self::Waits { why, .. } => why.clone(),
            Self::Unknown { after } => format!("known only after {after}"),
            Self::Blocked { reason } => reason.clone(),
        }
    }
}

/// Where a pending step stands: on a node or in the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// On one node, by name.
    Node(String),
    /// In the cluster as a whole.
    Cluster,
}

/// A step that does not hold somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Everything that does not hold.
    pub pending: Vec<Pending>,
    /// The nodes that could not be reached, with the reason.
    pub unreachable: BTreeMap<String, String>,
}

impl Plan {
    /// Whether nothing is left to do and every node was seen.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.unreachable.is_empty()
    }

    /// What of it says whether the world moves: which steps do not hold where, in which way, and who does not answer. The words
    /// do not count, for they tell numbers that change of themselves: how much memory is free, why a connection failed this time.
    pub fn shape(&self) -> Shape {
        let kind = |pending: &Pending| std::mem::discriminant(&pending.verdict);
        Shape {
            pending: self.pending.iter().map(|it| (it.step.clone(), it.place.clone(), kind(it))).collect(),
            unreachable: self.unreachable.keys().cloned().collect(),
        }
    }

    /// What could be applied now.
    pub fn runnable(&self) -> impl Iterator<Item = &Pending> {
        self.pending.iter().filter(|pending| pending.runnable)
    }

    /// The refusals of the pre-flight, if any: nothing is changed while there is one.
    pub fn refusals(&self) -> impl Iterator<Item = &Pending> {
        self.pending
            .iter()
            .filter(|pending| pending.playbook == PREFLIGHT && matches!(pending.verdict, Verdict::Blocked { .. }))
    }
}

/// A plan without its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    pending: Vec<(String, Place, std::mem::Discriminant<Verdict>)>,
    unreachable: Vec<String>,
}

/// The playbook whose refusals keep homeprov from changing anything.
pub const PREFLIGHT: &str = "00-preflight";

/// Compares what is wanted with what was observed.
///
/// Per node the order is the recipe's, and nodes advance independently. A cluster step waits until everything
/// before it holds on every node that answers, and steps behind a cluster step wait for it; one that merely waits
/// for an unreachable node does not hold up the rest.
pub fn plan(inventory: &Inventory, recipe: &Recipe, facts: &Facts) -> Plan {
    let mut gates = Gates::default();
    let mut pending = Vec::new();
    for step in &recipe.steps {
        for place in places(inventory, facts, step) {
            let mut verdict = verdict(inventory, facts, step, &place);
            if verdict == Verdict::Holds {
                continue;
            }
            let closed_by = gates.closed_by(&place).cloned();
            // It cannot be on its way before what comes first is there: its time has not begun.
            if let (Verdict::Settling { .. }, Some(after)) = (&verdict, &closed_by) {
                verdict = Verdict::unknown(after);
            }
            let runnable = matches!(verdict, Verdict::Differs { .. }) && closed_by.is_none();
            gates.close(&place, &verdict, &step.id);
            pending.push(Pending {
                step: step.id.clone(),
                title: step.title.clone(),
                playbook: step.playbook.clone(),
                place,
                verdict,
                runnable,
            });
        }
    }
    let missed = inventory.nodes.iter().filter(|node| !facts.is_dead(&node.name));
    let unreachable = missed.filter_map(|node| Some((node.name.clone(), facts.unreachable(&node.name)?.to_owned())));
    let mut plan = Plan { pending, unreachable: unreachable.collect() };
    if plan.refusals().next().is_some() {
        plan.pending.iter_mut().for_each(|pending| pending.runnable = false);
    }
    plan
}

/// What stands in the way of later steps: the step that closed the way, by node and for the cluster.
#[derive(Default)]
struct Gates {
    nodes: BTreeMap<String, String>,
    cluster: Option<String>,
}

impl Gates {
    /// The step that must hold first, if any.
    fn closed_by(&self, place: &Place) -> Option<&String> {
        self.cluster.as_ref().or_else(|| match place {
            Place::Node(node) => self.nodes.get(node),
            Place::Cluster => self.nodes.values().next(),
        })
    }

    fn close(&mut self, place: &Place, verdict: &Verdict, step: &str) {
        if matches!(verdict, Verdict::Waits { .. }) {
            return;
        }
        match place {
            Place::Node(node) => drop(self.nodes.entry(node.clone()).or_insert_with(|| step.to_owned())),
            Place::Cluster => drop(self.cluster.get_or_insert_with(|| step.to_owned())),
        }
    }
}

/// Where a step should hold: nodes that did not answer are left out, they are unreachable as a whole.
fn places(inventory: &Inventory, facts: &Facts, step: &Step) -> Vec<Place> {
    let wanted = |node: &&Node| match step.on {
        On::All => true,
        On::ControlPlane => node.role == Role::ControlPlane,
        On::Workers => node.role == Role::Worker,
        On::Seed => facts.seed(inventory).is_some_and(|seed| seed.name == node.name),
        On::Cluster => false,
    };
    if step.on == On::Cluster {
        return vec![Place::Cluster];
    }
    let nodes = inventory.nodes.iter().filter(wanted).filter(|node| facts.node(&node.name).is_some());
    let nodes = nodes.filter(|node| step.when.as_ref().is_none_or(|name| when::holds(name, inventory, facts, node)));
    nodes.map(|node| Place::Node(node.name.clone())).collect()
}

fn verdict(inventory: &Inventory, facts: &Facts, step: &Step, place: &Place) -> Verdict {
    match (&step.action, place) {
        (Action::Builtin(name), _) => match steps::builtin(name) {
            Some(builtin) => builtin.check(inventory, facts, place),
            None => Verdict::blocked(format!(
                "this homeprov has no step `{name}`; `homeprov playbooks list` shows what it has"
            )),
        },
        (Action::Script { .. }, Place::Node(node)) => script_verdict(facts, step, node),
        (Action::Script { .. }, Place::Cluster) => Verdict::blocked("a script runs on nodes, not on the cluster"),
    }
}

/// Lines of what a check printed that are told on.
const LINES_MAX: usize = 50;

fn script_verdict(facts: &Facts, step: &Step, node: &str) -> Verdict {
    match facts.seen(node).and_then(|seen| seen.checks.get(&step.id)) {
        Some(answer) if answer.succeeded() => Verdict::Holds,
        // What was not seen is not changed: the next observation tells.
        Some(answer) if answer.timed_out => Verdict::settling("not known: its check did not end in time"),
        Some(answer) => {
            let said: Vec<String> = answer.stdout.trim().lines().take(LINES_MAX).map(bounded::line).collect();
            Verdict::differs(if said.is_empty() { format!("not so yet: {}", step.title) } else { said.join("\n") })
        }
        None => Verdict::settling("not known: its check gave no answer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plan of one step with these words.
    fn said(verdict: Verdict, unreachable: &str) -> Plan {
        let pending = Pending {
            step: "machine-fits".into(),
            title: "the machine fits".into(),
            playbook: PREFLIGHT.into(),
            place: Place::Node("nuc2".into()),
            verdict,
            runnable: false,
        };
        Plan { pending: vec![pending], unreachable: [("nuc3".to_owned(), unreachable.to_owned())].into() }
    }

    #[test]
    fn a_number_that_changes_of_itself_changes_no_shape() {
        let plan = said(Verdict::blocked("nuc2 has 1432 MiB free"), "No route to host");
        assert_eq!(plan.shape(), said(Verdict::blocked("nuc2 has 1431 MiB free"), "Connection timed out").shape());
        assert_ne!(plan.shape(), said(Verdict::settling("nuc2 has 1432 MiB free"), "No route to host").shape());
        let back = Plan { unreachable: BTreeMap::new(), ..plan.clone() };
        assert_ne!(plan.shape(), back.shape());
    }
}
