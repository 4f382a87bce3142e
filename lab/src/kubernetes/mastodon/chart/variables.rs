//! The variables of containers that come out of Secrets, and which Secrets these are.

use serde_json::{Value, json};

use super::templates::Templates;
use crate::kubernetes::addons::{truth, variable};

/// A variable out of a Secret.
pub(super) fn secret(name: &str, from: &str, key: &str) -> Value {
    json!({"name": name, "valueFrom": {"secretKeyRef": {"name": from, "key": key}}})
}

impl Templates<'_> {
    /// The Secret with the seven keys of Rails.
    pub(super) fn secret_name(&self) -> String {
        self.first_or("/mastodon/secrets/existingSecret", || self.name(""))
    }

    /// The Secret with `PostgreSQL`'s password.
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

    /// The passwords every program that is Mastodon's reads: `PostgreSQL`'s and Redis'.
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
