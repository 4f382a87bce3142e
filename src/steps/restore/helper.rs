//! The pod that has the site's volumes and variables while the site does not run: a web pod that sleeps.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::Scene;
use crate::backup::pod::Container;
use crate::facts::mastodon::{HELPER, HELPER_LABEL};
use crate::facts::restore::Restore;
use crate::kube::request::{apply, delete, get};
use crate::mastodon::NAMESPACE;
use crate::plan::Verdict;
use crate::steps::{Context, Failure};

/// The container of a web pod (mastodon/chart `templates/deployment-web.yaml`).
const CONTAINER: &str = "mastodon-web";
/// How long a pod may take to go.
const GOING: Duration = Duration::from_secs(120);

/// Mastodon in the helper.
pub(super) fn container(restore: &Restore) -> Container {
    Container::new(restore.namespace(), HELPER, CONTAINER)
}

impl Scene<'_> {
    pub(super) fn helper(&self) -> Verdict {
        match &self.seen.helper {
            Some(helper) if helper.id != self.restore.id => Verdict::differs("the pod there is an earlier restore's"),
            Some(helper) if helper.ended => Verdict::differs("the pod has ended"),
            Some(helper) if helper.ready => Verdict::Holds,
            Some(_) => Verdict::settling(format!("the pod {HELPER} is not ready yet")),
            None => Verdict::differs(format!("there is no pod {HELPER}")),
        }
    }
}

pub(super) fn path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/pods/{HELPER}")
}

/// The specification of the site's web pods.
pub(super) async fn template(client: &kube::Client) -> Result<Value, Failure> {
    let deployment = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/mastodon-web");
    let found: Option<Value> = get(client, &deployment).await?;
    let spec = found.and_then(|found| found.pointer("/spec/template/spec").cloned());
    spec.ok_or_else(|| Failure::failed("there is no Deployment mastodon-web"))
}

/// Makes it, in place of one that is of no use.
pub(super) async fn make(context: &Context) -> Result<(), Failure> {
    let scene = Scene::at_hand(context)?;
    if scene.seen.helper.is_some() {
        remove(context).await?;
    }
    let client = context.api().await?;
    let spec = template(&client).await?;
    apply(&client, &path(NAMESPACE), &pod(&spec, NAMESPACE, &scene.restore.id)?).await?;
    Ok(())
}

/// A pod like those of web, with nothing to do.
pub(super) fn pod(template: &Value, namespace: &str, id: &str) -> Result<Value, Failure> {
    let mut spec = template.clone();
    let containers = spec["containers"].as_array().cloned().unwrap_or_default();
    let own = containers.into_iter().find(|container| container["name"] == CONTAINER);
    let mut own =
        own.ok_or_else(|| Failure::failed(format!("the Deployment mastodon-web has no container {CONTAINER}")))?;
    if let Some(fields) = own.as_object_mut() {
        for field in ["args", "livenessProbe", "readinessProbe", "startupProbe", "ports", "resources", "lifecycle"] {
            fields.remove(field);
        }
    }
    own["command"] = json!(["sleep", "infinity"]);
    spec["containers"] = json!([own]);
    anywhere(&mut spec);
    spec["restartPolicy"] = "Never".into();
    spec["terminationGracePeriodSeconds"] = 1.into();
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": HELPER,
            "namespace": namespace,
            "labels": { "app.kubernetes.io/managed-by": "homeprov", HELPER_LABEL: id },
        },
        "spec": spec,
    }))
}

/// Takes away what ties a pod to other pods: those of the site, which are not there (mastodon/chart
/// `templates/deployment-web.yaml` keeps pods together that share a volume of one node). Its volumes still choose its node.
pub(super) fn anywhere(spec: &mut Value) {
    let Some(fields) = spec.as_object_mut() else { return };
    fields.remove("topologySpreadConstraints");
    if let Some(affinity) = fields.get_mut("affinity").and_then(Value::as_object_mut) {
        affinity.retain(|kind, _| kind == "nodeAffinity");
    }
}

/// Removes it and waits until it is gone.
pub(super) async fn remove(context: &Context) -> Result<(), Failure> {
    let client = context.api().await?;
    let namespace = Scene::at_hand(context)?.restore.namespace();
    let path = path(namespace);
    delete(&client, &path).await?;
    let deadline = Instant::now() + GOING;
    while get::<Value>(&client, &path).await?.is_some() {
        if Instant::now() > deadline {
            return Err(Failure::failed(format!(
                "the pod {HELPER} does not go: see `microk8s kubectl -n {namespace} describe pod {HELPER}`"
            )));
        }
        sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_helper_is_a_web_pod_that_sleeps() {
        let template = json!({
            "volumes": [{ "name": "system", "persistentVolumeClaim": { "claimName": "mastodon-system" } }],
            "securityContext": { "runAsUser": 991 },
            "affinity": { "podAffinity": {}, "nodeAffinity": {} },
            "containers": [
                { "name": "mastodon-web", "image": "ghcr.io/mastodon/mastodon:v4.6.3", "command": ["puma"],
                  "startupProbe": {}, "volumeMounts": [{ "name": "system", "mountPath": "/opt/mastodon/public/system" }] },
                { "name": "prometheus-exporter" },
            ],
        });
        let pod = pod(&template, NAMESPACE, "01J").unwrap();
        assert_eq!(
            pod["spec"]["containers"],
            json!([{
                "name": "mastodon-web", "image": "ghcr.io/mastodon/mastodon:v4.6.3", "command": ["sleep", "infinity"],
                "volumeMounts": [{ "name": "system", "mountPath": "/opt/mastodon/public/system" }],
            }])
        );
        assert_eq!(pod["spec"]["securityContext"]["runAsUser"], 991);
        assert_eq!(pod["spec"]["volumes"], template["volumes"]);
        assert_eq!(pod["spec"]["affinity"], json!({ "nodeAffinity": {} }));
        assert!(super::pod(&json!({ "containers": [] }), NAMESPACE, "01J").is_err());
    }
}
