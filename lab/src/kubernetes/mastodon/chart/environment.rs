//! The ConfigMap `mastodon-env`, and the variables that come out of Secrets.

use serde_json::{Map, Value, json};

use super::templates::Templates;
use crate::kubernetes::addons::{printed, truth, variable};
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

/// A variable out of a Secret.
pub(super) fn secret(name: &str, from: &str, key: &str) -> Value {
    json!({"name": name, "valueFrom": {"secretKeyRef": {"name": from, "key": key}}})
}

impl Templates<'_> {
    /// The Secret with the seven keys of Rails.
    pub(super) fn secret_name(&self) -> String {
        self.first_or("/mastodon/secrets/existingSecret", || self.name(""))
    }

    /// The Secret with PostgreSQL's password.
    pub(super) fn database_secret(&self) -> String {
        let bundled = self.on("/postgresql/enabled");
        if (bundled || self.on("/postgresql/postgresqlHostname")) && self.on("/postgresql/auth/existingSecret") {
            return self.print("/postgresql/auth/existingSecret");
        }
        if bundled { self.dependency("postgresql") } else { self.name("") }
    }

    /// The Secret with Redis' password.
    pub(super) fn redis_secret(&self) -> String {
        self.first_or("/redis/auth/existingSecret", || {
            self.first_or("/redis/existingSecret", || {
                if self.on("/redis/enabled") { self.dependency("redis") } else { self.name("redis") }
            })
        })
    }

    /// The Secret with the login of the mail server.
    pub(super) fn mail_secret(&self) -> String {
        self.first_or("/mastodon/smtp/existingSecret", || self.name("smtp"))
    }

    fn first_or(&self, path: &str, otherwise: impl FnOnce() -> String) -> String {
        match self.print(path) {
            name if name.is_empty() => otherwise(),
            name => name,
        }
    }

    /// The passwords every program that is Mastodon's reads: PostgreSQL's and Redis'.
    pub(super) fn passwords(&self) -> Vec<Value> {
        let mut env = vec![secret("DB_PASS", &self.database_secret(), "password")];
        let replica = self.print("/postgresql/readReplica/auth/existingSecret");
        if !replica.is_empty() {
            env.push(secret("REPLICA_DB_PASS", &replica, "password"));
        }
        env.push(secret("REDIS_PASSWORD", &self.redis_secret(), &self.print("/redis/auth/existingSecretKey")));
        for part in ["sidekiq", "cache"] {
            let own = self.print(&format!("/redis/{part}/auth/existingSecret"));
            if self.on(&format!("/redis/{part}/enabled")) && !own.is_empty() {
                let key = self.print(&format!("/redis/{part}/auth/existingSecretKey"));
                env.push(secret(&format!("{}_REDIS_PASSWORD", part.to_uppercase()), &own, &key));
            }
        }
        env
    }

    /// The password of Elasticsearch and the keys of the object store, where they are in Secrets.
    pub(super) fn more_secrets(&self) -> Vec<Value> {
        let mut env = Vec::new();
        let search = self.print("/elasticsearch/existingSecret");
        if !search.is_empty() && (self.on("/elasticsearch/enabled") || self.on("/elasticsearch/hostname")) {
            env.push(secret("ES_PASS", &search, "password"));
        }
        env.extend(self.object_store_keys());
        env
    }

    /// The keys of the object store.
    pub(super) fn object_store_keys(&self) -> Vec<Value> {
        let store = self.print("/mastodon/s3/existingSecret");
        if !self.on("/mastodon/s3/enabled") || store.is_empty() {
            return Vec::new();
        }
        ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"].iter().map(|key| secret(key, &store, key)).collect()
    }

    /// `envFrom` of everything that is Rails.
    pub(super) fn sources(&self) -> Value {
        let mut sources = vec![
            json!({"configMapRef": {"name": self.name("env")}}),
            json!({"secretRef": {"name": self.secret_name()}}),
        ];
        if self.on("/mastodon/extraEnvFrom") {
            sources.push(json!({"configMapRef": {"name": self.print("/mastodon/extraEnvFrom")}}));
        }
        sources.into()
    }
}

/// The port a program of Mastodon's listens on, as a variable.
pub(super) fn port(templates: &Templates<'_>, path: &str) -> Value {
    debug_assert!(truth(templates.values, path), "the chart has a port there");
    variable("PORT", &templates.print(path))
}
