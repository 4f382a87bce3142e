//! Volumes that can be written again while the file systems on them are read-only still: ext4 stops for good when its disk fails,
//! until it is mounted anew (openebs/openebs#2854).

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::owners::users;
use super::proof::Proof;
use super::{Act, Finding, Kind, look};
use crate::facts::Facts;
use crate::facts::cluster::REPAIRING;
use crate::facts::stuck::StuckPod;
use crate::inventory::model::Inventory;
use crate::kube::request;
use crate::steps::departure::replicas::shown;
use crate::steps::{Context, Failure};

/// How long a node may take to unmount a volume whose pods have ended.
const UNMOUNTS: Duration = Duration::from_secs(300);

pub(super) fn find(_: &Inventory, facts: &Facts) -> Vec<Finding> {
    let (Some(stuck), Some(cluster)) = (&facts.stuck, &facts.cluster) else { return Vec::new() };
    let mut found = Vec::new();
    for (name, volume) in &cluster.storage.jiva_volumes {
        let whose = shown(cluster, name);
        for (node, holds) in &stuck.holds {
            // The mount that all pods of the node share says what the file system does; a pod may want its own read-only.
            let staged = holds.mounts_of(name).find(|mount| mount.path.ends_with("/globalmount") && mount.read_only);
            let Some(staged) = staged else { continue };
            let pods: Vec<&StuckPod> = users(facts, name)
                .into_iter()
                .filter(|pod| pod.node.as_ref() == Some(node) && pod.ends_at.is_none())
                .collect();
            let names: Vec<String> = pods.iter().map(|pod| pod.shown()).collect();
            let writable = volume.status == "RW" && volume.working() >= volume.quorum();
            let (working, factor) = (volume.working(), volume.replication_factor);
            let proof = if !writable {
                Proof::missing(
                    format!("{working} of {factor} replicas are RW, and {} are needed for writing", volume.quorum()),
                    format!(
                        "Bring back the nodes of its replicas ({}) first",
                        cluster.storage.replica_nodes(name).join(", ")
                    ),
                )
            } else if let Some(alone) = pods.iter().find(|pod| pod.owner.is_none()) {
                Proof::missing(
                    format!("nothing makes pod {} anew", alone.shown()),
                    format!(
                        "Delete it and make it again yourself: `microk8s kubectl -n {} delete pod {}`",
                        alone.namespace, alone.name
                    ),
                )
            } else {
                Proof::given(format!(
                    "the volume is RW with {working} of {factor} replicas, and its pods are made anew"
                ))
            };
            found.push(Finding {
                kind: Kind::ReadOnlyMount,
                subject: format!("{name} {node}"),
                seen: format!("the volume of {whose} is read-only on {node} ({} at {})", staged.source, staged.path),
                why: "the file system stopped when its disk failed, and stays so until it is mounted anew",
                way_out: format!(
                    "homeprov cordons {node}, ends {} so that {node} unmounts it, and uncordons {node}",
                    if names.is_empty() { "nothing".to_owned() } else { names.join(" and ") }
                ),
                proof,
                act: Act::Remount {
                    node: node.clone(),
                    volume: name.clone(),
                    pods: pods.iter().map(|pod| (pod.namespace.clone(), pod.name.clone())).collect(),
                },
            });
        }
    }
    found
}

/// Pods that use the volume and are not ready, once it is mounted anew.
pub(super) fn not_used(facts: &Facts, volume: &str) -> Option<String> {
    let waiting: Vec<String> = users(facts, volume).iter().filter(|pod| !pod.ready).map(|pod| pod.shown()).collect();
    (!waiting.is_empty()).then(|| format!("{} is not ready", waiting.join(", ")))
}

/// A pod that is made anew on the same node while the old one ends keeps the old mount: the node takes none meanwhile.
pub(super) async fn remount(
    context: &Context,
    node: &str,
    volume: &str,
    pods: &[(String, String)],
) -> Result<(), Failure> {
    cordon(context, node).await?;
    let unmounted = unmount(context, node, volume, pods).await;
    uncordon(context, node).await?;
    unmounted
}

async fn unmount(context: &Context, node: &str, volume: &str, pods: &[(String, String)]) -> Result<(), Failure> {
    let client = context.api().await?;
    for (namespace, pod) in pods {
        context.say(format!("ending {namespace}/{pod}"));
        request::delete(&client, &format!("/api/v1/namespaces/{namespace}/pods/{pod}")).await?;
    }
    let began = Instant::now();
    loop {
        let facts = look(context).await?;
        let holds = facts.stuck.as_ref().and_then(|stuck| stuck.holds.get(node));
        if holds.is_some_and(|holds| holds.mounts_of(volume).next().is_none()) {
            return Ok(());
        }
        if began.elapsed() > UNMOUNTS {
            let reason = format!("{node} has not unmounted it within {} s; restart {node}", UNMOUNTS.as_secs());
            return Err(Failure::NotVerified { reason });
        }
        sleep(Duration::from_secs(3)).await;
    }
}

/// A node the user has cordoned stays theirs.
async fn cordon(context: &Context, node: &str) -> Result<(), Failure> {
    let client = context.api().await?;
    let path = format!("/api/v1/nodes/{node}");
    let object: Option<Value> = request::get(&client, &path).await?;
    if object.is_some_and(|object| object["spec"]["unschedulable"] == true) {
        return Ok(());
    }
    let patch = json!({ "metadata": { "annotations": { REPAIRING: "true" } }, "spec": { "unschedulable": true } });
    request::merge(&client, &path, &patch).await?;
    Ok(())
}

/// Only what a repair has cordoned.
pub(super) async fn uncordon(context: &Context, node: &str) -> Result<(), Failure> {
    let client = context.api().await?;
    let path = format!("/api/v1/nodes/{node}");
    let object: Option<Value> = request::get(&client, &path).await?;
    if object.is_some_and(|object| object["metadata"]["annotations"][REPAIRING].is_string()) {
        let patch = json!({ "metadata": { "annotations": { REPAIRING: null } }, "spec": { "unschedulable": null } });
        request::merge(&client, &path, &patch).await?;
    }
    Ok(())
}

/// The run is ended in the middle of it. What does not succeed now is found by the next repair.
pub(super) async fn let_go(context: &Context) {
    for node in &context.inventory.nodes {
        if let Err(failure) = uncordon(context, &node.name).await {
            context.say(format!(
                "{} may be cordoned still: {failure}; `microk8s kubectl uncordon {}`",
                node.name, node.name
            ));
        }
    }
}
