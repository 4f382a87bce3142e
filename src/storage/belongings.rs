//! The volumes of a namespace, with what the NFS provisioner and Jiva keep behind them in namespaces of their own.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::Client;
use kube::core::ObjectList;
use serde_json::{Value, json};

use super::jiva;
use crate::kube::{error, request};

/// The namespace of the claim an NFS share was made for (openebs/dynamic-nfs-provisioner
/// `provisioner/helper_kernel_nfs_server.go`).
const NFS_NAMESPACE: &str = "nfs.openebs.io/nfs-pvc-namespace";

/// What there is of the volumes of a namespace.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Belongings {
    /// The PVs claimed from the namespace, those behind shares made for it, and those of their replicas.
    pub volumes: BTreeSet<String>,
    /// Claims behind NFS shares: namespace and name, which is that of Deployment and Service, too.
    pub shares: BTreeSet<(String, String)>,
    /// The Jiva volumes of those PVs.
    pub jiva: BTreeSet<String>,
}

impl Belongings {
    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// All of it, as `kubectl` names it.
    pub fn names(&self) -> Vec<String> {
        let volumes = self.volumes.iter().map(|name| format!("persistentvolume/{name}"));
        let jiva = self.jiva.iter().map(|name| format!("jivavolume/{name}"));
        let shares = self.shares.iter().map(|(namespace, name)| format!("persistentvolumeclaim/{name} in {namespace}"));
        volumes.chain(jiva).chain(shares).collect()
    }
}

/// Looks at what there is. `known` are the PVs of the namespace that were seen before: the Jiva volumes are found by them, and
/// they may go first.
pub async fn look(client: &Client, namespace: &str, known: &mut BTreeSet<String>) -> kube::Result<Belongings> {
    let shares = format!("/api/v1/persistentvolumeclaims?labelSelector={NFS_NAMESPACE}%3D{namespace}");
    let (volumes, shares, jiva) = futures::try_join!(
        request::get::<ObjectList<PersistentVolume>>(client, "/api/v1/persistentvolumes"),
        request::get::<ObjectList<PersistentVolumeClaim>>(client, &shares),
        request::get::<Value>(client, jiva::PATH),
    )?;
    let (volumes, shares) = (volumes.map(|list| list.items), shares.map(|list| list.items));
    let shares: BTreeSet<(String, String)> = shares
        .into_iter()
        .flatten()
        .filter_map(|claim| Some((claim.metadata.namespace?, claim.metadata.name?)))
        .collect();
    let volumes = volumes.unwrap_or_default();
    let named = |volume: &PersistentVolume| volume.metadata.name.clone();
    let own: BTreeSet<String> =
        volumes.iter().filter(|volume| is_of(namespace, volume, &shares)).filter_map(named).collect();
    known.extend(own.iter().cloned());
    let replicas = volumes.iter().filter(|volume| replica_of(volume, known)).filter_map(named);
    let volumes: BTreeSet<String> = replicas.chain(own).collect();
    let jiva = jiva.as_ref().and_then(|list| list["items"].as_array()).into_iter().flatten();
    let jiva = jiva.filter_map(|volume| volume["metadata"]["name"].as_str()).filter(|name| known.contains(*name));
    Ok(Belongings { jiva: jiva.map(str::to_owned).collect(), volumes, shares })
}

/// Sees to it that the volumes are deleted with their claims, whatever their class keeps.
pub async fn let_go(client: &Client, belongings: &Belongings) -> kube::Result<()> {
    for volume in &belongings.volumes {
        delete_with_claim(client, volume).await?;
    }
    Ok(())
}

/// Sets a PV's reclaim policy to Delete.
pub async fn delete_with_claim(client: &Client, pv: &str) -> kube::Result<()> {
    let patch = json!({ "spec": { "persistentVolumeReclaimPolicy": "Delete" } });
    match request::merge(client, &format!("/api/v1/persistentvolumes/{pv}"), &patch).await {
        Err(problem) if !error::is_absent(&problem) => Err(problem),
        _ => Ok(()),
    }
}

/// Removes the servers of the shares with the claims behind them. Nobody may have them mounted any more. The provisioner's own
/// collection takes five minutes.
pub async fn remove_shares(client: &Client, belongings: &Belongings) -> kube::Result<()> {
    for (namespace, name) in &belongings.shares {
        request::delete(client, &format!("/api/v1/namespaces/{namespace}/services/{name}")).await?;
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}?propagationPolicy=Background");
        request::delete(client, &path).await?;
        request::delete(client, &format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}")).await?;
    }
    Ok(())
}

/// Whether a volume was made for the namespace: claimed from it, or by the claim behind a share made for it.
fn is_of(namespace: &str, volume: &PersistentVolume, shares: &BTreeSet<(String, String)>) -> bool {
    let claim = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
    claim.is_some_and(|claim| {
        let own = claim.namespace.clone().unwrap_or_default();
        own == namespace || shares.contains(&(own, claim.name.clone().unwrap_or_default()))
    })
}

/// Whether a volume keeps a replica of one of these Jiva volumes: its claim is `openebs-<volume>-jiva-rep-<n>`
/// (openebs/jiva-operator `pkg/controllers/jivavolume_controller.go`).
fn replica_of(volume: &PersistentVolume, jiva: &BTreeSet<String>) -> bool {
    let claim = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref()?.name.as_deref());
    let of = claim.and_then(|name| Some(name.strip_prefix("openebs-")?.rsplit_once("-jiva-rep-")?.0));
    of.is_some_and(|of| jiva.contains(of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_volumes_made_for_the_namespace_are_its_own() {
        let volume = |namespace: &str, name: &str| -> PersistentVolume {
            serde_json::from_value(json!({ "spec": { "claimRef": { "namespace": namespace, "name": name } } })).unwrap()
        };
        let shares = BTreeSet::from([("openebs".to_owned(), "nfs-pvc-1".to_owned())]);
        let ours = |volume: &PersistentVolume| is_of("homeprov-proof", volume, &shares);
        assert!(ours(&volume("homeprov-proof", "rwo")));
        assert!(ours(&volume("openebs", "nfs-pvc-1")));
        assert!(!ours(&volume("openebs", "nfs-pvc-2")));
        assert!(!ours(&volume("mastodon", "rwo")));
        assert!(!ours(&PersistentVolume::default()));
        let jiva = BTreeSet::from(["pvc-1".to_owned()]);
        assert!(replica_of(&volume("openebs", "openebs-pvc-1-jiva-rep-0"), &jiva));
        assert!(!replica_of(&volume("openebs", "openebs-pvc-12-jiva-rep-0"), &jiva));
        assert!(!replica_of(&volume("openebs", "nfs-pvc-1"), &jiva));
    }
}
