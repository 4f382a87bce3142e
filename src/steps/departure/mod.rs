//! A member is taken out of the cluster: emptied, its replicas made anew elsewhere, then left and forgotten. Where its machine
//! is gone the others do it.
//!
//! Which member is meant stands in [`Facts::departing`](crate::facts::Facts::departing); without one all of this holds.

pub mod allowed;
pub mod cordoned;
pub mod drained;
pub mod forgets;
pub mod gone;
pub mod left;
mod losses;
pub mod replicas;

pub use losses::{Losses, losses};

use crate::facts::Facts;
use crate::inventory::model::Inventory;

/// The Node object of a departing member that is still one and is up: what can be emptied.
fn to_be_emptied<'a>(inventory: &'a Inventory, facts: &'a Facts) -> Option<&'a str> {
    let departing = facts.departing.as_ref().filter(|departing| !departing.dead)?;
    let (name, object) = facts.departing_object()?;
    facts.departing_member(inventory)?;
    (name == departing.name && object.ready).then_some(name)
}

#[cfg(test)]
mod tests;
