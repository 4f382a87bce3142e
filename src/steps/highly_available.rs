//! The cluster survives the loss of a control plane, by our definition: at least three voters that answer, and the
//! same list seen from every member. `microk8s status` counts roles, not machines that live.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use async_trait::async_trait;

use super::join::voters;
use super::{Context, Failure, RustStep};
use crate::facts::Facts;
use crate::inventory::model::Inventory;
use crate::plan::{Place, Verdict};

/// Three voters that accept connections on port 19001, the same list from every member.
pub struct HighlyAvailable;

/// How many voters a data store needs to survive the loss of one.
pub const ENOUGH: usize = 3;

/// How many of so many voters decide.
pub fn majority(voters: usize) -> usize {
    voters / 2 + 1
}

/// What was seen of the data store's voters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Voters {
    /// The voters, as the seed lists them.
    pub listed: BTreeSet<Ipv4Addr>,
    /// Those of them that another member, or on a lone node the node itself, could connect to.
    pub answering: BTreeSet<Ipv4Addr>,
    /// The names of members that list other voters than the seed.
    pub disagreeing: Vec<String>,
}

/// Looks at the voters through every member that answers.
pub fn look(inventory: &Inventory, facts: &Facts) -> Voters {
    let Some(seed) = facts.seed(inventory) else { return Voters::default() };
    let listed: BTreeSet<Ipv4Addr> = voters(facts, &seed.name).unwrap_or_default().into_iter().collect();
    let members: Vec<_> = inventory.control_planes().filter(|node| facts.is_member(node)).collect();
    // A lone data store listens on the loopback address only: that it told its members is the answer.
    let lone = members.len() == 1 && facts.node(&seed.name).is_some_and(|seen| seen.alone() && seen.members.is_some());
    let dialled = |address: &Ipv4Addr| {
        lone || members.iter().any(|node| {
            node.address != *address && facts.node(&node.name).is_some_and(|seen| seen.answers.contains(address))
        })
    };
    let disagrees =
        |name: &str| voters(facts, name).is_none_or(|own| own.into_iter().collect::<BTreeSet<_>>() != listed);
    Voters {
        answering: listed.iter().filter(|address| dialled(address)).copied().collect(),
        disagreeing: members.iter().filter(|node| disagrees(&node.name)).map(|node| node.name.clone()).collect(),
        listed,
    }
}

#[async_trait]
impl RustStep for HighlyAvailable {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        if inventory.control_planes().count() < ENOUGH {
            // One (or two) control planes were asked for: there is nothing to be reached.
            return Verdict::Holds;
        }
        if facts.seed(inventory).is_none() {
            return Verdict::unknown("members-joined");
        }
        let seen = look(inventory, facts);
        if seen.answering.len() >= ENOUGH && seen.disagreeing.is_empty() {
            return Verdict::Holds;
        }
        let mut why = format!("{} of {} voters answer, {ENOUGH} are needed", seen.answering.len(), seen.listed.len());
        if !seen.disagreeing.is_empty() {
            why = format!("{why}; {} list others than the seed", seen.disagreeing.join(", "));
        }
        let unreachable: Vec<String> = inventory
            .control_planes()
            .filter(|node| facts.unreachable(&node.name).is_some())
            .map(|node| node.name.clone())
            .collect();
        if unreachable.is_empty() { Verdict::Settling { why } } else { Verdict::Waits { nodes: unreachable, why } }
    }

    /// The data store promotes its members itself.
    async fn apply(&self, _: &Context) -> Result<(), Failure> {
        Ok(())
    }
}
