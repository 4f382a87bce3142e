//! The Deployments, `StatefulSets` and Jobs of the release.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::core::ObjectList;

use super::INSTANCE;
use crate::facts::mastodon::{SiteJob, SiteWorkload};
use crate::kube::request::get;
use crate::mastodon::{NAMESPACE, RELEASE};

pub(super) async fn read(client: &Client) -> kube::Result<Vec<SiteWorkload>> {
    let base = format!("/apis/apps/v1/namespaces/{NAMESPACE}");
    let (deployment_path, set_path) = (format!("{base}/deployments"), format!("{base}/statefulsets"));
    let (deployments, sets) = futures::try_join!(
        get::<ObjectList<Deployment>>(client, &deployment_path),
        get::<ObjectList<StatefulSet>>(client, &set_path),
    )?;
    let deployments = deployments.map(|list| list.items).unwrap_or_default().into_iter();
    let sets = sets.map(|list| list.items).unwrap_or_default().into_iter();
    let deployments = deployments.filter(|item| of_release(&item.metadata)).map(deployment);
    Ok(deployments.chain(sets.filter(|item| of_release(&item.metadata)).map(stateful_set)).collect())
}

/// Whether an object belongs to the release, and not to something a user keeps in the same namespace.
fn of_release(metadata: &ObjectMeta) -> bool {
    let labels: Option<&BTreeMap<String, String>> = metadata.labels.as_ref();
    labels.is_some_and(|labels| labels.get(INSTANCE).is_some_and(|release| release == RELEASE))
}

fn current(metadata: &ObjectMeta, observed: Option<i64>) -> bool {
    observed.is_some() && observed >= metadata.generation
}

fn deployment(item: Deployment) -> SiteWorkload {
    let status = item.status.unwrap_or_default();
    let wanted = item.spec.replicas.unwrap_or(1);
    // Old pods may still serve beside the new ones while an update goes on.
    let updated = status.updated_replicas.unwrap_or_default();
    SiteWorkload {
        kind: "Deployment".to_owned(),
        wanted,
        ready: status.available_replicas.unwrap_or_default().min(updated),
        current: current(&item.metadata, status.observed_generation),
        name: item.metadata.name.unwrap_or_default(),
    }
}

fn stateful_set(item: StatefulSet) -> SiteWorkload {
    let status = item.status.unwrap_or_default();
    SiteWorkload {
        kind: "StatefulSet".to_owned(),
        wanted: item.spec.replicas.unwrap_or(1),
        ready: status.ready_replicas.unwrap_or_default(),
        current: current(&item.metadata, status.observed_generation),
        name: item.metadata.name.unwrap_or_default(),
    }
}

/// The Jobs of the release that have not succeeded. Those of its `CronJob` are not waited for: they come every week.
pub(super) async fn jobs(client: &Client) -> kube::Result<Vec<SiteJob>> {
    let path = format!("/apis/batch/v1/namespaces/{NAMESPACE}/jobs");
    let list: Option<ObjectList<Job>> = get(client, &path).await?;
    Ok(list.map(|list| list.items).unwrap_or_default().into_iter().filter_map(unfinished).collect())
}

fn unfinished(job: Job) -> Option<SiteJob> {
    let owned = job.metadata.owner_references.as_ref().is_some_and(|owners| !owners.is_empty());
    if owned || !of_release(&job.metadata) || job.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let conditions = job.status.and_then(|status| status.conditions).unwrap_or_default();
    let is = |kind: &str| conditions.iter().find(|condition| condition.type_ == kind && condition.status == "True");
    if is("Complete").is_some() {
        return None;
    }
    let failed = is("Failed").map(|condition| condition.message.clone().unwrap_or_default());
    Some(SiteJob { name: job.metadata.name.unwrap_or_default(), failed })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_deployment_is_whole_when_its_new_pods_are_available() {
        let read = |status| {
            let object = json!({
                "metadata": { "name": "mastodon-web", "generation": 2 }, "spec": { "replicas": 1, "selector": {},
                "template": {} }, "status": status,
            });
            deployment(serde_json::from_value(object).unwrap())
        };
        let status = |observed, updated| json!({ "observedGeneration": observed, "availableReplicas": 1, "updatedReplicas": updated });
        assert!(read(status(2, 1)).whole());
        assert!(!read(status(1, 1)).whole());
        assert!(!read(status(2, 0)).whole());
    }

    #[test]
    fn jobs_that_succeeded_or_belong_to_others_are_left_out() {
        let job = |labels, owners, kind: &str| -> Job {
            serde_json::from_value(json!({
                "metadata": { "name": "mastodon-db-post-migrate", "labels": labels, "ownerReferences": owners },
                "status": { "conditions": [{ "type": kind, "status": "True", "message": "BackoffLimitExceeded" }] },
            }))
            .unwrap()
        };
        let own = json!({ INSTANCE: "mastodon" });
        let owner = json!([{ "apiVersion": "batch/v1", "kind": "CronJob", "name": "c", "uid": "u" }]);
        assert_eq!(unfinished(job(own.clone(), json!([]), "Complete")), None);
        assert_eq!(unfinished(job(json!({}), json!([]), "Failed")), None);
        assert_eq!(unfinished(job(own.clone(), owner, "Failed")), None);
        let failed = unfinished(job(own, json!([]), "Failed")).unwrap();
        assert_eq!(failed.failed.as_deref(), Some("BackoffLimitExceeded"));
    }
}
