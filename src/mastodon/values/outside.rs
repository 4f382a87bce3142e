//! The values for mail and object storage.

use serde_json::{Map, Value, json};

use super::super::secrets::{S3, SMTP};
use super::{bare, table};
use crate::inventory::model::Mastodon;

pub(super) fn smtp(mastodon: &Mastodon) -> Value {
    let Some(smtp) = &mastodon.smtp else {
        // The chart's default is a server on the internet; this way of delivery drops the mail
        // (rails/rails `actionmailer/lib/action_mailer/delivery_methods.rb`).
        return json!({ "delivery_method": "test", "server": "localhost", "existingSecret": SMTP });
    };
    let domain = smtp.domain.as_deref().unwrap_or(&mastodon.local_domain);
    json!({
        "delivery_method": "smtp",
        "server": bare(&smtp.server),
        "port": smtp.port,
        "tls": smtp.tls,
        "enable_starttls": smtp.starttls.name(),
        "openssl_verify_mode": if smtp.verify { "peer" } else { "none" },
        "auth_method": smtp.auth_method,
        "from_address": smtp.from_address,
        "domain": bare(domain),
        // Also without a login: a Secret that is named is not made by the chart, and need not be there.
        "existingSecret": SMTP,
    })
}

pub(super) fn s3(mastodon: &Mastodon) -> Value {
    let Some(s3) = &mastodon.s3 else {
        return json!({ "enabled": false });
    };
    let given = |text: &Option<String>| text.as_deref().filter(|text| !text.is_empty()).map(|text| bare(text).into());
    let (protocol, _) = s3.endpoint.split_once("://").unwrap_or(("https", ""));
    table([
        ("enabled", Some(true.into())),
        ("existingSecret", Some(S3.into())),
        ("bucket", Some(bare(&s3.bucket).into())),
        ("endpoint", Some(bare(&s3.endpoint).into())),
        ("hostname", Some(bare(&s3.hostname).into())),
        ("protocol", Some(protocol.into())),
        ("region", given(&s3.region)),
        ("alias_host", given(&s3.alias_host)),
        ("permission", given(&s3.permission)),
        // These two stand in quotes in the template; a number of Helm's would become 5.2428801e+07 there.
        ("multipart_threshold", s3.multipart_threshold.map(|bytes| bytes.to_string().into())),
        ("override_path_style", s3.override_path_style.map(|switch| switch.to_string().into())),
    ])
}

/// What Mastodon knows of object storage and the chart has no value for (mastodon/mastodon
/// `config/initializers/paperclip.rb`).
pub(super) fn environment(mastodon: &Mastodon) -> Option<Value> {
    let s3 = mastodon.s3.as_ref()?;
    let mut environment = Map::new();
    // The chart leaves an empty one out, and Mastodon then asks for public-read, which such a bucket refuses.
    if s3.permission.as_deref() == Some("") {
        environment.insert("S3_PERMISSION".into(), "".into());
    }
    if let Some(signature) = &s3.signature {
        environment.insert("S3_SIGNATURE_VERSION".into(), signature.as_str().into());
    }
    if s3.single_request {
        environment.insert("S3_FORCE_SINGLE_REQUEST".into(), "true".into());
    }
    (!environment.is_empty()).then(|| environment.into())
}
