//! Removes what the proof made: after each run, and what an earlier one left before each run.
//!
//! Nothing else is touched: objects in the proof's own namespace, volumes claimed from there, and what the NFS
//! provisioner made for claims of that namespace. The handles are removed last, so that a run that was ended at any
//! point leaves what the next one finds the rest by.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::chain::delete_with_claim;
use super::means::{Means, Trouble};
use super::objects::{self, NAMESPACE};
use crate::kube::request;

/// How long everything may take to go: unmounting, logging out, deleting replicas on slow disks.
const PATIENCE: Duration = Duration::from_secs(240);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// The annotation of a node the drill has cordoned.
pub const CORDONED: &str = "homeprov.io/cordoned-by-proof";
/// The namespace of the claim an NFS share was made for (openebs/dynamic-nfs-provisioner
/// `provisioner/helper_kernel_nfs_server.go`).
const NFS_NAMESPACE: &str = "nfs.openebs.io/nfs-pvc-namespace";

/// What is still there of the proof.
#[derive(Debug, Default, PartialEq, Eq)]
struct Left {
    namespace: bool,
    jobs: Vec<String>,
    pods: Vec<String>,
    claims: Vec<String>,
    /// Volumes claimed from the namespace, and those behind shares made for it.
    volumes: BTreeSet<String>,
    /// Claims behind NFS shares: namespace and name, which is that of Deployment and Service, too.
    shares: BTreeSet<(String, String)>,
    /// The Jiva volumes of those volumes.
    jiva: BTreeSet<String>,
}

impl Left {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// All of it, as `kubectl` names it.
    fn names(&self) -> Vec<String> {
        let named = |kind: &'static str, names: &[String]| -> Vec<String> {
            names.iter().map(|name| format!("{kind}/{name}")).collect()
        };
        let volumes: Vec<String> = self.volumes.iter().cloned().collect();
        let jiva: Vec<String> = self.jiva.iter().cloned().collect();
        let mut all = named("pod", &self.pods);
        all.extend(named("job", &self.jobs));
        all.extend(named("persistentvolumeclaim", &self.claims));
        all.extend(named("persistentvolume", &volumes));
        all.extend(named("jivavolume", &jiva));
        all.extend(self.shares.iter().map(|(namespace, name)| format!("persistentvolumeclaim/{name} in {namespace}")));
        if self.namespace {
            all.push(format!("namespace/{NAMESPACE}"));
        }
        all
    }
}

/// Removes everything and waits until it is gone; gives back what would not go.
pub async fn clean(means: &Means) -> Result<Vec<String>, Trouble> {
    uncordon(means).await?;
    let began = Instant::now();
    // Jiva volumes are seen through their PVs, which may go first.
    let mut known = BTreeSet::new();
    let mut told = String::new();
    loop {
        let left = look(means, &mut known).await?;
        if left.is_empty() {
            return Ok(vec![]);
        }
        if began.elapsed() > PATIENCE {
            return Ok(left.names());
        }
        let stage = push(means, &left).await?;
        if stage != told {
            means.say(format!("removing what the proof made: {stage}"));
            told = stage;
        }
        sleep(LOOK).await;
    }
}

/// Asks for the removal of everything and waits for nothing: what is left to do when a run is interrupted. The volumes
/// are set to go with their claims as soon as they are made, so that deleting the namespace takes them along.
pub async fn ask(means: &Means) -> Result<(), Trouble> {
    uncordon(means).await?;
    let mut known = BTreeSet::new();
    let left = look(means, &mut known).await?;
    for volume in &left.volumes {
        delete_with_claim(means, volume).await?;
    }
    Ok(request::delete(&means.client, &format!("/api/v1/namespaces/{NAMESPACE}")).await?)
}

/// Makes nodes usable again that a drill has cordoned.
pub async fn uncordon(means: &Means) -> Result<(), Trouble> {
    let nodes: Vec<Node> = means.list("/api/v1/nodes").await?;
    let ours = nodes.into_iter().filter(|node| {
        node.metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(CORDONED))
    });
    for node in ours.filter_map(|node| node.metadata.name) {
        let patch = json!({ "metadata": { "annotations": { CORDONED: Value::Null } }, "spec": { "unschedulable": Value::Null } });
        request::merge(&means.client, &format!("/api/v1/nodes/{node}"), &patch).await?;
        means.say(format!("{node} takes pods again"));
    }
    Ok(())
}

async fn look(means: &Means, known: &mut BTreeSet<String>) -> Result<Left, Trouble> {
    let (jobs, claims) = (objects::jobs(""), objects::claims(""));
    let (jobs, claims) = (jobs.trim_end_matches('/'), claims.trim_end_matches('/'));
    let pods = format!("/api/v1/namespaces/{NAMESPACE}/pods");
    let shares = format!("/api/v1/persistentvolumeclaims?labelSelector={NFS_NAMESPACE}%3D{NAMESPACE}");
    let (namespace, jobs, pods, claims, volumes, shares, jiva) = futures::try_join!(
        means.get::<Namespace>("/api/v1/namespaces/homeprov-proof"),
        means.list::<Job>(jobs),
        means.list::<Pod>(&pods),
        means.list::<PersistentVolumeClaim>(claims),
        means.list::<PersistentVolume>("/api/v1/persistentvolumes"),
        means.list::<PersistentVolumeClaim>(&shares),
        means.get::<Value>(super::jiva::PATH),
    )?;
    let shares: BTreeSet<(String, String)> =
        shares.into_iter().filter_map(|claim| Some((claim.metadata.namespace?, claim.metadata.name?))).collect();
    let named = |volume: &PersistentVolume| volume.metadata.name.clone();
    let canaries: BTreeSet<String> = volumes.iter().filter(|volume| ours(volume, &shares)).filter_map(named).collect();
    known.extend(canaries.iter().cloned());
    let replicas = volumes.iter().filter(|volume| replica_of(volume, known)).filter_map(named);
    let volumes: BTreeSet<String> = replicas.chain(canaries).collect();
    let jiva = jiva.as_ref().and_then(|list| list["items"].as_array()).into_iter().flatten();
    let jiva = jiva.filter_map(|volume| volume["metadata"]["name"].as_str()).filter(|name| known.contains(*name));
    Ok(Left {
        namespace: namespace.is_some(),
        jobs: jobs.into_iter().filter_map(|job| job.metadata.name).collect(),
        pods: pods.into_iter().filter_map(|pod| pod.metadata.name).collect(),
        claims: claims.into_iter().filter_map(|claim| claim.metadata.name).collect(),
        jiva: jiva.map(str::to_owned).collect(),
        volumes,
        shares,
    })
}

/// Whether a volume was made for the proof: claimed from its namespace, or by the claim behind a share made for it.
fn ours(volume: &PersistentVolume, shares: &BTreeSet<(String, String)>) -> bool {
    let claim = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
    claim.is_some_and(|claim| {
        let namespace = claim.namespace.clone().unwrap_or_default();
        namespace == NAMESPACE || shares.contains(&(namespace, claim.name.clone().unwrap_or_default()))
    })
}

/// Whether a volume keeps a replica of one of these Jiva volumes: its claim is `openebs-<volume>-jiva-rep-<n>`
/// (openebs/jiva-operator `pkg/controllers/jivavolume_controller.go`).
fn replica_of(volume: &PersistentVolume, jiva: &BTreeSet<String>) -> bool {
    let claim = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref()?.name.as_deref());
    let of = claim.and_then(|name| Some(name.strip_prefix("openebs-")?.rsplit_once("-jiva-rep-")?.0));
    of.is_some_and(|of| jiva.contains(of))
}

/// Takes the next step: what is mounted must go before what it is mounted from.
async fn push(means: &Means, left: &Left) -> Result<String, Trouble> {
    let client = &means.client;
    for volume in &left.volumes {
        delete_with_claim(means, volume).await?;
    }
    if !left.jobs.is_empty() || !left.pods.is_empty() {
        for job in &left.jobs {
            request::delete(client, &format!("{}?propagationPolicy=Background", objects::jobs(job))).await?;
        }
        for pod in &left.pods {
            request::delete(client, &format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}")).await?;
        }
        return Ok("pods".to_owned());
    }
    if !left.claims.is_empty() {
        for claim in &left.claims {
            request::delete(client, &objects::claims(claim)).await?;
        }
        return Ok("claims".to_owned());
    }
    // The provisioner's own collection takes five minutes.
    for (namespace, name) in &left.shares {
        request::delete(client, &format!("/api/v1/namespaces/{namespace}/services/{name}")).await?;
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}?propagationPolicy=Background");
        request::delete(client, &path).await?;
        request::delete(client, &format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}")).await?;
    }
    if !left.shares.is_empty() || !left.volumes.is_empty() || !left.jiva.is_empty() {
        return Ok("volumes".to_owned());
    }
    request::delete(client, &format!("/api/v1/namespaces/{NAMESPACE}")).await?;
    Ok("the namespace".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_volumes_made_for_the_proof_are_ours() {
        let volume = |namespace: &str, name: &str| -> PersistentVolume {
            serde_json::from_value(json!({ "spec": { "claimRef": { "namespace": namespace, "name": name } } })).unwrap()
        };
        let shares = BTreeSet::from([("openebs".to_owned(), "nfs-pvc-1".to_owned())]);
        assert!(ours(&volume("homeprov-proof", "rwo"), &shares));
        assert!(ours(&volume("openebs", "nfs-pvc-1"), &shares));
        assert!(!ours(&volume("openebs", "nfs-pvc-2"), &shares));
        assert!(!ours(&volume("mastodon", "rwo"), &shares));
        assert!(!ours(&PersistentVolume::default(), &shares));
        let jiva = BTreeSet::from(["pvc-1".to_owned()]);
        assert!(replica_of(&volume("openebs", "openebs-pvc-1-jiva-rep-0"), &jiva));
        assert!(!replica_of(&volume("openebs", "openebs-pvc-12-jiva-rep-0"), &jiva));
        assert!(!replica_of(&volume("openebs", "nfs-pvc-1"), &jiva));
    }
}
