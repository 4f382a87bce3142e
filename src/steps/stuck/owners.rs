//! Volumes that name a node as their owner which does not use them: the driver then lets no other node have them
//! (openebs/jiva-operator `pkg/driver/node.go`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::proof::{Proof, released};
use super::{Act, Finding, Kind, again};
use crate::facts::Facts;
use crate::facts::stuck::StuckPod;
use crate::inventory::model::Inventory;
use crate::kube::request;
use crate::steps::departure::replicas::shown;
use crate::steps::{Context, Failure};

/// What the API server answers when an object has changed meanwhile.
const CONFLICT: u16 = 409;
/// How often the owner is written at the most.
const TRIES: usize = 5;

/// The pods that use a volume's claim, or want to.
pub(super) fn users<'a>(facts: &'a Facts, volume: &str) -> Vec<&'a StuckPod> {
    let (Some(stuck), Some(cluster)) = (&facts.stuck, &facts.cluster) else { return Vec::new() };
    let Some(claim) = cluster.storage.claim_of(volume) else { return Vec::new() };
    let uses = |pod: &&StuckPod| !pod.ended && pod.namespace == claim.namespace && pod.claims.contains(&claim.name);
    stuck.pods.iter().filter(uses).collect()
}

/// The nodes that hold a volume, as they were seen.
fn holders<'a>(facts: &'a Facts, volume: &str) -> BTreeSet<&'a str> {
    let all = facts.stuck.iter().flat_map(|stuck| &stuck.holds);
    let holds =
        all.filter(|(_, holds)| holds.mounts_of(volume).next().is_some() || holds.sessions_of(volume).next().is_some());
    holds.map(|(node, _)| node.as_str()).collect()
}

pub(super) fn find(inventory: &Inventory, facts: &Facts) -> Vec<Finding> {
    let Some(cluster) = &facts.cluster else { return Vec::new() };
    let volumes = cluster.storage.jiva_volumes.iter();
    let found = volumes.filter_map(|(name, volume)| {
        let owner = volume.node.as_deref()?;
        let users = users(facts, name);
        if users.iter().any(|pod| pod.node.as_deref() == Some(owner)) {
            return None;
        }
        let held: Vec<&str> = holders(facts, name).into_iter().filter(|node| *node != owner).collect();
        let wanted: BTreeSet<&str> = users.iter().filter_map(|pod| pod.node.as_deref()).collect();
        let pods = match wanted.into_iter().collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "no pod uses it".to_owned(),
            nodes => format!("the pods that use it are on {nodes}"),
        };
        let elsewhere = match held.as_slice() {
            [] => String::new(),
            nodes => format!("; {} has it mounted", nodes.join(" and ")),
        };
        let to = match held.as_slice() {
            [] => None,
            [one] => Some((*one).to_owned()),
            _ => {
                return Some(twice(facts, name, owner, &held));
            }
        };
        let whose = shown(cluster, name);
        let way_out = match &to {
            None => format!("homeprov takes the name {owner} off the volume of {whose}"),
            Some(node) => format!("homeprov writes {node} into the volume of {whose}, which has it"),
        };
        Some(Finding {
            kind: Kind::StaleOwner,
            subject: name.clone(),
            seen: format!("JivaVolume {name} of {whose} names {owner}, and {pods}{elsewhere}"),
            why: "the driver mounts a volume nowhere else while the node it names is Ready",
            way_out,
            proof: released(inventory, facts, owner, name),
            act: Act::SetOwner {
                volume: name.clone(),
                namespace: volume.namespace.clone(),
                from: owner.to_owned(),
                to,
            },
        })
    });
    found.collect()
}

/// Two nodes that hold it, and neither is the one it names.
fn twice(facts: &Facts, name: &str, owner: &str, held: &[&str]) -> Finding {
    let whose = facts.cluster.as_ref().map_or_else(|| name.to_owned(), |cluster| shown(cluster, name));
    Finding {
        kind: Kind::StaleOwner,
        subject: name.to_owned(),
        seen: format!("JivaVolume {name} of {whose} names {owner}, and {} hold it", held.join(" and ")),
        why: "two nodes that write to one file system ruin it",
        way_out: String::new(),
        proof: Proof::missing(
            "which of them is to have it is not for homeprov to say",
            format!("End what uses it on all but one of {}, and unmount it there", held.join(" and ")),
        ),
        act: Act::Nothing,
    }
}

/// Writes the owner, unless the driver has written to the volume since it was last looked at.
pub(super) async fn set(
    context: &Context,
    finding: &Finding,
    (namespace, volume): (&str, &str),
    from: &str,
    to: Option<&str>,
) -> Result<(), Failure> {
    let client = context.api().await?;
    let path = format!("/apis/openebs.io/v1/namespaces/{namespace}/jivavolumes/{volume}");
    // The operator writes its status there, too: that is no reason to ask again.
    for _ in 0..TRIES {
        let object: Option<Value> = request::get(&client, &path).await?;
        let Some(object) = object.filter(|object| object["metadata"]["labels"]["nodeID"] == from) else {
            return Ok(());
        };
        // What the nodes hold is looked at after the version was read: whoever mounts it from now on changes the version.
        match again(context, Kind::StaleOwner, &finding.id()).await? {
            None => return Ok(()),
            Some(now) if now.act != finding.act || !matches!(now.proof, Proof::Given { .. }) => {
                return Err(Failure::Refused { reason: format!("it has changed meanwhile: {}", now.said()) });
            }
            Some(_) => {}
        }
        let mount = match to {
            Some(_) => object["spec"]["mountInfo"].clone(),
            None => json!({"stagingPath": null, "targetPath": null, "devicePath": null}),
        };
        let patch = json!({
            "metadata": { "resourceVersion": object["metadata"]["resourceVersion"], "labels": { "nodeID": to } },
            "spec": { "mountInfo": mount },
        });
        match request::merge(&client, &path, &patch).await {
            Err(kube::Error::Api(status)) if status.code == CONFLICT => {}
            answer => return Ok(answer.map(drop)?),
        }
    }
    Err(Failure::Busy { reason: format!("JivaVolume {volume} is being written to all the time") })
}
