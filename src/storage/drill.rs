//! The drill: a node loses its replica, the bytes are read all the same, the replica comes back.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::canaries::Canaries;
use super::chain::jiva_volume;
use super::clean::{CORDONED, uncordon};
use super::jiva::JivaVolume;
use super::means::{Means, ProofNode, Trouble};
use super::pod::PodLook;
use super::ready::{HEALTHY, LOOK};
use super::seen::{DrillSeen, Seen};
use crate::kube::request;

/// How long the volume may take to notice that a replica is gone.
const NOTICE: Duration = Duration::from_secs(90);

/// Takes the replica of a node away and reads from another one. The node is made usable again whatever comes of it.
pub async fn drill(means: &Means, canaries: &Canaries<'_>, seen: &Seen) -> Result<Option<DrillSeen>, Trouble> {
    let (Some(volume), Some(chain)) = (&seen.volume, &seen.chain) else { return Ok(None) };
    let replicas = || chain.replicas.iter().filter_map(|replica| means.node(&replica.host));
    let writer = replicas().find(|node| Some(node.name.as_str()) == seen.writer_node());
    let Some(victim) = writer.or_else(|| replicas().next()) else { return Ok(None) };
    let reader = means.nodes.iter().find(|node| node.usable && node.name != victim.name);
    let (Some(reader), Some(pod)) = (reader, replica_pod(means, volume, victim).await?) else { return Ok(None) };

    let _only = means.drilling.lock().await;
    let outcome = lose(means, canaries, victim, &pod, volume, reader).await;
    let usable_again = uncordon(means).await;
    let (read, meanwhile) = outcome?;
    usable_again?;
    means.say(format!("waiting for the replica on {} to come back", victim.name));
    let after = whole(means, volume, seen.replicas).await?;
    Ok(Some(DrillSeen { node: victim.name.clone(), pod, reader: (reader.name.clone(), read), meanwhile, after }))
}

async fn lose(
    means: &Means,
    canaries: &Canaries<'_>,
    victim: &ProofNode,
    pod: &str,
    volume: &JivaVolume,
    reader: &ProofNode,
) -> Result<(PodLook, Option<JivaVolume>), Trouble> {
    means.say(format!("{} loses its replica {pod} and takes no pods meanwhile", victim.name));
    cordon(means, victim).await?;
    let path = format!("/api/v1/namespaces/{}/pods/{pod}", volume.namespace);
    request::delete(&means.client, &path).await?;
    let meanwhile = noticed(means, volume).await?;
    let read = canaries.read(means, "drill", reader).await?;
    Ok((read, meanwhile))
}

/// A node the user has cordoned stays theirs.
async fn cordon(means: &Means, node: &ProofNode) -> Result<(), Trouble> {
    let path = format!("/api/v1/nodes/{}", node.name);
    let object: Option<Node> = means.get(&path).await?;
    if object.and_then(|node| node.spec?.unschedulable).unwrap_or_default() {
        return Ok(());
    }
    let patch = json!({ "metadata": { "annotations": { CORDONED: "true" } }, "spec": { "unschedulable": true } });
    request::merge(&means.client, &path, &patch).await?;
    Ok(())
}

/// The replica's pod on a node.
async fn replica_pod(means: &Means, volume: &JivaVolume, node: &ProofNode) -> Result<Option<String>, Trouble> {
    let (namespace, name) = (&volume.namespace, &volume.name);
    let selector = format!("openebs.io/component%3Djiva-replica,openebs.io/persistent-volume%3D{name}");
    let pods: Vec<Pod> = means.list(&format!("/api/v1/namespaces/{namespace}/pods?labelSelector={selector}")).await?;
    let there = pods
        .into_iter()
        .find(|pod| pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(node.name.as_str()));
    Ok(there.and_then(|pod| pod.metadata.name))
}

/// The volume once it says that a replica is gone, or what it says when it does not.
async fn noticed(means: &Means, volume: &JivaVolume) -> Result<Option<JivaVolume>, Trouble> {
    let began = Instant::now();
    loop {
        let now = jiva_volume(means, &volume.name).await?;
        let fewer = now.as_ref().is_none_or(|now| now.modes != volume.modes || now.connected < volume.connected);
        if fewer || began.elapsed() > NOTICE {
            return Ok(now);
        }
        sleep(LOOK).await;
    }
}

async fn whole(means: &Means, volume: &JivaVolume, replicas: u32) -> Result<Option<JivaVolume>, Trouble> {
    let began = Instant::now();
    loop {
        let now = jiva_volume(means, &volume.name).await?;
        if began.elapsed() > HEALTHY || now.as_ref().is_some_and(|now| now.whole(replicas)) {
            return Ok(now);
        }
        sleep(LOOK).await;
    }
}
