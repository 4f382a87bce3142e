//! The steps that bring Mastodon up in the cluster and see that it answers. What lands in Git is in [`crate::gitops`].

mod broken_off;
pub mod claims;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
pub(crate) use fixture::inventory as inventory_with_a_site;
pub mod credentials;
pub mod ingress_address;
pub mod ingress_enabled;
pub mod namespace;
pub mod outside_services;
pub mod owner;
pub mod released;
pub mod running;
pub mod secrets;
pub mod site_answers;

use crate::facts::mastodon::MastodonFacts;
use crate::facts::{ClusterFacts, Facts};
use crate::inventory::model::{Inventory, Mastodon};
use crate::plan::Verdict;
use crate::steps::{Context, Failure};

/// What is wanted and what is there; or the verdict where there is nothing to compare yet.
fn both<'a>(
    inventory: &'a Inventory,
    facts: &'a Facts,
) -> Result<(&'a Mastodon, &'a ClusterFacts, &'a MastodonFacts), Verdict> {
    let Some(wanted) = &inventory.mastodon else { return Err(Verdict::Holds) };
    let cluster = facts.cluster.as_ref();
    let seen = cluster.and_then(|cluster| Some((cluster, cluster.mastodon.as_ref()?)));
    seen.map(|(cluster, seen)| (wanted, cluster, seen)).ok_or_else(|| Verdict::unknown("members-joined"))
}

/// The same while a step is applied.
fn at_hand(context: &Context) -> Result<(&Mastodon, &ClusterFacts, &MastodonFacts), Failure> {
    both(&context.inventory, &context.facts).map_err(|_| Failure::failed("the cluster was not seen"))
}

/// The first of these nodes that answers, from where services outside and the site are asked: the seed before others.
fn asking_node(context: &Context) -> Result<String, Failure> {
    Ok(context.node()?.name.clone())
}
