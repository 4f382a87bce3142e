//! Removes what the proof made: after each run, and what an earlier one left before each run.
//!
//! Nothing else is touched: objects in the proof's own namespace, volumes claimed from there, and what the NFS
//! provisioner made for claims of that namespace. The handles are removed last, so that a run that was ended at any
//! point leaves what the next one finds the rest by.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, Node, PersistentVolumeClaim, Pod};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::belongings::{self, Belongings};
use super::means::{Means, Trouble};
use super::objects::{self, NAMESPACE};
use crate::kube::request;

/// How long everything may take to go: unmounting, logging out, deleting replicas on slow disks.
const PATIENCE: Duration = Duration::from_secs(240);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// The annotation of a node the drill has cordoned.
pub const CORDONED: &str = "homeprov.io/cordoned-by-proof";

/// What is still there of the proof.
#[derive(Debug, Default, PartialEq, Eq)]
struct Left {
    namespace: bool,
    jobs: Vec<String>,
    pods: Vec<String>,
    claims: Vec<String>,
    belongings: Belongings,
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
        let mut all = named("pod", &self.pods);
        all.extend(named("job", &self.jobs));
        all.extend(named("persistentvolumeclaim", &self.claims));
        all.extend(self.belongings.names());
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
    belongings::let_go(&means.client, &left.belongings).await?;
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
    let (namespace, jobs, pods, claims) = futures::try_join!(
        means.get::<Namespace>("/api/v1/namespaces/homeprov-proof"),
        means.list::<Job>(jobs),
        means.list::<Pod>(&pods),
        means.list::<PersistentVolumeClaim>(claims),
    )?;
    Ok(Left {
        namespace: namespace.is_some(),
        jobs: jobs.into_iter().filter_map(|job| job.metadata.name).collect(),
        pods: pods.into_iter().filter_map(|pod| pod.metadata.name).collect(),
        claims: claims.into_iter().filter_map(|claim| claim.metadata.name).collect(),
        belongings: belongings::look(&means.client, NAMESPACE, known).await?,
    })
}

/// Takes the next step: what is mounted must go before what it is mounted from.
async fn push(means: &Means, left: &Left) -> Result<String, Trouble> {
    let client = &means.client;
    belongings::let_go(client, &left.belongings).await?;
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
    belongings::remove_shares(client, &left.belongings).await?;
    if !left.belongings.is_empty() {
        return Ok("volumes".to_owned());
    }
    request::delete(client, &format!("/api/v1/namespaces/{NAMESPACE}")).await?;
    Ok("the namespace".to_owned())
}
