//! The pods of one node, and how they are sent away.

use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::core::ObjectList;
use serde_json::json;

use super::request::{create, get};
use crate::facts::cluster::NodePod;

/// The annotation of a pod whose manifest lies on the node itself (kubernetes `pkg/kubelet/types/pod_update.go`).
const MIRROR: &str = "kubernetes.io/config.mirror";

/// The pods on a node.
pub async fn on_node(client: &Client, node: &str) -> kube::Result<Vec<NodePod>> {
    let list: Option<ObjectList<Pod>> =
        get(client, &format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{node}")).await?;
    Ok(list.map(|list| list.items).unwrap_or_default().into_iter().filter_map(pod).collect())
}

fn pod(pod: Pod) -> Option<NodePod> {
    let metadata = pod.metadata;
    let label = |key: &str| metadata.labels.as_ref().and_then(|labels| labels.get(key).cloned());
    let owners = metadata.owner_references.unwrap_or_default();
    let phase = pod.status.and_then(|status| status.phase).unwrap_or_default();
    Some(NodePod {
        namespace: metadata.namespace?,
        name: metadata.name?,
        owner: owners.into_iter().find(|owner| owner.controller == Some(true)).map(|owner| owner.kind),
        mirror: metadata.annotations.is_some_and(|annotations| annotations.contains_key(MIRROR)),
        replica: label("openebs.io/component").is_some_and(|component| component == "jiva-replica"),
        share: label("openebs.io/nfs-server"),
        ended: phase == "Succeeded" || phase == "Failed",
        leaving: metadata.deletion_timestamp.is_some(),
    })
}

/// Sends a pod away, as `kubectl drain` does: the server refuses (429) what a disruption budget forbids. An absent pod is as
/// good as one sent away.
pub async fn evict(client: &Client, namespace: &str, name: &str) -> kube::Result<()> {
    let eviction =
        json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"namespace": namespace, "name": name}});
    match create(client, &format!("/api/v1/namespaces/{namespace}/pods/{name}/eviction"), &eviction).await {
        Err(error) if !super::error::is_absent(&error) => Err(error),
        _ => Ok(()),
    }
}
