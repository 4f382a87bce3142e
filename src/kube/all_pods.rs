//! The pods of all namespaces, with what keeps them from running.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{self, Event};
use kube::Client;
use kube::core::ObjectList;

use super::mastodon::{events, trouble};
use super::read::pod_ready;
use super::request::get;
use crate::facts::pods::Pod;

/// Reads all pods. Events are read only of namespaces in which a pod is not ready.
pub async fn read(client: &Client) -> kube::Result<Vec<Pod>> {
    let list: Option<ObjectList<v1::Pod>> = get(client, "/api/v1/pods").await?;
    let mut told: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    let mut pods = Vec::new();
    for pod in list.map(|list| list.items).unwrap_or_default() {
        let namespace = pod.metadata.namespace.clone().unwrap_or_default();
        let ended = ended(&pod);
        let waits = !ended && !pod_ready(&pod);
        if waits && !told.contains_key(&namespace) {
            told.insert(namespace.clone(), events(client, &namespace).await?);
        }
        let events = told.get(&namespace).map(Vec::as_slice).unwrap_or_default();
        let trouble = if waits { trouble::of(&pod, events) } else { None };
        pods.push(describe(pod, namespace, ended, trouble));
    }
    Ok(pods)
}

fn ended(pod: &v1::Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

fn describe(pod: v1::Pod, namespace: String, ended: bool, trouble: Option<crate::facts::mastodon::Trouble>) -> Pod {
    let spec = pod.spec.unwrap_or_default();
    let volumes = spec.volumes.unwrap_or_default().into_iter();
    Pod {
        namespace,
        name: pod.metadata.name.unwrap_or_default(),
        node: spec.node_name,
        claims: volumes.filter_map(|volume| Some(volume.persistent_volume_claim?.claim_name)).collect(),
        ended,
        trouble,
    }
}
