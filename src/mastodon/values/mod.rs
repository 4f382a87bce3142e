//! The values for the chart mastodon 6.9 (mastodon/chart `values.yaml` and `templates/`).
//!
//! Passwords and keys are never among them: each is in a Secret that the values name.

mod databases;
mod outside;
mod pods;

use serde_json::{Map, Value, json};

pub use pods::quantity;

use super::secrets::MASTODON;
use super::{ASSETS_CLAIM, SYSTEM_CLAIM};
use crate::gitops::yaml;
use crate::inventory::model::{Inventory, Mastodon};

/// The chart's own worker of background jobs, when the values name none.
const WORKER: &str = "all-queues";

/// All values: homeprov's, and over them those of the inventory, as Helm would merge them.
pub fn values(inventory: &Inventory, mastodon: &Mastodon) -> Value {
    let mut values = json!({
        "image": { "tag": mastodon.image },
        "mastodon": site(mastodon),
        "postgresql": databases::postgresql(inventory, mastodon),
        "redis": databases::redis(inventory, mastodon),
        "elasticsearch": databases::elasticsearch(inventory, mastodon),
        "ingress": ingress(mastodon),
        // The chart's own, and a volume full of media is not walked through at each start.
        "podSecurityContext": {
            "runAsUser": 991, "runAsGroup": 991, "fsGroup": 991, "fsGroupChangePolicy": "OnRootMismatch",
        },
        // Pods are replaced when their configuration changes, not at every retry of a release.
        "revisionPodAnnotation": false,
    });
    merge(&mut values, &Value::Object(mastodon.values.clone()));
    values
}

/// `values.yaml`: the same as text.
pub fn text(inventory: &Inventory, mastodon: &Mastodon) -> String {
    yaml::document(&values(inventory, mastodon))
}

/// The Deployments of the release: web, streaming, and one for each worker of background jobs
/// (mastodon/chart `templates/deployment-sidekiq.yaml`).
pub fn deployments(mastodon: &Mastodon) -> Vec<String> {
    let given = mastodon.values.get("mastodon").and_then(|value| value.pointer("/sidekiq/workers"));
    let workers = match given.and_then(Value::as_array) {
        Some(workers) => workers.iter().filter_map(|worker| worker.get("name")?.as_str()).collect(),
        None => vec![WORKER],
    };
    let release = super::RELEASE;
    let mut names = vec![format!("{release}-web"), format!("{release}-streaming")];
    names.extend(workers.into_iter().map(|worker| format!("{release}-sidekiq-{worker}")));
    names
}

/// A text for a place where the chart's template puts it into a manifest without quotes
/// (mastodon/chart `templates/configmap-env.yaml`): one that YAML would read as something else brings its own, so that the
/// locale `no` is Norwegian and not false.
fn bare(text: &str) -> String {
    let address = text.parse::<std::net::Ipv4Addr>().is_ok();
    if address || yaml::is_plain(text) { text.to_owned() } else { yaml::quoted(text) }
}

/// Puts values over others: tables are merged, all else is replaced.
fn merge(below: &mut Value, above: &Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                merge(below.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (below, above) => below.clone_from(above),
    }
}

/// A table of what is there: keys without a value are left to the chart.
fn table<const N: usize>(entries: [(&str, Option<Value>); N]) -> Value {
    let there = entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(there.collect::<Map<_, _>>())
}

fn site(mastodon: &Mastodon) -> Value {
    let mut site = json!({
        "local_domain": bare(&mastodon.local_domain),
        "web_domain": mastodon.web_domain.as_deref().map(bare),
        "singleUserMode": mastodon.single_user,
        // The owner is made afterwards: the chart's job runs after a first install that succeeded, and only then
        // (mastodon/chart `templates/job-create-admin.yaml`).
        "createAdmin": { "enabled": false },
        "hooks": { "dbPrepare": { "enabled": true }, "dbMigrate": { "enabled": true }, "deploySearch": { "enabled": false } },
        "secrets": { "existingSecret": MASTODON },
        "metrics": { "statsd": { "exporter": { "enabled": false } }, "prometheus": { "enabled": false } },
        "smtp": outside::smtp(mastodon),
        "s3": outside::s3(mastodon),
        "web": pods::web(mastodon),
        "streaming": pods::streaming(mastodon),
        "sidekiq": pods::sidekiq(mastodon),
        "preparedStatements": databases::prepared_statements(mastodon),
    });
    let access = mastodon.access.mode();
    merge(
        &mut site,
        &table([
            ("locale", mastodon.locale.as_deref().map(|locale| bare(locale).into())),
            ("extraEnvVars", outside::environment(mastodon)),
            (
                "persistence",
                // With object storage the chart mounts no volumes.
                mastodon.s3.is_none().then(|| {
                    json!({
                        "assets": { "accessMode": access, "existingClaim": ASSETS_CLAIM },
                        "system": { "accessMode": access, "existingClaim": SYSTEM_CLAIM },
                    })
                }),
            ),
        ]),
    );
    site
}

fn ingress(mastodon: &Mastodon) -> Value {
    let ingress = &mastodon.ingress;
    let host = mastodon.web();
    let mut annotations = json!({
        // A video may have 99 MB, and nginx lets 1 MB through unless told otherwise. Traefik has no limit of its own.
        "nginx.ingress.kubernetes.io/proxy-body-size": "100m",
    });
    if let Some(issuer) = ingress.cluster_issuer() {
        annotations["cert-manager.io/cluster-issuer"] = issuer.into();
    }
    json!({
        "enabled": true,
        "ingressClassName": ingress.class,
        "annotations": annotations,
        "hosts": [{ "host": host, "paths": [{ "path": "/" }] }],
        // An empty list takes away the chart's example; the controller then shows its own certificate.
        "tls": ingress.tls_secret().map(|secret| json!({ "secretName": secret, "hosts": [host] })).into_iter().collect::<Vec<_>>(),
    })
}
