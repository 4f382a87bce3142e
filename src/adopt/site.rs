//! Mastodon, where somebody runs one: told as a comment. With the table homeprov would deploy a release of its own, and the
//! Secrets and volumes of the one that is there are not homeprov's to guess.

use super::text::Text;
use crate::kube::site::FoundSite;
use crate::mastodon::{NAMESPACE, RELEASE};

pub(super) fn write(site: Option<&FoundSite>, text: &mut Text) {
    let Some(site) = site else { return };
    let value = |key: &str| site.environment.get(key).map(String::as_str).filter(|value| !value.is_empty());
    let by = match &site.release {
        Some(release) => format!("by the HelmRelease {release}"),
        None => "not by Flux".to_owned(),
    };
    text.comment(&format!("A Mastodon runs in the namespace {} ({}), deployed {by}.", site.namespace, site.deployment));
    text.comment(&format!(
        "It stays as it is. With the table below homeprov would deploy the release {RELEASE} in the namespace {NAMESPACE}, with Secrets of \
         its own where it finds none of its names: on the database of this site they would not fit. Take a backup, and read what \
         `homeprov plan` says, before you take the comments away."
    ));
    text.aside(|text| {
        text.header("[mastodon]");
        match value("LOCAL_DOMAIN") {
            Some(domain) => text.key("local_domain", domain),
            None => text.comment("local_domain could not be read"),
        }
        if let Some(domain) = value("WEB_DOMAIN") {
            text.key("web_domain", domain);
        }
        match &site.owner {
            Some((name, email)) => {
                let quoted = |text: &str| toml::Value::from(text).to_string();
                text.header(&format!("admin = {{ username = {}, email = {} }}", quoted(name), quoted(email)));
            }
            None => text.header("admin = { username = \"\", email = \"\" }   could not be read"),
        }
        if let Some(tag) = site.image.as_deref().and_then(|image| image.rsplit_once(':')).map(|(_, tag)| tag) {
            text.key("image", tag);
        }
        if let Some(locale) = value("DEFAULT_LOCALE") {
            text.key("locale", locale);
        }
        if value("SINGLE_USER_MODE") == Some("true") {
            text.key("single_user", true);
        }
        mail(&value, text);
        media(&value, text);
        database(&value, text);
    });
    text.gap();
}

type Value<'a> = dyn Fn(&str) -> Option<&'a str> + 'a;

fn mail(value: &Value<'_>, text: &mut Text) {
    let Some(server) = value("SMTP_SERVER") else { return };
    text.header("[mastodon.smtp]");
    text.key("server", server);
    if let Some(port) = value("SMTP_PORT").and_then(|port| port.parse::<i64>().ok()) {
        text.key("port", port);
    }
    if let Some(sender) = value("SMTP_FROM_ADDRESS") {
        text.key("from_address", sender);
    }
    text.header("# login and password_file: its Secrets are not read");
}

fn media(value: &Value<'_>, text: &mut Text) {
    let Some(bucket) = value("S3_BUCKET") else { return };
    text.header("[mastodon.s3]");
    text.key("bucket", bucket);
    for (key, variable) in [("endpoint", "S3_ENDPOINT"), ("hostname", "S3_HOSTNAME")] {
        if let Some(value) = value(variable) {
            text.key(key, value);
        }
    }
    text.header("# the files with its keys: its Secrets are not read");
}

/// Only a database outside of the cluster is told: the name of a Service has no dot.
fn database(value: &Value<'_>, text: &mut Text) {
    let Some(host) = value("DB_HOST").filter(|host| host.contains('.') && !host.contains(".svc")) else { return };
    text.header("[mastodon.postgresql]");
    text.key("host", host);
    for (key, variable) in [("database", "DB_NAME"), ("user", "DB_USER")] {
        if let Some(value) = value(variable) {
            text.key(key, value);
        }
    }
    text.header("# password_file: its Secrets are not read");
}
