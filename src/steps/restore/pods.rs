//! The site's pods stop, and start again in their order.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{Scene, helper, write};
use crate::kube::request::{get, merge};
use crate::mastodon::NAMESPACE;
use crate::plan::Verdict;
use crate::steps::{Context, Failure};

/// How often the pods are looked at that are waited for.
const LOOK: Duration = Duration::from_secs(2);

impl Scene<'_> {
    /// The names of the Deployments, and how many pods each is to have.
    fn deployments(&self) -> impl Iterator<Item = (&str, i32)> {
        let all = self.seen.workloads.iter().filter(|workload| workload.kind == "Deployment");
        all.map(|workload| (workload.name.as_str(), workload.wanted))
    }

    pub(super) fn stopped(&self) -> Verdict {
        let wanted: Vec<&str> = self.deployments().filter(|(_, wanted)| *wanted > 0).map(|(name, _)| name).collect();
        if !wanted.is_empty() {
            return Verdict::differs(format!("still wanted: {}", wanted.join(", ")));
        }
        if !self.seen.pods.is_empty() {
            return Verdict::settling(format!("still there: {}", self.seen.pods.join(", ")));
        }
        let jobs: Vec<&str> =
            self.seen.jobs.iter().filter(|job| job.failed.is_none()).map(|job| job.name.as_str()).collect();
        if jobs.is_empty() { Verdict::Holds } else { Verdict::settling(format!("Jobs still run: {}", jobs.join(", "))) }
    }
}

async fn scale(context: &Context, name: &str, replicas: i32) -> Result<(), Failure> {
    let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name}");
    Ok(merge(&context.api().await?, &path, &json!({ "spec": { "replicas": replicas } })).await.map(drop)?)
}

/// Scales everything to nothing, after it is written down what there was.
pub(super) async fn stop(context: &Context) -> Result<(), Failure> {
    let scene = Scene::at_hand(context)?;
    let mut journal = scene.journal()?;
    let before: Vec<(String, i32)> = scene.deployments().map(|(name, wanted)| (name.to_owned(), wanted)).collect();
    for (name, wanted) in before.iter().filter(|(_, wanted)| *wanted > 0) {
        journal.replicas.entry(name.clone()).or_insert(*wanted);
    }
    write(context, &journal).await?;
    for (name, _) in before.iter().filter(|(_, wanted)| *wanted > 0) {
        scale(context, name, 0).await?;
    }
    Ok(())
}

/// Gives Deployments the pods they had and waits until they are ready.
async fn start(context: &Context, chosen: impl Fn(&str) -> bool) -> Result<(), Failure> {
    let scene = Scene::at_hand(context)?;
    let journal = scene.journal()?;
    let chosen: Vec<(&String, i32)> =
        journal.replicas.iter().filter(|(name, _)| chosen(name)).map(|(name, count)| (name, *count)).collect();
    for (name, replicas) in &chosen {
        scale(context, name, *replicas).await?;
    }
    let deadline = Instant::now() + context.step.limit;
    for (name, replicas) in chosen {
        while !ready(context, name, replicas).await? {
            if Instant::now() > deadline {
                return Err(Failure::failed(format!("{name} is not ready after {} s", context.step.limit.as_secs())));
            }
            sleep(LOOK).await;
        }
    }
    Ok(())
}

async fn ready(context: &Context, name: &str, replicas: i32) -> Result<bool, Failure> {
    let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name}");
    let found: Option<Deployment> = get(&context.api().await?, &path).await?;
    let Some(found) = found else { return Err(Failure::failed(format!("the Deployment {name} is gone"))) };
    let status = found.status.unwrap_or_default();
    let current = status.observed_generation >= found.metadata.generation;
    Ok(current && status.available_replicas.unwrap_or_default() >= replicas)
}

fn is_sidekiq(name: &str) -> bool {
    name.contains("-sidekiq-")
}

/// Web and streaming. The helper goes first: a volume for one node at a time would keep them from another one.
pub(super) async fn serve(context: &Context) -> Result<(), Failure> {
    helper::remove(context).await?;
    start(context, |name| !is_sidekiq(name)).await
}

/// Sidekiq.
pub(super) async fn work(context: &Context) -> Result<(), Failure> {
    start(context, is_sidekiq).await
}
