//! A release as helm keeps it, a Secret for each revision (helm.sh/helm `pkg/storage/driver/secrets.go`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::charts::Metadata;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::names;
use crate::kubernetes::value::{at, list, number, text};

/// One revision of a release.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) namespace: String,
    /// Where the Secret is.
    pub(super) storage: String,
    pub(super) revision: i64,
    /// `deployed`, `failed`, `superseded`, `uninstalled`, `pending-install`, `pending-upgrade` or `pending-rollback`.
    pub(super) status: String,
    pub(super) chart: Metadata,
    pub(super) values: Value,
    pub(super) objects: Vec<Value>,
    pub(super) first: String,
    pub(super) last: String,
    pub(super) description: String,
}

/// What tells sets of values apart.
pub(super) fn config_digest(values: &Value) -> String {
    format!("sha256:{}", names::sha256_hex(values.to_string().as_bytes()))
}

impl Record {
    fn secret(&self) -> Value {
        let manifest: String =
            self.objects.iter().map(|object| format!("---\n{}", crate::kubernetes::to_yaml(object))).collect();
        let release = json!({"name": self.name, "namespace": self.namespace, "version": self.revision, "config": self.values,
            "info": {"first_deployed": self.first, "last_deployed": self.last, "deleted": "", "description": self.description, "status": self.status},
            "chart": {"metadata": {"name": self.chart.name, "version": self.chart.version, "appVersion": self.chart.app_version}},
            "manifest": manifest, "objects": self.objects});
        json!({"apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
            "metadata": {"name": format!("sh.helm.release.v1.{}.v{}", self.name, self.revision), "namespace": self.storage,
                "labels": {"name": self.name, "owner": "helm", "status": self.status, "version": self.revision.to_string()}},
            "data": {"release": STANDARD.encode(STANDARD.encode(release.to_string()))}})
    }

    fn read(secret: &Value) -> Option<Self> {
        let once = STANDARD.decode(text(secret, "/data/release")).ok()?;
        let release: Value = serde_json::from_slice(&STANDARD.decode(once).ok()?).ok()?;
        let field = |path: &str| text(&release, path).to_owned();
        Some(Self {
            name: field("/name"),
            namespace: field("/namespace"),
            storage: text(secret, "/metadata/namespace").to_owned(),
            revision: number(&release, "/version"),
            status: field("/info/status"),
            chart: Metadata {
                name: field("/chart/metadata/name"),
                version: field("/chart/metadata/version"),
                app_version: field("/chart/metadata/appVersion"),
            },
            values: at(&release, "/config").clone(),
            objects: list(&release, "/objects").to_vec(),
            first: field("/info/first_deployed"),
            last: field("/info/last_deployed"),
            description: field("/info/description"),
        })
    }

    /// `namespace/name.vN`
    pub(super) fn full_name(&self) -> String {
        format!("{}/{}.v{}", self.namespace, self.name, self.revision)
    }

    /// `chart@version`
    pub(super) fn chart_name(&self) -> String {
        format!("{}@{}", self.chart.name, self.chart.version)
    }

    /// An entry of `status.history`.
    pub(super) fn snapshot(&self, action: &str) -> Value {
        let secret = self.secret();
        let digest = names::sha256_hex(text(&secret, "/data/release").as_bytes());
        json!({"action": action, "appVersion": self.chart.app_version, "chartName": self.chart.name, "chartVersion": self.chart.version,
            "configDigest": config_digest(&self.values), "digest": format!("sha256:{digest}"), "firstDeployed": self.first,
            "lastDeployed": self.last, "name": self.name, "namespace": self.namespace, "status": self.status, "version": self.revision})
    }
}

impl Kubernetes {
    /// The revisions of a release in a storage namespace, the oldest first.
    pub(super) fn revisions(&self, storage: &str, name: &str) -> Vec<Record> {
        let secrets = self.store.list("", "secrets", Some(storage));
        let ours = secrets.filter(|(_, secret)| {
            text(secret, "/type") == "helm.sh/release.v1" && text(secret, "/metadata/labels/name") == name
        });
        let mut records: Vec<Record> = ours.filter_map(|(_, secret)| Record::read(secret)).collect();
        records.sort_by_key(|record| record.revision);
        records
    }

    /// Writes a revision, new or changed.
    ///
    /// # Errors
    /// What the API server says against it.
    pub(super) fn save_revision(&mut self, record: &Record) -> Result<(), String> {
        let (now, secret) = (self.now, record.secret());
        if self.released(now, &secret).is_some() {
            return self.release_update(now, &Value::Null, &secret);
        }
        self.release_create(now, &secret).map_err(|why| format!("create: failed to create: {why}"))
    }

    /// Forgets a revision.
    pub(super) fn forget_revision(&mut self, record: &Record) {
        let now = self.now;
        self.release_delete(now, &record.secret());
    }
}
