//! Mastodon's Secrets in the cluster.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;
use serde_json::{Value, json};

use crate::facts::mastodon::SecretFacts;
use crate::inventory::model::Mastodon;
use crate::kube::request::{apply, get, merge};
use crate::mastodon::NAMESPACE;
use crate::mastodon::secrets::{
    MASTODON, POSTGRESQL, REDIS, S3, SMTP, SecretSet, SecretsError, fingerprint, generate, generated,
};

/// The mark of a Secret that was changed, until the pods that read it were started again.
const CHANGED: &str = "homeprov/changed";

/// All Secrets homeprov makes for Mastodon.
const NAMES: [&str; 5] = [MASTODON, POSTGRESQL, REDIS, SMTP, S3];

fn path(name: &str) -> String {
    format!("/api/v1/namespaces/{NAMESPACE}/secrets/{name}")
}

/// What the Secrets say beside their values.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks {
    changed: BTreeSet<String>,
    versions: BTreeMap<String, String>,
}

/// Those that are there, with their values.
pub async fn read(client: &Client) -> kube::Result<SecretSet> {
    look(client).await.map(|(set, _)| set)
}

/// The same, with what else they say.
pub(super) async fn look(client: &Client) -> kube::Result<(SecretSet, Marks)> {
    let paths = NAMES.map(path);
    let found = futures::future::try_join_all(paths.iter().map(|path| get::<Secret>(client, path))).await?;
    let (mut set, mut marks) = (SecretSet::default(), Marks::default());
    for (name, secret) in NAMES.iter().zip(found) {
        let Some(secret) = secret else { continue };
        if secret.metadata.annotations.is_some_and(|annotations| annotations.contains_key(CHANGED)) {
            marks.changed.insert((*name).to_owned());
        }
        marks.versions.extend(secret.metadata.resource_version.map(|version| ((*name).to_owned(), version)));
        for (key, value) in secret.data.unwrap_or_default() {
            let value = Zeroizing::new(value.0);
            // What is no text was not made by homeprov, and cannot be a password of Mastodon's.
            if let Ok(text) = std::str::from_utf8(&value) {
                set.insert(*name, key, text.into());
            }
        }
    }
    Ok((set, marks))
}

/// The pods that read a Secret were started again.
pub async fn settle(client: &Client, name: &str) -> kube::Result<()> {
    let mark = json!({ "metadata": { "annotations": { CHANGED: null } } });
    merge(client, &path(name), &mark).await.map(drop)
}

/// Writes the values that `before` has not, Secret by Secret; other keys of a Secret stay. What is written where there were
/// Secrets before is marked as changed: pods may run that have read it.
pub async fn write(client: &Client, set: &SecretSet, before: &SecretSet) -> kube::Result<Vec<String>> {
    let mut written = Vec::new();
    for name in set.names() {
        let data: BTreeMap<&str, String> =
            set.of(name).map(|(key, value)| (key, STANDARD.encode(value.expose_secret()))).collect();
        let same = set.of(name).all(|(key, value)| {
            before.get(name, key).is_some_and(|present| present.expose_secret() == value.expose_secret())
        });
        if same {
            continue;
        }
        apply(client, &path(name), &object(name, &json!(data), !before.is_empty())).await?;
        written.push(name.to_owned());
    }
    Ok(written)
}

fn object(name: &str, data: &Value, changed: bool) -> Value {
    let marks = if changed { json!({ CHANGED: "the pods that read it are to be started again" }) } else { json!({}) };
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {
            "name": name, "namespace": NAMESPACE,
            "labels": { "app.kubernetes.io/managed-by": "homeprov" },
            "annotations": marks,
        },
        "data": data,
    })
}

/// What is there and what is missing, without a value. `given` is what the user's own files say.
pub(super) fn describe(
    wanted: &Mastodon,
    present: &SecretSet,
    marks: Marks,
    given: Result<SecretSet, SecretsError>,
) -> SecretFacts {
    let keys = |name: &str| present.of(name).map(|(key, _)| key.to_owned()).collect();
    let mut facts = SecretFacts {
        present: present.names().map(|name| (name.to_owned(), keys(name))).collect(),
        changed: marks.changed,
        versions: marks.versions,
        ..SecretFacts::default()
    };
    if generated(wanted).iter().all(|(name, keys)| present.missing(name, keys).is_empty()) {
        facts.fingerprint = Some(fingerprint(wanted, present));
    }
    match given.and_then(|given| generate(wanted, present, &given)) {
        Ok(set) => {
            for (name, key, value) in set.iter() {
                match present.get(name, key) {
                    None => facts.missing.push(format!("{name}/{key}")),
                    Some(is) if is.expose_secret() != value.expose_secret() => {
                        facts.outdated.push(format!("{name}/{key}"));
                    }
                    Some(_) => {}
                }
            }
        }
        Err(problem) => {
            if let SecretsError::Lost { secret, keys } = &problem {
                facts.missing.extend(keys.iter().map(|key| format!("{secret}/{key}")));
            }
            facts.problem = Some(problem.to_string());
        }
    }
    facts
}
