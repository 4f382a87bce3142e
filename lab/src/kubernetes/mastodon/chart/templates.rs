//! What the chart's templates share: names, labels, the choice between a component's value and the common one.

use serde_json::{Value, json};

use crate::kubernetes::addons::{Release, full_name, printed, truth};
use crate::kubernetes::names::sha256_hex;
use crate::kubernetes::value::{at, set};

/// The chart's own version (mastodon/chart `Chart.yaml`).
pub(super) const VERSION: &str = "6.9.3";
/// The version of Mastodon it installs.
const APP_VERSION: &str = "v4.6.3";

/// One rendering: the release, its values, and its revision.
pub(super) struct Templates<'a> {
    pub(super) release: Release<'a>,
    pub(super) values: &'a Value,
    pub(super) revision: u32,
}

impl<'a> Templates<'a> {
    pub(super) const fn new(release: Release<'a>, values: &'a Value, revision: u32) -> Self {
        Self { release, values, revision }
    }

    /// `mastodon.fullname` with a suffix.
    pub(super) fn name(&self, suffix: &str) -> String {
        let base = match self.print("/fullnameOverride") {
            name if name.is_empty() => full_name(self.release.name, "mastodon"),
            name => name,
        };
        if suffix.is_empty() { base } else { format!("{base}-{suffix}") }
    }

    /// The name of a dependency's object, as this chart thinks it is called.
    pub(super) fn dependency(&self, chart: &str) -> String {
        format!("{}-{chart}", self.release.name)
    }

    pub(super) fn at(&self, path: &str) -> &'a Value {
        at(self.values, path)
    }

    pub(super) fn print(&self, path: &str) -> String {
        printed(self.values, path)
    }

    pub(super) fn on(&self, path: &str) -> bool {
        truth(self.values, path)
    }

    /// The first of these values that is not empty; null where all are.
    pub(super) fn first(&self, paths: &[&str]) -> Value {
        let found = paths.iter().find(|path| truth(self.values, path));
        found.map_or(Value::Null, |path| self.at(path).clone())
    }

    /// The version of Mastodon in labels and images.
    fn tag(&self) -> String {
        match self.print("/image/tag") {
            tag if tag.is_empty() => APP_VERSION.to_owned(),
            tag => tag,
        }
    }

    /// The image of everything that is Rails, with what a component says instead.
    pub(super) fn image(&self, component: &Value) -> String {
        let repository = match printed(component, "/image/repository") {
            own if own.is_empty() => self.print("/image/repository"),
            own => own,
        };
        let tag = match printed(component, "/image/tag") {
            own if own.is_empty() => self.tag(),
            own => own,
        };
        format!("{repository}:{tag}")
    }

    /// `mastodon.selectorLabels`, and more.
    pub(super) fn selector(&self, more: &Value) -> Value {
        let mut labels = json!({"app.kubernetes.io/name": "mastodon", "app.kubernetes.io/instance": self.release.name});
        extend(&mut labels, more);
        labels
    }

    /// `mastodon.labels`, and more.
    pub(super) fn labels(&self, more: &Value) -> Value {
        let mut labels = self.selector(self.at("/mastodon/labels"));
        extend(
            &mut labels,
            &json!({"helm.sh/chart": format!("mastodon-{VERSION}"), "app.kubernetes.io/version": self.tag(), "app.kubernetes.io/managed-by": "Helm"}),
        );
        extend(&mut labels, more);
        labels
    }

    /// An object with its name and labels.
    pub(super) fn object(&self, version: &str, kind: &str, name: &str) -> Value {
        json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": self.labels(&Value::Null)}})
    }

    /// `mastodon.rollingPodAnnotations`: pods are replaced at each revision, and with what they read at their start.
    pub(super) fn rolling_annotations(&self, component: &Value) -> Value {
        let mut annotations = json!({});
        extend(&mut annotations, self.at("/podAnnotations"));
        extend(&mut annotations, at(component, "/podAnnotations"));
        if self.on("/revisionPodAnnotation") {
            set(&mut annotations, "/rollme", self.revision.to_string());
        }
        let sum = |object: Option<Value>| sha256_hex(object.unwrap_or_default().to_string().as_bytes());
        set(&mut annotations, "/checksum~1config-secrets", sum(super::secrets::main(self)));
        set(&mut annotations, "/checksum~1config-configmap", sum(Some(super::environment::config_map(self))));
        annotations
    }

    /// The account the pods run under.
    pub(super) fn account(&self) -> String {
        match (self.print("/serviceAccount/name"), self.on("/serviceAccount/create")) {
            (name, _) if !name.is_empty() => name,
            (_, true) => self.name(""),
            (_, false) => "default".to_owned(),
        }
    }

    /// Whether the files are kept on claims: not where an object store has them.
    pub(super) fn has_claims(&self) -> bool {
        !self.on("/mastodon/s3/enabled")
    }

    /// `assets` or `system`: the claim's name.
    pub(super) fn claim(&self, which: &str) -> String {
        match self.print(&format!("/mastodon/persistence/{which}/existingClaim")) {
            name if name.is_empty() => self.name(which),
            name => name,
        }
    }

    /// The host of PostgreSQL, of a bundled one or another.
    pub(super) fn database_host(&self) -> String {
        if self.on("/postgresql/enabled") {
            self.dependency("postgresql")
        } else {
            self.print("/postgresql/postgresqlHostname")
        }
    }

    /// Its port.
    pub(super) fn database_port(&self) -> String {
        match self.print("/postgresql/postgresqlPort") {
            port if !port.is_empty() && !self.on("/postgresql/enabled") => port,
            _ => "5432".to_owned(),
        }
    }

    /// The host of Redis, of a bundled one or another.
    pub(super) fn redis_host(&self) -> String {
        if self.on("/redis/enabled") { self.dependency("redis-master") } else { self.print("/redis/hostname") }
    }

    /// The port of Redis.
    pub(super) fn redis_port(&self) -> String {
        match self.print("/redis/port") {
            port if port.is_empty() => "6379".to_owned(),
            port => port,
        }
    }
}

/// Adds the entries of another object.
pub(super) fn extend(object: &mut Value, more: &Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more.clone());
    }
}
