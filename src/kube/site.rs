//! A Mastodon that somebody runs, wherever it is: found by its web pods, told by what they are given.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Container};
use kube::Client;
use kube::core::ObjectList;
use serde_json::Value;

use super::request::get;

/// What there is of it. Secrets are not read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundSite {
    /// Its namespace.
    pub namespace: String,
    /// The Deployment of its web pods.
    pub deployment: String,
    /// Their image.
    pub image: Option<String>,
    /// The variables of `KNOWN` that they are given in clear.
    pub environment: BTreeMap<String, String>,
    /// The `HelmRelease` that made it, as `namespace/name`.
    pub release: Option<String>,
    /// The owner's name and address, where the release's values have them.
    pub owner: Option<(String, String)>,
}

/// The variables that are read: none of them is a secret (mastodon/mastodon `.env.production.sample`).
const KNOWN: [&str; 14] = [
    "LOCAL_DOMAIN",
    "WEB_DOMAIN",
    "DEFAULT_LOCALE",
    "SINGLE_USER_MODE",
    "SMTP_SERVER",
    "SMTP_PORT",
    "SMTP_FROM_ADDRESS",
    "S3_BUCKET",
    "S3_ENDPOINT",
    "S3_HOSTNAME",
    "DB_HOST",
    "DB_NAME",
    "DB_USER",
    "REDIS_HOST",
];

/// The labels by which helm-controller marks what it made (fluxcd/helm-controller `internal/postrender`).
const MADE_BY: [&str; 2] = ["helm.toolkit.fluxcd.io/namespace", "helm.toolkit.fluxcd.io/name"];

/// Reads the first one there is.
pub async fn read(client: &Client) -> kube::Result<Option<FoundSite>> {
    let list: Option<ObjectList<Deployment>> = get(client, "/apis/apps/v1/deployments").await?;
    let Some(web) = list.map(|list| list.items).unwrap_or_default().into_iter().find(is_web) else { return Ok(None) };
    let namespace = web.metadata.namespace.clone().unwrap_or_default();
    let containers = containers(&web);
    let Some(container) = containers.first() else { return Ok(None) };
    let mut environment = BTreeMap::new();
    for source in container.env_from.iter().flatten() {
        let Some(name) = source.config_map_ref.as_ref().map(|reference| &reference.name) else { continue };
        let map: Option<ConfigMap> = get(client, &format!("/api/v1/namespaces/{namespace}/configmaps/{name}")).await?;
        environment.extend(map.and_then(|map| map.data).unwrap_or_default());
    }
    environment
        .extend(container.env.iter().flatten().filter_map(|entry| Some((entry.name.clone(), entry.value.clone()?))));
    environment.retain(|name, _| KNOWN.contains(&name.as_str()));
    let labels = web.metadata.labels.clone().unwrap_or_default();
    let release = labels.get(MADE_BY[0]).zip(labels.get(MADE_BY[1]));
    let owner = match release {
        Some((namespace, name)) => owner(client, namespace, name).await?,
        None => None,
    };
    Ok(Some(FoundSite {
        deployment: web.metadata.name.clone().unwrap_or_default(),
        image: container.image.clone(),
        environment,
        release: release.map(|(namespace, name)| format!("{namespace}/{name}")),
        owner,
        namespace,
    }))
}

fn containers(deployment: &Deployment) -> &[Container] {
    deployment.spec.template.spec.as_ref().map_or(&[], |pod| pod.containers.as_slice())
}

/// Web pods run Mastodon's own image and are called so by every chart and manifest there is.
fn is_web(deployment: &Deployment) -> bool {
    let name = deployment.metadata.name.as_deref().unwrap_or_default();
    let labels = deployment.metadata.labels.as_ref();
    let component = labels.and_then(|labels| labels.get("app.kubernetes.io/component")).is_some_and(|own| own == "web");
    let image = |container: &Container| container.image.as_deref().is_some_and(|image| image.contains("mastodon"));
    (component || name.ends_with("web")) && containers(deployment).first().is_some_and(image)
}

/// `mastodon.createAdmin` of the values (mastodon/chart `values.yaml`).
async fn owner(client: &Client, namespace: &str, name: &str) -> kube::Result<Option<(String, String)>> {
    let path = format!("/apis/helm.toolkit.fluxcd.io/v2/namespaces/{namespace}/helmreleases/{name}");
    let release: Option<Value> = get(client, &path).await?;
    let release = release.unwrap_or_default();
    let text =
        |key: &str| release.pointer(&format!("/spec/values/mastodon/createAdmin/{key}"))?.as_str().map(str::to_owned);
    Ok(text("username").zip(text("email")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(name: &str, component: Option<&str>, image: &str) -> Deployment {
        let labels = component.map_or(json!({}), |component| json!({ "app.kubernetes.io/component": component }));
        serde_json::from_value(json!({
            "metadata": { "name": name, "labels": labels },
            "spec": { "selector": {}, "template": { "spec": { "containers": [{ "name": "c", "image": image }] } } },
        }))
        .unwrap()
    }

    #[test]
    fn web_pods_are_known_by_their_image() {
        assert!(is_web(&deployment("mastodon-web", Some("web"), "ghcr.io/mastodon/mastodon:v4.6.3")));
        assert!(is_web(&deployment("web", None, "tootsuite/mastodon:v4.0.2")));
        assert!(!is_web(&deployment(
            "mastodon-streaming",
            Some("streaming"),
            "ghcr.io/mastodon/mastodon-streaming:v4.6.3"
        )));
        assert!(!is_web(&deployment("web", Some("web"), "docker.io/library/nginx:1")));
    }
}
