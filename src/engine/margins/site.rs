//! How many more nodes may fail before the site stops for longer than its pods take to start elsewhere.
//!
//! It needs the API, as what ran on a lost node is started elsewhere by it; the volumes of its database, its queues and its
//! files; somebody who announces its address and an ingress controller behind it; and a node to run on.

use std::collections::BTreeSet;

use crate::facts::mastodon::IngressFacts;
use crate::facts::{ClusterFacts, Facts};
use crate::inventory::model::{Access, Inventory, Mastodon, Redis};
use crate::mastodon::{ASSETS_CLAIM, NAMESPACE, SYSTEM_CLAIM};
use crate::status::Conclusion;
use crate::status::margin::{NodeMargin, Subject};

/// The claims of the bundled database and of Redis (bitnami/charts `postgresql`, `redis`).
const DATABASE: &str = "data-mastodon-postgresql-0";
const REDIS: &str = "redis-data-mastodon-redis-master-0";

/// The margin of the site; none where the inventory has none, or it was not read.
pub(super) fn margin(inventory: &Inventory, facts: &Facts, api: &NodeMargin) -> Option<NodeMargin> {
    let wanted = inventory.mastodon.as_ref()?;
    let cluster = facts.cluster.as_ref()?;
    let site = cluster.mastodon.as_ref()?;
    let api = NodeMargin { limit: format!("the API: {}", api.limit), ..api.clone() };
    let mut parts = vec![api, nodes(cluster)];
    parts.extend(claims(wanted).map(|(what, claim)| volume(cluster, what, claim)));
    parts.push(entrance(cluster, &site.ingress));
    let mut found = least(parts);
    found.limit += moving(wanted);
    Some(found)
}

/// The part that gives way first. One that stands no more comes before all; what cannot be told matters unless something
/// else gives way at the next failure.
fn least(parts: Vec<NodeMargin>) -> NodeMargin {
    let rank = |part: &NodeMargin| match (part.stands, part.nodes) {
        (Conclusion::No, _) => (0, 0),
        (Conclusion::Yes, Some(0)) => (1, 0),
        (Conclusion::Yes, Some(nodes)) => (3, nodes),
        (Conclusion::Unknown, _) | (Conclusion::Yes, None) => (2, 0),
    };
    // Of equals the first one.
    let first = parts.into_iter().min_by_key(rank);
    let first = first.unwrap_or_else(|| NodeMargin::unknown(Subject::Site, "nothing of it was seen"));
    NodeMargin { of: Subject::Site, name: None, ..first }
}

/// The volumes it cannot do without, and what they are for.
fn claims(wanted: &Mastodon) -> impl Iterator<Item = (&'static str, &'static str)> {
    let redis = matches!(wanted.redis, Redis::Bundled { .. });
    [
        ("its database", DATABASE, wanted.bundled_postgresql()),
        ("its queues", REDIS, redis),
        ("its assets", ASSETS_CLAIM, wanted.s3.is_none()),
        ("its media", SYSTEM_CLAIM, wanted.s3.is_none()),
    ]
    .into_iter()
    .filter(|(_, _, there)| *there)
    .map(|(what, claim, _)| (what, claim))
}

fn volume(cluster: &ClusterFacts, what: &str, claim: &str) -> NodeMargin {
    let storage = &cluster.storage;
    let bound = storage.claims.iter().find(|found| found.namespace == NAMESPACE && found.name == claim);
    let Some(name) = bound.and_then(|claim| claim.volume.as_deref()) else {
        return NodeMargin::stopped(Subject::Site, format!("{what}: the claim {NAMESPACE}/{claim} has no volume"));
    };
    // Behind a share lies the volume its server has mounted.
    let name = storage.behind(name).unwrap_or(name);
    let Some(found) = storage.volumes.get(name) else {
        return NodeMargin::unknown(Subject::Site, format!("{what}: its volume {name} was not read"));
    };
    let margin = super::volume::margin(cluster, name, found);
    NodeMargin { limit: format!("{what} ({claim}): {}", margin.limit), ..margin }
}

fn nodes(cluster: &ClusterFacts) -> NodeMargin {
    let ready: Vec<&str> = cluster.nodes.iter().filter(|(_, node)| node.ready).map(|(name, _)| name.as_str()).collect();
    match ready.as_slice() {
        [] => NodeMargin::stopped(Subject::Site, "no Node is Ready"),
        [only] => NodeMargin::of(Subject::Site, 0, format!("only {only} is left to run it")),
        several => NodeMargin::of(Subject::Site, several.len() - 1, format!("{} Nodes are Ready", several.len())),
    }
}

/// The ingress controller, and the speakers that announce the address in front of it.
fn entrance(cluster: &ClusterFacts, ingress: &IngressFacts) -> NodeMargin {
    let up = |nodes: &mut dyn Iterator<Item = &String>| -> BTreeSet<String> {
        nodes.filter(|node| super::ready(cluster, node)).cloned().collect()
    };
    let Some(controller) = &ingress.controller else {
        return NodeMargin::unknown(Subject::Site, "the ingress controller is not the addon's, and was not looked at");
    };
    let serving = up(&mut controller.ready_on.iter());
    let speakers = cluster.metallb.as_ref().map(|seen| up(&mut seen.speakers.iter()));
    let (nodes, what) = match (ingress.entrance(), speakers) {
        (Some(entrance), Some(speakers)) if !entrance.any_node => {
            // Only a node with a ready pod of its own is let announce it (`externalTrafficPolicy: Local`).
            (serving.intersection(&speakers).cloned().collect(), "announce its address and run the ingress controller")
        }
        (Some(_), Some(speakers)) if speakers.len() < serving.len() => (speakers, "announce its address"),
        _ => (serving, "run the ingress controller"),
    };
    let list: Vec<&str> = nodes.iter().map(String::as_str).collect();
    match list.as_slice() {
        [] => NodeMargin::stopped(Subject::Site, format!("no node is seen to {what}")),
        [only] => NodeMargin::of(Subject::Site, 0, format!("of all nodes {only} alone is seen to {what}")),
        several => NodeMargin::of(Subject::Site, several.len() - 1, format!("{} nodes {what}", several.len())),
    }
}

/// What a failure within the margin is like.
fn moving(wanted: &Mastodon) -> &'static str {
    match wanted.access {
        _ if wanted.s3.is_some() => "",
        Access::Rwo => "; its pods share one node (ReadWriteOnce) and move together",
        Access::Rwx => "; its files come from one NFS server each, which moves in minutes",
    }
}
