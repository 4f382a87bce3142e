//! The Secrets the chart makes itself, where the values name no existing ones.

use base64::Engine;
use serde_json::{Map, Value, json};

use super::Hook;
use super::jobs::hook_annotations;
use super::templates::Templates;
use crate::kubernetes::value::set;

/// The Secrets of the release.
pub(super) fn objects(templates: &Templates<'_>) -> Vec<Value> {
    [main(templates), redis(templates), mail(templates)].into_iter().flatten().collect()
}

/// The Secrets that `db-prepare` reads, which runs before anything else is there.
pub(super) fn hooks(templates: &Templates<'_>) -> Vec<Hook> {
    let mut hooks = Vec::new();
    if !templates.on("/postgresql/enabled")
        && let Some(object) = main(templates)
    {
        hooks.push(early(object, &templates.name("prepare"), -3));
    }
    if let Some(object) = redis(templates) {
        hooks.push(early(object, &format!("{}-pre-install", templates.redis_secret()), -5));
    }
    hooks
}

fn early(mut object: Value, name: &str, weight: i64) -> Hook {
    set(&mut object, "/metadata/name", name);
    set(&mut object, "/metadata/annotations", hook_annotations(&["pre-install"], weight));
    Hook { object, events: vec!["pre-install"], weight }
}

/// `templates/secrets.yaml`: what is in no existing Secret.
pub(super) fn main(templates: &Templates<'_>) -> Option<Value> {
    let mut data = Map::new();
    let own_store = templates.on("/mastodon/s3/enabled") && !templates.on("/mastodon/s3/existingSecret");
    if own_store {
        put(&mut data, "AWS_ACCESS_KEY_ID", &templates.print("/mastodon/s3/access_key"));
        put(&mut data, "AWS_SECRET_ACCESS_KEY", &templates.print("/mastodon/s3/access_secret"));
    }
    let own_keys = !templates.on("/mastodon/secrets/existingSecret");
    if own_keys {
        for (key, path) in [
            ("SECRET_KEY_BASE", "secret_key_base"),
            ("OTP_SECRET", "otp_secret"),
            ("VAPID_PRIVATE_KEY", "vapid/private_key"),
            ("VAPID_PUBLIC_KEY", "vapid/public_key"),
            ("ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY", "activeRecordEncryption/primaryKey"),
            ("ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY", "activeRecordEncryption/deterministicKey"),
            ("ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT", "activeRecordEncryption/keyDerivationSalt"),
        ] {
            put(&mut data, key, &templates.print(&format!("/mastodon/secrets/{path}")));
        }
    }
    let own_password = !templates.on("/postgresql/enabled") && !templates.on("/postgresql/auth/existingSecret");
    if own_password {
        put(&mut data, "password", &templates.print("/postgresql/auth/password"));
    }
    (own_store || own_keys || own_password).then(|| opaque(templates, &templates.name(""), data))
}

/// `templates/secret-redis.yaml`: only for a Redis elsewhere, whose password the values hold.
pub(super) fn redis(templates: &Templates<'_>) -> Option<Value> {
    let elsewhere = !templates.on("/redis/enabled")
        && !templates.on("/redis/auth/existingSecret")
        && !templates.on("/redis/existingSecret");
    if !elsewhere || !templates.on("/redis/auth/password") {
        return None;
    }
    let mut data = Map::new();
    put(&mut data, &templates.print("/redis/auth/existingSecretKey"), &templates.print("/redis/auth/password"));
    Some(opaque(templates, &templates.redis_secret(), data))
}

/// `templates/secret-smtp.yaml`
pub(super) fn mail(templates: &Templates<'_>) -> Option<Value> {
    if templates.on("/mastodon/smtp/existingSecret") {
        return None;
    }
    let mut data = Map::new();
    for key in ["login", "password"] {
        let path = format!("/mastodon/smtp/{key}");
        if templates.on(&path) {
            put(&mut data, key, &templates.print(&path));
        }
    }
    Some(opaque(templates, &templates.name("smtp"), data))
}

fn opaque(templates: &Templates<'_>, name: &str, data: Map<String, Value>) -> Value {
    let mut object = templates.object("v1", "Secret", name);
    set(&mut object, "/type", "Opaque");
    object["data"] = json!(data);
    object
}

/// One key of a Secret's `data`.
pub(super) fn put(data: &mut Map<String, Value>, key: &str, value: &str) {
    data.insert(key.to_owned(), base64::engine::general_purpose::STANDARD.encode(value).into());
}
