//! The pods of all namespaces, with the times by which one tells that they are stuck.

use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::core::ObjectList;

use super::read::pod_ready;
use super::request::get;
use crate::facts::stuck::StuckPod;

/// Reads them all.
pub async fn read(client: &Client) -> kube::Result<Vec<StuckPod>> {
    let list: Option<ObjectList<Pod>> = get(client, "/api/v1/pods").await?;
    Ok(list.map(|list| list.items).unwrap_or_default().into_iter().map(describe).collect())
}

/// A pod as its object says.
pub fn describe(pod: Pod) -> StuckPod {
    let ready = pod_ready(&pod);
    let (metadata, spec, status) = (pod.metadata, pod.spec.unwrap_or_default(), pod.status.unwrap_or_default());
    let label = |key: &str| metadata.labels.as_ref().and_then(|labels| labels.get(key).cloned());
    let states = status.container_statuses.unwrap_or_default().into_iter().filter_map(|container| container.state);
    let began = states.filter_map(|state| Some(state.running?.started_at?.0));
    let owners = metadata.owner_references.clone().unwrap_or_default().into_iter();
    let volumes = spec.volumes.unwrap_or_default().into_iter();
    StuckPod {
        volume: label("openebs.io/persistent-volume"),
        component: label("openebs.io/component"),
        namespace: metadata.namespace.unwrap_or_default(),
        name: metadata.name.unwrap_or_default(),
        uid: metadata.uid.unwrap_or_default(),
        node: spec.node_name,
        claims: volumes.filter_map(|volume| Some(volume.persistent_volume_claim?.claim_name)).collect(),
        owner: owners.filter(|owner| owner.controller == Some(true)).map(|owner| owner.kind).next(),
        ends_at: metadata.deletion_timestamp.map(|time| time.0),
        runs_since: began.max(),
        made_at: metadata.creation_timestamp.map(|time| time.0),
        address: status.pod_ip.filter(|address| !address.is_empty()),
        ready,
        ended: matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")),
    }
}
