//! From a claim down to the directories on the nodes' disks that keep its bytes.

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use serde_json::Value;

use super::belongings::delete_with_claim;
use super::jiva::{self, JivaVolume};
use super::means::{Means, Trouble};
use super::objects;
use super::proof::Keeper;

/// The CSI driver of Jiva (openebs/jiva-operator `pkg/driver/driver.go`).
const JIVA_DRIVER: &str = "jiva.csi.openebs.io";
/// The label of an NFS share's backing claim: the uid of the claim it was made for
/// (openebs/dynamic-nfs-provisioner `provisioner/helper_kernel_nfs_server.go`).
const NFS_UID: &str = "nfs.openebs.io/nfs-pvc-uid";

/// What is behind a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The PV of the claim.
    pub pv: String,
    /// The NFS share in between, for claims of `OpenEBS`' NFS provisioner.
    pub share: Option<Share>,
    /// What keeps the bytes in the end.
    pub keeper: Keeper,
    /// The Jiva volume.
    pub jiva: Option<JivaVolume>,
    /// The directories that keep the bytes: of each replica, or the one of a hostpath volume.
    pub replicas: Vec<Replica>,
}

/// An NFS share made for a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Address of the server, as the PV has it.
    pub address: String,
    /// Namespace of the server and its claim.
    pub namespace: String,
    /// The claim behind it, and the name of Deployment and Service alike.
    pub claim: String,
    /// The class of that claim.
    pub class: String,
    /// The PV behind it, once there is one.
    pub pv: Option<String>,
    /// The server's pod, once it runs somewhere.
    pub server: Option<Server>,
}

/// The pod of an NFS server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its name.
    pub pod: String,
    /// Its uid.
    pub uid: String,
    /// The node it runs on.
    pub node: String,
}

/// A directory on a node's disk that keeps a volume's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// The claim of the replica.
    pub name: String,
    /// The node, as its affinity names it.
    pub host: String,
    /// The directory.
    pub path: String,
}

/// The claim's PV, and whether that goes with it: as the claim's object says.
pub async fn bound(means: &Means, claim: &str) -> Result<Option<String>, Trouble> {
    let claim: Option<PersistentVolumeClaim> = means.get(&objects::claims(claim)).await?;
    let bound = claim.filter(|claim| claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound"));
    Ok(bound.and_then(|claim| claim.spec?.volume_name))
}

/// Follows a bound claim of the proof's namespace as far as there is something. Absent when it is not bound.
pub async fn follow(means: &Means, claim: &str) -> Result<Option<Chain>, Trouble> {
    // Kubernetes' types are large, and would be held in every future that awaits this one.
    Box::pin(follow_down(means, claim)).await
}

async fn follow_down(means: &Means, claim: &str) -> Result<Option<Chain>, Trouble> {
    let found: Option<PersistentVolumeClaim> = means.get(&objects::claims(claim)).await?;
    let Some(claim) = found else { return Ok(None) };
    let Some(pv) = claim.spec.and_then(|spec| spec.volume_name) else { return Ok(None) };
    let Some(volume) = read_pv(means, &pv).await? else { return Ok(None) };
    let uid = claim.metadata.uid.unwrap_or_default();
    let share = share(means, &pv, &uid, &volume).await?;
    let below = match &share {
        None => Some((pv.clone(), volume)),
        Some(share) => match &share.pv {
            Some(name) => read_pv(means, name).await?.map(|volume| (name.clone(), volume)),
            None => None,
        },
    };
    let mut chain = Chain { pv, share, keeper: Keeper::Other, jiva: None, replicas: vec![] };
    if let Some((name, volume)) = below {
        chain.keeper = keeper(&volume);
        match chain.keeper {
            Keeper::Jiva => {
                chain.jiva = jiva_volume(means, &name).await?;
                if let Some(jiva) = &chain.jiva {
                    chain.replicas = replicas(means, jiva).await?;
                }
            }
            Keeper::Hostpath => chain.replicas.extend(directory(&name, &volume)),
            Keeper::Other => {}
        }
    }
    Ok(Some(chain))
}

/// The Jiva volume of a PV, as it is now.
pub async fn jiva_volume(means: &Means, pv: &str) -> Result<Option<JivaVolume>, Trouble> {
    let list: Option<Value> = means.get(jiva::PATH).await?;
    Ok(list.and_then(|list| JivaVolume::find(&list, pv)))
}

/// Sees to it that the volumes behind the claim are deleted with it, whatever their class keeps.
pub async fn let_go(means: &Means, chain: &Chain) -> Result<(), Trouble> {
    let behind = chain.share.as_ref().and_then(|share| share.pv.as_ref());
    for pv in [Some(&chain.pv), behind].into_iter().flatten() {
        delete_with_claim(&means.client, pv).await?;
    }
    Ok(())
}

async fn read_pv(means: &Means, name: &str) -> Result<Option<PersistentVolume>, Trouble> {
    means.get(&format!("/api/v1/persistentvolumes/{name}")).await
}

async fn share(means: &Means, pv: &str, uid: &str, volume: &PersistentVolume) -> Result<Option<Share>, Trouble> {
    let Some(nfs) = volume.spec.as_ref().and_then(|spec| spec.nfs.as_ref()) else { return Ok(None) };
    let path = format!("/api/v1/persistentvolumeclaims?labelSelector={NFS_UID}%3D{uid}");
    let claims: Vec<PersistentVolumeClaim> = means.list(&path).await?;
    let Some(claim) = claims.into_iter().next() else { return Ok(None) };
    let namespace = claim.metadata.namespace.unwrap_or_default();
    let spec = claim.spec.unwrap_or_default();
    Ok(Some(Share {
        address: nfs.server.clone(),
        server: server(means, &namespace, pv).await?,
        namespace,
        claim: claim.metadata.name.unwrap_or_default(),
        class: spec.storage_class_name.unwrap_or_default(),
        pv: spec.volume_name,
    }))
}

async fn server(means: &Means, namespace: &str, pv: &str) -> Result<Option<Server>, Trouble> {
    let path = format!("/api/v1/namespaces/{namespace}/pods?labelSelector=openebs.io/nfs-server%3Dnfs-{pv}");
    let pods: Vec<Pod> = means.list(&path).await?;
    let there = pods.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    let described =
        there.map(|pod| Some(Server { pod: pod.metadata.name?, uid: pod.metadata.uid?, node: pod.spec?.node_name? }));
    Ok(described.flatten().next())
}

fn keeper(volume: &PersistentVolume) -> Keeper {
    let Some(spec) = &volume.spec else { return Keeper::Other };
    match &spec.csi {
        Some(csi) if csi.driver == JIVA_DRIVER => Keeper::Jiva,
        None if spec.local.is_some() || spec.host_path.is_some() => Keeper::Hostpath,
        _ => Keeper::Other,
    }
}

/// The replicas' directories: claim `openebs-<volume>-jiva-rep-<n>` → its PV → directory and node
/// (openebs/jiva-operator `pkg/controllers/jivavolume_controller.go`).
async fn replicas(means: &Means, jiva: &JivaVolume) -> Result<Vec<Replica>, Trouble> {
    let prefix = format!("openebs-{}-jiva-rep-", jiva.name);
    let path = format!("/api/v1/namespaces/{}/persistentvolumeclaims", jiva.namespace);
    let claims: Vec<PersistentVolumeClaim> = means.list(&path).await?;
    let mut found = vec![];
    for claim in claims {
        let name = claim.metadata.name.unwrap_or_default();
        let Some(pv) = claim.spec.and_then(|spec| spec.volume_name).filter(|_| name.starts_with(&prefix)) else {
            continue;
        };
        if let Some(volume) = read_pv(means, &pv).await? {
            found.extend(directory(&name, &volume));
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

/// A local volume's directory and the node its affinity names.
fn directory(name: &str, volume: &PersistentVolume) -> Option<Replica> {
    let spec = volume.spec.as_ref()?;
    let local = spec.local.as_ref().map(|local| local.path.clone());
    let path = local.or_else(|| spec.host_path.as_ref().map(|directory| directory.path.clone()))?;
    let terms = spec.node_affinity.as_ref().and_then(|affinity| affinity.required.as_ref());
    let expressions =
        terms.iter().flat_map(|terms| &terms.node_selector_terms).filter_map(|term| term.match_expressions.as_ref());
    let host = expressions
        .flatten()
        .find(|expression| expression.key == "kubernetes.io/hostname")
        .and_then(|expression| expression.values.as_ref()?.first().cloned())
        .unwrap_or_default();
    Some(Replica { name: name.to_owned(), host, path })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pv(spec: &Value) -> PersistentVolume {
        serde_json::from_value(json!({ "metadata": { "name": "pvc-9" }, "spec": spec })).unwrap()
    }

    #[test]
    fn a_replicas_directory_and_node_are_those_of_its_pv() {
        let volume = pv(&json!({
            "local": { "path": "/var/snap/microk8s/common/var/openebs/local/pvc-9" },
            "nodeAffinity": { "required": { "nodeSelectorTerms": [{ "matchExpressions": [
                { "key": "kubernetes.io/hostname", "operator": "In", "values": ["nuc2"] },
            ] }] } },
        }));
        assert_eq!(keeper(&volume), Keeper::Hostpath);
        let replica = directory("openebs-pvc-1-jiva-rep-0", &volume).unwrap();
        assert_eq!(
            (replica.host.as_str(), replica.path.as_str()),
            ("nuc2", "/var/snap/microk8s/common/var/openebs/local/pvc-9")
        );
    }

    #[test]
    fn the_keeper_is_told_from_the_volume() {
        assert_eq!(
            keeper(&pv(&json!({ "csi": { "driver": "jiva.csi.openebs.io", "volumeHandle": "pvc-9" } }))),
            Keeper::Jiva
        );
        assert_eq!(
            keeper(&pv(&json!({ "csi": { "driver": "driver.longhorn.io", "volumeHandle": "pvc-9" } }))),
            Keeper::Other
        );
        assert_eq!(keeper(&pv(&json!({ "nfs": { "server": "10.0.0.1", "path": "/" } }))), Keeper::Other);
    }
}
