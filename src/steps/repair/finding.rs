//! What is wrong with members, each with the commands that mend it.

use std::fmt;

use super::lists;
use super::reinstalled;
use crate::facts::{Facts, Identity, NodeFacts};
use crate::inventory::model::{Inventory, Node, Role};
use crate::steps::guard::{self, Loss};

/// A command that mends, and where it is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `microk8s leave`, on the departing node.
    Leave {
        /// That node.
        on: String,
    },
    /// `microk8s remove-node`, on another member.
    Remove {
        /// That member.
        on: String,
        /// What is removed: a Node's name, or an address when the data store's entry is to go, too.
        who: String,
        /// Whether the data store's entry is to go, too.
        force: bool,
    },
}

impl Command {
    /// The node it is typed on.
    pub fn on(&self) -> &str {
        match self {
            Self::Leave { on } | Self::Remove { on, .. } => on,
        }
    }

    /// Its words.
    pub fn argv(&self) -> Vec<String> {
        let words: &[&str] = match self {
            Self::Leave { .. } => &["microk8s", "leave"],
            Self::Remove { who, force: true, .. } => &["microk8s", "remove-node", who, "--force"],
            Self::Remove { who, .. } => &["microk8s", "remove-node", who],
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` on {}", self.argv().join(" "), self.on())
    }
}

/// One member that is not whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The node.
    pub node: String,
    /// What was seen, and what to do by hand.
    pub reading: String,
    /// What mends it, in order; empty when homeprov must not.
    pub commands: Vec<Command>,
    /// What becomes of the node by that.
    pub loss: Loss,
    /// Whether nothing may be changed before it is mended.
    pub refuses: bool,
}

impl Finding {
    /// Why it must not be mended now; nothing when it may.
    pub fn obstacle(&self, inventory: &Inventory, facts: &Facts) -> Option<String> {
        if self.commands.is_empty() {
            return Some("there is nothing homeprov could do about it".to_owned());
        }
        guard::judge(inventory, facts, &self.node, self.loss).err().map(|obstacle| obstacle.to_string())
    }
}

/// Everything that is not whole, in inventory order.
pub fn all(inventory: &Inventory, facts: &Facts) -> Vec<Finding> {
    let Identity::Known(ca) = facts.identity() else { return Vec::new() };
    facts.answering(inventory).filter_map(|(node, seen)| of_node(inventory, facts, &ca, node, seen)).collect()
}

fn of_node(inventory: &Inventory, facts: &Facts, ca: &str, node: &Node, seen: &NodeFacts) -> Option<Finding> {
    if seen.installed && seen.ca.as_deref() == Some(ca) && !facts.own_store(seen) {
        return wrong_role(inventory, facts, node, seen).or_else(|| stuck(inventory, facts, node));
    }
    let (witness, told) = lists(inventory, facts, ca, node)?;
    Some(reinstalled::finding(inventory, facts, ca, (node, seen), (witness, told)))
}

/// `MicroK8s` cannot turn a worker into a control plane, nor the other way round.
fn wrong_role(inventory: &Inventory, facts: &Facts, node: &Node, seen: &NodeFacts) -> Option<Finding> {
    let (is, wanted) = match (node.role, seen.worker) {
        (Role::ControlPlane, true) => ("a worker", "a control plane"),
        (Role::Worker, false) => ("a control plane", "a worker"),
        _ => return None,
    };
    let seed = facts.seed(inventory).filter(|seed| seed.name != node.name);
    let commands = seed.map(|seed| {
        vec![
            Command::Leave { on: node.name.clone() },
            Command::Remove { on: seed.name.clone(), who: node.name.clone(), force: false },
        ]
    });
    Some(Finding {
        node: node.name.clone(),
        reading: format!(
            "{name} is {is} of this cluster, the inventory wants {wanted}. MicroK8s cannot turn one into the other: `microk8s leave` on {name}, `microk8s remove-node {name}` on another node, then `up` joins it anew",
            name = node.name,
        ),
        commands: commands.unwrap_or_default(),
        loss: Loss::Leaves,
        refuses: true,
    })
}

/// A member of which only a part is there, and which was waited for in vain: the data store lists it, and its own data
/// store does not answer, or it never became a Node that is Ready.
fn stuck(inventory: &Inventory, facts: &Facts, node: &Node) -> Option<Finding> {
    if !facts.overdue.contains(&node.name) || !facts.is_member(node) {
        return None;
    }
    let seed = facts.seed(inventory).filter(|seed| seed.name != node.name)?;
    let cluster = facts.cluster.as_ref()?;
    let entry = facts.listed_by_seed(inventory, node)?;
    let object = cluster.nodes.contains_key(&node.name);
    if (!entry && !object) || cluster.ready_at(&node.name, node.address) {
        return None;
    }
    let (commands, by_hand) = if node.role == Role::Worker {
        let leave = Command::Leave { on: node.name.clone() };
        let remove = Command::Remove { on: seed.name.clone(), who: node.name.clone(), force: false };
        (vec![leave.clone(), remove.clone()], format!("{leave}, {remove}"))
    } else {
        let remove = Command::Remove { on: seed.name.clone(), who: node.address.to_string(), force: true };
        (vec![remove.clone()], remove.to_string())
    };
    Some(Finding {
        node: node.name.clone(),
        reading: format!(
            "{name} has joined by half: {seed} lists it, and it does not become a member that is Ready. To begin anew: {by_hand}, then `up` joins it again",
            name = node.name,
            seed = seed.name,
        ),
        commands,
        loss: Loss::Leaves,
        refuses: false,
    })
}
