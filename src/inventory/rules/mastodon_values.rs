//! More values for the chart: whatever does not break what homeprov promises.

use serde_json::{Map, Value};

use crate::diagnostic::{Problem, looks_secret};
use crate::document::{At, Field, Report};
use crate::inventory::file::File;

/// A value homeprov decides, and what to write instead or why it must stay.
const OURS: [(&str, &str); 44] = [
    ("fullnameOverride", "the names of the release's objects are those homeprov looks for"),
    ("nameOverride", "the names of the release's objects are those homeprov looks for"),
    ("image.tag", "write image under [mastodon]"),
    ("mastodon.local_domain", "write local_domain under [mastodon]"),
    ("mastodon.web_domain", "write web_domain under [mastodon]"),
    ("mastodon.locale", "write locale under [mastodon]"),
    ("mastodon.singleUserMode", "write single_user under [mastodon]"),
    ("mastodon.createAdmin", "the owner is made by homeprov; see admin under [mastodon]"),
    ("mastodon.secrets", "these secrets are made once by homeprov and kept"),
    ("mastodon.persistence", "write assets_size, system_size and access under [mastodon]"),
    ("mastodon.hooks.dbPrepare", "without it there would be no tables"),
    ("mastodon.hooks.dbMigrate", "without it an upgrade would run on old tables"),
    (
        "mastodon.hooks.deploySearch",
        "its template fails on volumes of several nodes; run `tootctl search deploy` in the web pod",
    ),
    ("mastodon.smtp.server", "write server under [mastodon.smtp]"),
    ("mastodon.smtp.port", "write port under [mastodon.smtp]"),
    ("mastodon.smtp.tls", "write tls under [mastodon.smtp]"),
    ("mastodon.smtp.login", "write login under [mastodon.smtp]"),
    ("mastodon.smtp.password", "write password_file under [mastodon.smtp]"),
    ("mastodon.smtp.existingSecret", "write login and password_file under [mastodon.smtp]"),
    ("mastodon.s3.enabled", "write a table [mastodon.s3]"),
    ("mastodon.s3.access_key", "write access_key_file under [mastodon.s3]"),
    ("mastodon.s3.access_secret", "write secret_key_file under [mastodon.s3]"),
    ("mastodon.s3.existingSecret", "write access_key_file and secret_key_file under [mastodon.s3]"),
    ("postgresql.enabled", "write host under [mastodon.postgresql]"),
    ("postgresql.postgresqlHostname", "write host under [mastodon.postgresql]"),
    ("postgresql.auth", "write database, user and password_file under [mastodon.postgresql]"),
    ("postgresql.primary.persistence", "write size under [mastodon.postgresql]"),
    ("postgresql.primary.startupProbe", "write startup_seconds under [mastodon]"),
    ("redis.enabled", "write host under [mastodon.redis]"),
    ("redis.hostname", "write host under [mastodon.redis]"),
    ("redis.auth", "write password_file under [mastodon.redis]"),
    ("redis.architecture", "one Redis is what homeprov waits for"),
    ("redis.master.persistence", "write size under [mastodon.redis]"),
    ("redis.master.startupProbe", "write startup_seconds under [mastodon]"),
    ("elasticsearch.enabled", "write elasticsearch under [mastodon]"),
    ("elasticsearch.sysctlImage", "homeprov makes this setting on the nodes; the image is gone"),
    ("elasticsearch.master.startupProbe", "write startup_seconds under [mastodon]"),
    ("elasticsearch.data.startupProbe", "write startup_seconds under [mastodon]"),
    ("elasticsearch.coordinating.startupProbe", "write startup_seconds under [mastodon]"),
    ("elasticsearch.ingest.startupProbe", "write startup_seconds under [mastodon]"),
    ("ingress.enabled", "the site is reached through an Ingress"),
    ("ingress.hosts", "write local_domain or web_domain under [mastodon]"),
    ("ingress.tls", "write tls_secret or cluster_issuer under [mastodon.ingress]"),
    ("ingress.ingressClassName", "write class under [mastodon.ingress]"),
];

/// Nothing is among them that homeprov decides itself.
pub(super) fn not_ours(file: &File, report: &mut Report) {
    let Some(mastodon) = file.mastodon.given() else { return };
    let Some(values) = mastodon.values.given() else { return };
    for (path, instead) in OURS {
        if lookup(&values.value, path).is_some() {
            report.push(ours(values, path, instead));
        }
    }
    let apart = mastodon.s3.given().is_none() && mastodon.access.given().is_some_and(|access| access.value == "rwo");
    for path in ["mastodon.web.affinity", "mastodon.sidekiq.affinity"] {
        if apart && lookup(&values.value, path).is_some() {
            report.push(ours(values, path, "with access = \"rwo\" it keeps the pods where their volumes are"));
        }
    }
}

fn ours(values: &At<Map<String, Value>>, path: &str, instead: &str) -> Problem {
    Problem::error(format!("`{path}` is not for `values` to say"))
        .at(values.span.clone(), "among these")
        .help(format!("remove it: {instead}"))
}

fn lookup<'a>(values: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let value = values.get(first)?;
    match rest {
        None => Some(value),
        Some(rest) => lookup(value.as_object()?, rest),
    }
}

/// No password among them: they are committed to Git as they are.
pub(super) fn not_secret(file: &File, report: &mut Report) {
    let Some(Field::Given(values)) = file.mastodon.given().map(|mastodon| &mastodon.values) else { return };
    let mut found = Vec::new();
    secrets(&Value::Object(values.value.clone()), "", &mut found);
    for path in found {
        report.push(
            Problem::error(format!("`{path}` would be committed to Git in clear"))
                .at(values.span.clone(), "among these")
                .why("its name sounds like that of a password or key")
                .help("put it into a Secret in the namespace mastodon and name that one; the chart has an existingSecret or secretRef for it"),
        );
    }
}

fn secrets(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let text = value.as_str().is_some_and(|text| !text.is_empty());
                if text && looks_secret(key) && !names_one(key) {
                    found.push(path);
                } else {
                    secrets(value, &path, found);
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| secrets(value, path, found)),
        _ => {}
    }
}

/// Whether a key names a secret, or where one is had, and holds none itself.
fn names_one(key: &str) -> bool {
    let key = key.to_lowercase();
    key.starts_with("existingsecret") || ["secretname", "secretref", "endpoint"].iter().any(|end| key.ends_with(end))
}
