//! The Deployments and `StatefulSets` that make and serve volumes.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use kube::Client;
use kube::core::ObjectList;

use crate::facts::storage::Workload;
use crate::kube::request::get;

/// How the names of those end that matter here. Charts put the release's name in front.
const ENDINGS: [&str; 5] =
    ["jiva-operator", "jiva-csi-controller", "localpv-provisioner", "nfs-provisioner", "hostpath-provisioner"];

pub(super) async fn read(client: &Client) -> kube::Result<Vec<Workload>> {
    let (deployments, sets) = futures::try_join!(
        get::<ObjectList<Deployment>>(client, "/apis/apps/v1/deployments"),
        get::<ObjectList<StatefulSet>>(client, "/apis/apps/v1/statefulsets"),
    )?;
    let deployments = deployments.map(|list| list.items).unwrap_or_default().into_iter().map(|item| {
        let ready = item.status.and_then(|status| status.ready_replicas);
        (item.metadata, ready)
    });
    let sets = sets.map(|list| list.items).unwrap_or_default().into_iter().map(|item| {
        let ready = item.status.and_then(|status| status.ready_replicas);
        (item.metadata, ready)
    });
    let workloads = deployments.chain(sets).filter_map(|(metadata, ready)| {
        let name = metadata.name.filter(|name| ENDINGS.iter().any(|ending| name.ends_with(ending)))?;
        let ready = ready.is_some_and(|ready| ready > 0);
        Some(Workload { namespace: metadata.namespace.unwrap_or_default(), name, ready })
    });
    Ok(workloads.collect())
}
