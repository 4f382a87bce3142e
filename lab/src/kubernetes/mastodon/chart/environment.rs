//! The `ConfigMap` `mastodon-env`: what every program of Mastodon's reads.

use serde_json::{Map, Value};

use super::templates::Templates;
use crate::kubernetes::addons::printed;
use crate::kubernetes::value::{entries, list};

/// `templates/configmap-env.yaml`
pub(super) fn config_map(templates: &Templates<'_>) -> Value {
    let mut env = Env { templates, data: Map::new() };
    env.servers();
    env.search();
    env.site();
    env.files();
    env.mail();
    env.rest();
    let mut object = templates.object("v1", "ConfigMap", &templates.name("env"));
    object["data"] = Value::Object(env.data);
    object
}

struct Env<'a> {
    templates: &'a Templates<'a>,
    data: Map<String, Value>,
}

impl Env<'_> {
    fn put(&mut self, key: &str, value: impl Into<String>) {
        self.data.insert(key.to_owned(), Value::String(value.into()));
    }

    /// Variables that are there only where their values are not empty.
    fn with(&mut self, rows: &[(&str, &str)]) {
        for (key, path) in rows {
            if self.templates.on(path) {
                self.put(key, self.templates.print(path));
            }
        }
    }

    fn servers(&mut self) {
        let templates = self.templates;
        self.put("DB_HOST", templates.database_host());
        self.put("DB_PORT", templates.database_port());
        self.put("DB_NAME", templates.print("/postgresql/auth/database"));
        self.put("DB_USER", templates.print("/postgresql/auth/username"));
        self.with(&[
            ("REPLICA_DB_HOST", "/postgresql/readReplica/hostname"),
            ("REPLICA_DB_PORT", "/postgresql/readReplica/port"),
            ("REPLICA_DB_NAME", "/postgresql/readReplica/auth/database"),
            ("REPLICA_DB_USER", "/postgresql/readReplica/auth/username"),
            ("REPLICA_DB_PASS", "/postgresql/readReplica/auth/password"),
        ]);
        self.put("PREPARED_STATEMENTS", templates.print("/mastodon/preparedStatements"));
        self.put("REDIS_HOST", templates.redis_host());
        self.put("REDIS_PORT", templates.redis_port());
        for (part, prefix) in [("sidekiq", "SIDEKIQ"), ("cache", "CACHE")] {
            if templates.on(&format!("/redis/{part}/enabled")) {
                for key in ["hostname", "port"] {
                    let value = templates.first(&[&format!("/redis/{part}/{key}"), &format!("/redis/{key}")]);
                    let suffix = if key == "hostname" { "HOST" } else { "PORT" };
                    self.put(&format!("{prefix}_REDIS_{suffix}"), printed(&value, ""));
                }
            }
        }
    }

    fn search(&mut self) {
        let templates = self.templates;
        if templates.on("/elasticsearch/enabled") {
            self.put("ES_HOST", templates.dependency("elasticsearch-master-hl"));
            self.put("ES_PORT", "9200");
        } else if templates.on("/elasticsearch/hostname") {
            let host = templates.print("/elasticsearch/hostname");
            self.put("ES_HOST", if templates.on("/elasticsearch/tls") { format!("https://{host}") } else { host });
            let port = templates.print("/elasticsearch/port");
            self.put("ES_PORT", if port.is_empty() { "9200".to_owned() } else { port });
        } else {
            return;
        }
        self.put("ES_ENABLED", "true");
        let preset = templates.print("/elasticsearch/preset");
        self.put("ES_PRESET", if preset.is_empty() { "single_node_cluster".to_owned() } else { preset });
        self.with(&[("ES_USER", "/elasticsearch/user"), ("ES_PREFIX", "/elasticsearch/indexPrefix")]);
    }

    fn site(&mut self) {
        let templates = self.templates;
        self.put("LOCAL_DOMAIN", templates.print("/mastodon/local_domain"));
        self.with(&[
            ("DEFAULT_LOCALE", "/mastodon/locale"),
            ("WEB_DOMAIN", "/mastodon/web_domain"),
            ("AUTHORIZED_FETCH", "/mastodon/authorizedFetch"),
            ("LIMITED_FEDERATION_MODE", "/mastodon/limitedFederationMode"),
            ("STREAMING_API_BASE_URL", "/mastodon/streaming/base_url"),
            ("TRUSTED_PROXY_IP", "/mastodon/trusted_proxy_ip"),
            ("OMNIAUTH_ONLY", "/externalAuth/oauth_global/omniauth_only"),
            ("TZ", "/timezone"),
        ]);
        if templates.on("/mastodon/singleUserMode") {
            self.put("SINGLE_USER_MODE", "true");
        }
        let domains: Vec<&str> =
            list(templates.values, "/mastodon/alternate_domains").iter().filter_map(Value::as_str).collect();
        if !domains.is_empty() {
            self.put("ALTERNATE_DOMAINS", domains.join(","));
        }
    }

    fn files(&mut self) {
        if !self.templates.on("/mastodon/s3/enabled") {
            return;
        }
        self.put("S3_ENABLED", "true");
        for (key, field) in [
            ("S3_BUCKET", "bucket"),
            ("S3_ENDPOINT", "endpoint"),
            ("S3_HOSTNAME", "hostname"),
            ("S3_PROTOCOL", "protocol"),
        ] {
            self.put(key, self.templates.print(&format!("/mastodon/s3/{field}")));
        }
        self.with(&[
            ("S3_PERMISSION", "/mastodon/s3/permission"),
            ("S3_REGION", "/mastodon/s3/region"),
            ("S3_ALIAS_HOST", "/mastodon/s3/alias_host"),
            ("S3_MULTIPART_THRESHOLD", "/mastodon/s3/multipart_threshold"),
            ("S3_OVERRIDE_PATH_STYLE", "/mastodon/s3/override_path_style"),
        ]);
    }

    fn mail(&mut self) {
        const FIELDS: [&str; 13] = [
            "auth_method",
            "ca_file",
            "delivery_method",
            "domain",
            "enable_starttls",
            "enable_starttls_auto",
            "from_address",
            "return_path",
            "openssl_verify_mode",
            "port",
            "reply_to",
            "server",
            "tls",
        ];
        let bulk = self.templates.on("/mastodon/smtp/bulk/enabled");
        for field in FIELDS {
            let key = format!("SMTP_{}", field.to_uppercase());
            self.with(&[(&key, &format!("/mastodon/smtp/{field}"))]);
            if bulk && !["delivery_method", "return_path", "reply_to"].contains(&field) {
                self.with(&[(&format!("BULK_{key}"), &format!("/mastodon/smtp/bulk/{field}"))]);
            }
        }
    }

    fn rest(&mut self) {
        let templates = self.templates;
        for (key, path) in [("RAILS_LOG_LEVEL", "rails"), ("LOG_LEVEL", "streaming")] {
            let level = templates.print(&format!("/mastodon/logLevel/{path}"));
            self.put(key, if level.is_empty() { "info".to_owned() } else { level });
        }
        self.put("MALLOC_ARENA_MAX", "2");
        self.put("NODE_ENV", "production");
        self.put("RAILS_ENV", "production");
        self.put("STREAMING_CLUSTER_NUM", templates.print("/mastodon/streaming/workers"));
        self.put("CACHE_BUSTER_ENABLED", templates.print("/mastodon/cacheBuster/enabled"));
        self.with(&[("STATSD_ADDR", "/mastodon/metrics/statsd/address")]);
        for (key, value) in entries(templates.values, "/mastodon/extraEnvVars") {
            self.put(key, printed(value, ""));
        }
    }
}
