//! The cluster's facts, read side by side over one connection.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Endpoints, Namespace, Node, Pod, Service};
use kube::Client;
use kube::core::ObjectList;
use serde_json::Value;

use super::request::get;
use crate::facts::cluster::{DEPARTING, REPAIRING};
use crate::facts::record::{PLACE, Record};
use crate::facts::storage::StorageFacts;
use crate::facts::{ClusterFacts, KubernetesNode, MetallbFacts};

/// The namespaces every fresh cluster has.
const OWN_NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// The namespace the `MetalLB` addon installs into (canonical/microk8s-core-addons `addons/metallb`).
pub const METALLB: &str = "metallb-system";

/// Reads everything the plan needs from one API server; `via` is the node it runs on. Storage is read where homeprov
/// does not leave it alone.
pub async fn cluster(client: &Client, via: &str, with_storage: bool) -> kube::Result<ClusterFacts> {
    let (namespace, name) = PLACE;
    let record_path = format!("/api/v1/namespaces/{namespace}/configmaps/{name}");
    let (nodes, records, metallb, dns, storage) = futures::try_join!(
        get::<ObjectList<Node>>(client, "/api/v1/nodes"),
        get::<ConfigMap>(client, &record_path),
        metallb(client),
        dns(client),
        storage(client, with_storage),
    )?;
    let nodes = nodes.map(|list| list.items).unwrap_or_default();
    let records = records.and_then(|map| map.data).unwrap_or_default();
    Ok(ClusterFacts {
        via: via.to_owned(),
        nodes: nodes.into_iter().filter_map(|node| Some((node.metadata.name.clone()?, describe(&node)))).collect(),
        metallb,
        records: records.into_iter().filter_map(|(name, text)| Some((name, record(&text)?))).collect(),
        dns,
        storage,
        flux: None,
        departing_pods: Vec::new(),
        mastodon: None,
    })
}

async fn storage(client: &Client, wanted: bool) -> kube::Result<StorageFacts> {
    if wanted { Box::pin(super::storage::read(client)).await } else { Ok(StorageFacts::default()) }
}

fn record(text: &str) -> Option<Record> {
    serde_json::from_str(text).ok()
}

fn describe(node: &Node) -> KubernetesNode {
    let status = node.status.clone().unwrap_or_default();
    let ready = status.conditions.unwrap_or_default().into_iter().find(|condition| condition.type_ == "Ready");
    let addresses = status.addresses.unwrap_or_default().into_iter();
    KubernetesNode {
        uid: node.metadata.uid.clone().unwrap_or_default(),
        ready: ready.as_ref().is_some_and(|condition| condition.status == "True"),
        not_ready_since: ready
            .as_ref()
            .filter(|condition| condition.status != "True")
            .and_then(|condition| condition.last_transition_time.as_ref().map(|time| time.0)),
        message: ready.and_then(|condition| condition.message).unwrap_or_default(),
        version: status.node_info.map(|info| info.kubelet_version).unwrap_or_default(),
        addresses: addresses
            .filter(|address| address.type_ == "InternalIP")
            .filter_map(|address| address.address.parse().ok())
            .collect(),
        labels: node.metadata.labels.clone().unwrap_or_default(),
        departing: node
            .spec
            .as_ref()
            .and_then(|spec| spec.taints.as_ref())
            .is_some_and(|taints| taints.iter().any(|taint| taint.key == DEPARTING)),
        repairing: node.metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(REPAIRING)),
        unschedulable: node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or_default(),
    }
}

async fn metallb(client: &Client) -> kube::Result<Option<MetallbFacts>> {
    let group = format!("/apis/metallb.io/v1beta1/namespaces/{METALLB}");
    let (pool_path, advertisement_path) = (format!("{group}/ipaddresspools"), format!("{group}/l2advertisements"));
    let controller_path = format!("/apis/apps/v1/namespaces/{METALLB}/deployments/controller");
    let pod_path = format!("/api/v1/namespaces/{METALLB}/pods?labelSelector=component%3Dspeaker");
    let (pools, advertisements, controller, pods) = futures::try_join!(
        get::<Value>(client, &pool_path),
        get::<Value>(client, &advertisement_path),
        get::<Deployment>(client, &controller_path),
        get::<ObjectList<Pod>>(client, &pod_path),
    )?;
    let Some(pools) = pools else { return Ok(None) };
    let ready = controller.and_then(|controller| controller.status?.ready_replicas).unwrap_or_default();
    let speakers = pods.map(|list| list.items).unwrap_or_default();
    Ok(Some(MetallbFacts {
        pools: named_lists(&pools, "/spec/addresses"),
        advertisements: named_lists(&advertisements.unwrap_or_default(), "/spec/ipAddressPools"),
        controller_ready: ready > 0,
        speakers: speakers.iter().filter(|pod| pod_ready(pod)).filter_map(|pod| pod.spec.clone()?.node_name).collect(),
    }))
}

/// Whether a pod is ready and stays.
pub fn pod_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    pod.metadata.deletion_timestamp.is_none()
        && conditions
            .is_some_and(|list| list.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True"))
}

fn named_lists(list: &Value, pointer: &str) -> BTreeMap<String, Vec<String>> {
    let items = list["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let named = items.iter().filter_map(|item| Some((item.pointer("/metadata/name")?.as_str()?.to_owned(), item)));
    named.map(|(name, item)| (name, strings(item.pointer(pointer)))).collect()
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let array = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    array.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The cluster's DNS, the backend of the pool probe: it is there without any image being pulled.
async fn dns(client: &Client) -> kube::Result<Option<(IpAddr, bool)>> {
    let (service, endpoints) = futures::try_join!(
        get::<Service>(client, "/api/v1/namespaces/kube-system/services/kube-dns"),
        get::<Endpoints>(client, "/api/v1/namespaces/kube-system/endpoints/kube-dns"),
    )?;
    let address = service.and_then(|service| service.spec?.cluster_ip?.parse().ok());
    let subsets = endpoints.and_then(|endpoints| endpoints.subsets).unwrap_or_default();
    let ready = subsets.iter().any(|subset| subset.addresses.as_ref().is_some_and(|addresses| !addresses.is_empty()));
    Ok(address.map(|address| (address, ready)))
}

/// The namespaces a user or an addon made.
pub async fn user_namespaces(client: &Client) -> kube::Result<Vec<String>> {
    let list: Option<ObjectList<Namespace>> = get(client, "/api/v1/namespaces").await?;
    let names = list.map(|list| list.items).unwrap_or_default().into_iter().filter_map(|item| item.metadata.name);
    Ok(names.filter(|name| !OWN_NAMESPACES.contains(&name.as_str())).collect())
}
