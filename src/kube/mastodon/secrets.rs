//! Mastodon's Secrets in the cluster.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;
use serde_json::{Value, json};

use crate::facts::mastodon::SecretFacts;
use crate::inventory::model::Mastodon;
use crate::kube::request::{apply, get};
use crate::mastodon::NAMESPACE;
use crate::mastodon::secrets::{
    MASTODON, POSTGRESQL, REDIS, S3, SMTP, SecretSet, SecretsError, fingerprint, generate, generated,
};

/// All Secrets homeprov makes for Mastodon.
const NAMES: [&str; 5] = [MASTODON, POSTGRESQL, REDIS, SMTP, S3];

fn path(name: &str) -> String {
    format!("/api/v1/namespaces/{NAMESPACE}/secrets/{name}")
}

/// Those that are there, with their values.
pub async fn read(client: &Client) -> kube::Result<SecretSet> {
    let paths = NAMES.map(path);
    let found = futures::future::try_join_all(paths.iter().map(|path| get::<Secret>(client, path))).await?;
    let mut set = SecretSet::default();
    for (name, secret) in NAMES.iter().zip(found) {
        for (key, value) in secret.and_then(|secret| secret.data).unwrap_or_default() {
            let value = Zeroizing::new(value.0);
            // What is no text was not made by homeprov, and cannot be a password of Mastodon's.
            if let Ok(text) = std::str::from_utf8(&value) {
                set.insert(*name, key, text.into());
            }
        }
    }
    Ok(set)
}

/// Writes the values that `before` has not, Secret by Secret; other keys of a Secret stay.
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
        apply(client, &path(name), &object(name, &json!(data))).await?;
        written.push(name.to_owned());
    }
    Ok(written)
}

fn object(name: &str, data: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {
            "name": name, "namespace": NAMESPACE,
            "labels": { "app.kubernetes.io/managed-by": "homeprov" },
        },
        "data": data,
    })
}

/// What is there and what is missing, without a value. `given` is what the user's own files say.
pub(super) fn describe(wanted: &Mastodon, present: &SecretSet, given: Result<SecretSet, SecretsError>) -> SecretFacts {
    let keys = |name: &str| present.of(name).map(|(key, _)| key.to_owned()).collect();
    let mut facts = SecretFacts {
        present: present.names().map(|name| (name.to_owned(), keys(name))).collect(),
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
