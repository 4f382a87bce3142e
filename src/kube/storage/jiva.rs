//! Jiva's objects (openebs/jiva-operator `pkg/apis/openebs/v1/jivavolume_types.go`).

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::core::ObjectList;
use serde_json::Value;

use crate::facts::storage::{JivaNode, JivaVolume, Replica};
use crate::kube::read::pod_ready;
use crate::kube::request::get;

/// How the `DaemonSet`'s name ends; the chart puts the release's name in front.
const NODE: &str = "jiva-csi-node";
/// The volume of it that is the kubelet's directory.
const KUBELET: &str = "pods-mount-dir";

/// The `DaemonSet` that mounts Jiva volumes, in whatever namespace.
pub async fn node(client: &Client) -> kube::Result<Option<JivaNode>> {
    let list: Option<ObjectList<DaemonSet>> = get(client, "/apis/apps/v1/daemonsets").await?;
    let sets = list.map(|list| list.items).unwrap_or_default().into_iter();
    let Some(set) = { sets }.find(|set| set.metadata.name.as_ref().is_some_and(|name| name.ends_with(NODE))) else {
        return Ok(None);
    };
    let mut found = describe(&set);
    let labels = set.spec.selector.match_labels.unwrap_or_default();
    let selector: Vec<String> = labels.iter().map(|(key, value)| format!("{key}%3D{value}")).collect();
    let path = format!("/api/v1/namespaces/{}/pods?labelSelector={}", found.namespace, selector.join(","));
    let pods: Option<ObjectList<Pod>> = get(client, &path).await?;
    let pods = pods.map(|list| list.items).unwrap_or_default();
    found.ready_on = pods.iter().filter(|pod| pod_ready(pod)).filter_map(|pod| pod.spec.clone()?.node_name).collect();
    Ok(Some(found))
}

fn describe(set: &DaemonSet) -> JivaNode {
    let pod = set.spec.template.spec.as_ref();
    let volumes = pod.and_then(|pod| pod.volumes.as_deref()).unwrap_or_default();
    let directory = volumes.iter().find(|volume| volume.name == KUBELET).and_then(|volume| volume.host_path.as_ref());
    let rolled_out = set.status.as_ref().is_some_and(|status| {
        let current = status.observed_generation.is_some() && status.observed_generation >= set.metadata.generation;
        current && status.updated_number_scheduled.unwrap_or_default() == status.desired_number_scheduled
    });
    JivaNode {
        namespace: set.metadata.namespace.clone().unwrap_or_default(),
        name: set.metadata.name.clone().unwrap_or_default(),
        kubelet_directory: directory.map(|path| path.path.clone()).unwrap_or_default(),
        ready_on: BTreeSet::new(),
        rolled_out,
    }
}

fn items(list: &Value) -> &[Value] {
    list["items"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(object: &Value, pointer: &str) -> Option<String> {
    let text = object.pointer(pointer)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

fn number(object: &Value, pointer: &str) -> Option<u32> {
    object.pointer(pointer)?.as_u64().and_then(|number| u32::try_from(number).ok())
}

pub(super) async fn policies(client: &Client) -> kube::Result<BTreeMap<String, u32>> {
    let list: Option<Value> = get(client, "/apis/openebs.io/v1/jivavolumepolicies").await?;
    let list = list.unwrap_or_default();
    let named = items(&list)
        .iter()
        .filter_map(|item| Some((text(item, "/metadata/name")?, number(item, "/spec/target/replicationFactor")?)));
    Ok(named.collect())
}

/// The Jiva volumes; none when the kind is not served.
pub async fn volumes(client: &Client) -> kube::Result<Option<BTreeMap<String, JivaVolume>>> {
    let list: Option<Value> = get(client, "/apis/openebs.io/v1/jivavolumes").await?;
    Ok(list.map(|list| {
        items(&list).iter().filter_map(|item| Some((text(item, "/metadata/name")?, volume(item)))).collect()
    }))
}

/// A Jiva volume as its object says.
pub fn volume(object: &Value) -> JivaVolume {
    let replicas = object.pointer("/status/replicaStatus").cloned();
    let wanted = number(object, "/spec/desiredReplicationFactor").filter(|wanted| *wanted > 0);
    JivaVolume {
        namespace: text(object, "/metadata/namespace").unwrap_or_default(),
        capacity: text(object, "/spec/capacity").unwrap_or_default(),
        replication_factor: wanted
            .or_else(|| number(object, "/spec/policy/target/replicationFactor"))
            .unwrap_or_default(),
        phase: text(object, "/status/phase").unwrap_or_default(),
        status: text(object, "/status/status").unwrap_or_default(),
        replicas: replicas.and_then(|list| serde_json::from_value::<Vec<Replica>>(list).ok()).unwrap_or_default(),
        node: text(object, "/metadata/labels/nodeID"),
        staging_path: text(object, "/spec/mountInfo/stagingPath"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_a_volume() {
        let seen = volume(&json!({
            "metadata": { "name": "pvc-1", "namespace": "openebs", "labels": { "nodeID": "nuc2" } },
            "spec": {
                "capacity": "4Gi", "desiredReplicationFactor": 0,
                "policy": { "target": { "replicationFactor": 3 } },
                "mountInfo": { "stagingPath": "/var/snap/microk8s/common/var/lib/kubelet/plugins/x/globalmount" },
            },
            "status": { "status": "RW", "phase": "Ready", "replicaCount": 2, "replicaStatus": [
                { "address": "tcp://10.1.1.7:9502", "mode": "RW" }, { "address": "tcp://10.1.2.7:9502", "mode": "WO" },
            ] },
        }));
        assert_eq!((seen.replication_factor, seen.replicas.len(), seen.in_use()), (3, 2, true));
        assert_eq!(seen.replicas[1].mode, "WO");
        assert_eq!(volume(&json!({})), JivaVolume::default());
    }

    #[test]
    fn reads_the_kubelet_directory() {
        let set = json!({
            "metadata": { "name": "openebs-jiva-csi-node", "namespace": "openebs", "generation": 2 },
            "spec": { "selector": { "matchLabels": { "name": "x" } }, "template": { "spec": {
                "containers": [], "volumes": [
                    { "name": "device-dir", "hostPath": { "path": "/dev" } },
                    { "name": "pods-mount-dir", "hostPath": { "path": "/var/lib/kubelet/" } },
                ],
            } } },
            "status": { "observedGeneration": 1, "currentNumberScheduled": 3, "desiredNumberScheduled": 3,
                "numberMisscheduled": 0, "numberReady": 3, "updatedNumberScheduled": 3 },
        });
        let seen = describe(&serde_json::from_value(set).unwrap());
        assert_eq!((seen.kubelet_directory.as_str(), seen.rolled_out), ("/var/lib/kubelet/", false));
    }
}
