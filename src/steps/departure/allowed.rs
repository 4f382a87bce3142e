//! Whether the member may go: those that stay can decide, and every volume stays writable.

use async_trait::async_trait;

use crate::facts::{Departing, Facts, Identity};
use crate::inventory::model::Inventory;
use crate::plan::{Place, Verdict};
use crate::steps::guard::{self, Lack, Loss, Obstacle};
use crate::steps::{Context, Failure, RustStep};

/// The cluster can do without the departing member, and it is what the user says it is: alive, or gone for good.
pub struct DepartureAllowed;

#[async_trait]
impl RustStep for DepartureAllowed {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        let Some(departing) = &facts.departing else { return Verdict::Holds };
        match facts.identity() {
            Identity::Known(_) => {}
            Identity::None => {
                return Verdict::blocked("homeprov knows of no cluster here: `homeprov up` records which one it is");
            }
            Identity::Conflict(_) => {
                return Verdict::blocked("the records of which cluster this is differ: `homeprov plan` shows them");
            }
        }
        let Some(seed) = facts.seed(inventory) else {
            return Verdict::settling("no control plane of this cluster answers");
        };
        let name = &departing.name;
        if seed.name == *name {
            return Verdict::blocked(format!(
                "{name} is the only control plane that answers: without it there is no cluster. Bring up another one first; `homeprov reset` takes the whole cluster down"
            ));
        }
        if facts.cluster.is_none() {
            return Verdict::settling("the API does not answer, so what runs where is not known");
        }
        let seen_as =
            if departing.dead { dead(inventory, facts, departing) } else { alive(inventory, facts, departing) };
        if let Some(verdict) = seen_as {
            return verdict;
        }
        obstacle(inventory, facts, departing).unwrap_or(Verdict::Holds)
    }

    async fn apply(&self, _: &Context) -> Result<(), Failure> {
        Ok(())
    }
}

/// What keeps the member in the cluster, as long as it is in it.
fn obstacle(inventory: &Inventory, facts: &Facts, departing: &Departing) -> Option<Verdict> {
    let object = facts.departing_object();
    let name = object.map_or(departing.name.as_str(), |(name, _)| name);
    let loss = match facts.departing_member(inventory) {
        Some(_) if !departing.dead => Loss::Leaves,
        // It has left: only its Node is there still.
        _ if facts.departing_listed(inventory) == Some(false) && !departing.dead => return None,
        _ => Loss::Entry,
    };
    let cannot = |why: &str, way_out: &str| format!("{name} cannot be taken out now: {why}. {way_out}");
    match guard::judge_departure(inventory, facts, name, loss).err()? {
        Obstacle::Unjudged(why) => Some(Verdict::settling(cannot(&why, "That is looked at again"))),
        Obstacle::Worse(_, why) if guard::only_voter(inventory, facts, &departing.name) => {
            Some(Verdict::blocked(cannot(
                &why,
                "It holds the only copy of the data store: take out the other members instead, or add a third control plane first, then each holds one",
            )))
        }
        Obstacle::Worse(Lack::OnlyCopy, why) => Some(Verdict::blocked(cannot(
            &why,
            "Copy what is on it to a volume elsewhere and delete the claim, then run this again",
        ))),
        // Replicas on machines that are there come back by themselves.
        Obstacle::Worse(Lack::Replicas, why) if all_ready(facts) => {
            Some(Verdict::settling(cannot(&why, "Its replicas are being made anew")))
        }
        Obstacle::Worse(Lack::Voters | Lack::Replicas, why) => {
            Some(Verdict::blocked(cannot(&why, "Bring back what is missing, then run this again")))
        }
    }
}

fn all_ready(facts: &Facts) -> bool {
    facts.cluster.as_ref().is_some_and(|cluster| cluster.nodes.values().all(|node| node.ready))
}

fn alive(inventory: &Inventory, facts: &Facts, departing: &Departing) -> Option<Verdict> {
    let name = &departing.name;
    if inventory.node(name).is_none() {
        return Some(Verdict::blocked(format!(
            "{name} is no node of the inventory, so homeprov cannot reach it. If its machine is gone for good, add --dead and what the cluster remembers of it is removed"
        )));
    }
    let reason = facts.unreachable(name)?;
    Some(Verdict::blocked(format!(
        "{name} does not answer: {reason}\nBring it back, and run this again: then it leaves in order. If it is gone for good, add --dead: the others take it out, and it must never be switched on again as it is"
    )))
}

/// Whoever is declared dead must not be alive: two data stores would be left that both believe to be the cluster.
fn dead(inventory: &Inventory, facts: &Facts, departing: &Departing) -> Option<Verdict> {
    let name = &departing.name;
    if facts.departing_member(inventory).is_some() {
        let text =
            format!("{name} is not dead: it answers over SSH, and is a member. Without --dead it leaves in order");
        return Some(Verdict::blocked(text));
    }
    let dialled =
        |address| facts.nodes.keys().filter_map(|name| facts.node(name)).any(|seen| seen.answers.contains(&address));
    if facts.departing_listed(inventory) == Some(true)
        && departing.address.is_some_and(dialled)
        && facts.node(name).is_none()
    {
        let way_out = match inventory.node(name) {
            Some(_) => {
                "only this machine does not reach it. Switch it off, or mend the way to it and take it out without --dead"
            }
            None => {
                "and the inventory does not name it. Switch it off; or name it there, and take it out without --dead"
            }
        };
        return Some(Verdict::blocked(format!(
            "{name} is not dead: its data store answers the other members, {way_out}"
        )));
    }
    match facts.departing_object() {
        Some((_, object)) if object.ready && facts.node(name).is_none() => {
            // The cluster notices a silent kubelet after 40 s.
            Some(Verdict::settling(format!(
                "the cluster still calls {name} Ready; one that is switched off is not, after 40 s"
            )))
        }
        _ => None,
    }
}
