//! `PersistentVolumes` and their claims.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, PersistentVolumeSpec};
use kube::Client;
use kube::core::ObjectList;

use crate::facts::flux::pruned_by;
use crate::facts::storage::{Claim, Volume};
use crate::kube::request::get;

/// The label a node's host name is under.
const HOST: &str = "kubernetes.io/hostname";

pub(super) async fn volumes(client: &Client) -> kube::Result<BTreeMap<String, Volume>> {
    let list: Option<ObjectList<PersistentVolume>> = get(client, "/api/v1/persistentvolumes").await?;
    let items = list.map(|list| list.items).unwrap_or_default().into_iter();
    Ok(items.filter_map(|item| Some((item.metadata.name.clone()?, volume(item)))).collect())
}

pub(super) async fn claims(client: &Client) -> kube::Result<Vec<Claim>> {
    let list: Option<ObjectList<PersistentVolumeClaim>> = get(client, "/api/v1/persistentvolumeclaims").await?;
    Ok(list.map(|list| list.items).unwrap_or_default().into_iter().map(claim).collect())
}

/// A volume as its object says.
pub fn volume(object: PersistentVolume) -> Volume {
    let spec = object.spec.unwrap_or_default();
    let capacity = spec.capacity.as_ref().and_then(|capacity| capacity.get("storage"));
    Volume {
        claim: spec.claim_ref.as_ref().and_then(|claim| Some((claim.namespace.clone()?, claim.name.clone()?))),
        class: spec.storage_class_name.clone().unwrap_or_default(),
        capacity: capacity.map(|quantity| quantity.0.clone()).unwrap_or_default(),
        phase: object.status.and_then(|status| status.phase).unwrap_or_default(),
        reclaim_policy: spec.persistent_volume_reclaim_policy.clone().unwrap_or_default(),
        nodes: nodes(&spec),
        nfs_server: spec.nfs.map(|share| share.server),
    }
}

fn nodes(spec: &PersistentVolumeSpec) -> Vec<String> {
    let affinity = spec.node_affinity.as_ref().and_then(|affinity| affinity.required.as_ref());
    let terms = affinity.map(|required| required.node_selector_terms.as_slice()).unwrap_or_default();
    let expressions = terms.iter().flat_map(|term| term.match_expressions.as_deref().unwrap_or_default());
    let hosts = expressions.filter(|expression| expression.key == HOST && expression.operator == "In");
    hosts.flat_map(|expression| expression.values.clone().unwrap_or_default()).collect()
}

/// A claim as its object says.
pub fn claim(object: PersistentVolumeClaim) -> Claim {
    let spec = object.spec.unwrap_or_default();
    let labels = object.metadata.labels.unwrap_or_default();
    Claim {
        pruned_by: pruned_by(&labels, &object.metadata.annotations.unwrap_or_default()),
        namespace: object.metadata.namespace.unwrap_or_default(),
        name: object.metadata.name.unwrap_or_default(),
        class: spec.storage_class_name,
        modes: spec.access_modes.unwrap_or_default(),
        volume: spec.volume_name.filter(|name| !name.is_empty()),
        phase: object.status.and_then(|status| status.phase).unwrap_or_default(),
    }
}
