//! Flux's objects, read and asked to do their work.

mod events;
mod objects;
mod request;

pub use events::events;
pub use objects::{get, path};
pub use request::request_reconcile;

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::core::ObjectList;

use super::request::get as fetch;
use crate::facts::flux::{AccessSecret, FLUX, FluxFacts, fingerprint};

/// The label by which every object of Flux says that it is one (fluxcd/flux2 `manifests/bases`).
const PART: &str = "app.kubernetes.io/part-of%3Dflux";
const VERSION: &str = "app.kubernetes.io/version";

/// Reads what there is of Flux; nothing where there is none.
pub async fn read(client: &Client) -> kube::Result<Option<FluxFacts>> {
    let deployments = format!("/apis/apps/v1/deployments?labelSelector={PART}");
    let secret = format!("/api/v1/namespaces/{FLUX}/secrets/{FLUX}");
    let (deployments, secret, sources, kustomizations, helm_releases) = futures::try_join!(
        fetch::<ObjectList<Deployment>>(client, &deployments),
        fetch::<Secret>(client, &secret),
        objects::list(client, "GitRepository"),
        objects::list(client, "Kustomization"),
        objects::list(client, "HelmRelease"),
    )?;
    let deployments = deployments.map(|list| list.items).unwrap_or_default();
    let served = [&sources, &kustomizations, &helm_releases].map(Option::is_some);
    if deployments.is_empty() && !served.contains(&true) {
        return Ok(None);
    }
    Ok(Some(FluxFacts {
        version: deployments.iter().find_map(version),
        deployments: deployments.iter().filter_map(available).collect(),
        established: !served.contains(&false),
        secret: secret.map(|secret| describe(&secret)),
        sources: sources.unwrap_or_default(),
        kustomizations: kustomizations.unwrap_or_default(),
        helm_releases: helm_releases.unwrap_or_default(),
    }))
}

fn version(deployment: &Deployment) -> Option<String> {
    let labels = deployment.metadata.labels.as_ref()?;
    Some(labels.get(VERSION)?.trim_start_matches('v').to_owned())
}

/// A controller's name, and whether its newest specification runs.
fn available(deployment: &Deployment) -> Option<(String, bool)> {
    let name = deployment.metadata.name.clone()?;
    let wanted = deployment.spec.replicas.unwrap_or(1);
    let status = deployment.status.as_ref();
    let current = status.and_then(|status| status.observed_generation) >= deployment.metadata.generation;
    let ready = status.and_then(|status| status.available_replicas).unwrap_or_default();
    let updated = status.and_then(|status| status.updated_replicas).unwrap_or_default();
    Some((name, current && ready >= wanted && updated >= wanted))
}

fn describe(secret: &Secret) -> AccessSecret {
    let data: BTreeMap<&str, &[u8]> =
        secret.data.iter().flatten().map(|(key, value)| (key.as_str(), value.0.as_slice())).collect();
    let key = ["identity", "known_hosts"].iter().all(|key| data.get(key).is_some_and(|value| !value.is_empty()));
    AccessSecret { fingerprint: fingerprint(data), key }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_controller_that_is_rolled_out_is_available() {
        let deployment = |observed: i64, ready: i64| -> Deployment {
            serde_json::from_value(json!({
                "metadata": { "name": "source-controller", "generation": 2, "labels": { VERSION: "v2.9.4" } },
                "spec": { "replicas": 1, "selector": {}, "template": {} },
                "status": { "observedGeneration": observed, "availableReplicas": ready, "updatedReplicas": ready },
            }))
            .unwrap()
        };
        assert_eq!(version(&deployment(2, 1)).as_deref(), Some("2.9.4"));
        assert_eq!(available(&deployment(2, 1)), Some(("source-controller".to_owned(), true)));
        assert_eq!(available(&deployment(1, 1)), Some(("source-controller".to_owned(), false)));
        assert_eq!(available(&deployment(2, 0)), Some(("source-controller".to_owned(), false)));
    }

    #[test]
    fn the_secret_is_known_by_its_fingerprint() {
        let secret: Secret = serde_json::from_value(json!({
            "data": { "identity": "a2V5", "identity.pub": "cHVi", "known_hosts": "aG9zdA==" },
        }))
        .unwrap();
        let seen = describe(&secret);
        assert!(seen.key);
        let parts: [(&str, &[u8]); 3] = [("known_hosts", b"host"), ("identity", b"key"), ("identity.pub", b"pub")];
        assert_eq!(seen.fingerprint, fingerprint(parts));
        assert!(!describe(&Secret::default()).key);
    }
}
