//! A release as helm keeps it: a Secret for each revision in the release's namespace.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::super::World;
use super::super::super::cluster::Cluster;
use super::super::super::process::Call;
use crate::kubernetes::Chart;

/// One revision of a release.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) revision: u64,
    /// `deployed`, `failed`, `superseded`, `uninstalling`, `uninstalled`, `pending-install` or `pending-upgrade`.
    pub(super) status: String,
    pub(super) chart: Chart,
    /// The values the user gave.
    pub(super) config: Value,
    pub(super) manifest: Vec<Value>,
    pub(super) first: jiff::Timestamp,
    pub(super) last: jiff::Timestamp,
    pub(super) description: String,
    pub(super) notes: String,
}

impl Record {
    pub(super) fn chart_name(&self) -> String {
        format!("{}-{}", self.chart.name, self.chart.version)
    }

    /// The objects as helm prints them.
    pub(super) fn manifest_text(&self) -> String {
        let document = |object: &Value| format!("---\n{}", crate::kubernetes::to_yaml(object));
        self.manifest.iter().map(document).collect::<Vec<_>>().concat()
    }

    /// The release as `-o json` shows it.
    pub(super) fn shown(&self) -> Value {
        json!({"name": self.name, "info": {"first_deployed": self.first.to_string(), "last_deployed": self.last.to_string(), "deleted": "",
            "description": self.description, "status": self.status, "notes": self.notes}, "config": self.config,
            "manifest": self.manifest_text(), "version": self.revision, "namespace": self.namespace})
    }

    /// As `pkg/storage/driver/secrets.go` writes it. helm reads what is not packed just as well.
    fn secret(&self) -> Value {
        let mut release = self.shown();
        release["chart"] = json!({"metadata": {"name": self.chart.name, "version": self.chart.version, "appVersion": self.chart.app_version}});
        release["objects"] = self.manifest.clone().into();
        let data = STANDARD.encode(STANDARD.encode(release.to_string()));
        json!({"apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
            "metadata": {"name": format!("sh.helm.release.v1.{}.v{}", self.name, self.revision), "namespace": self.namespace,
                "labels": {"name": self.name, "owner": "helm", "status": self.status, "version": self.revision.to_string(),
                    "modifiedAt": self.last.as_second().to_string()}},
            "data": {"release": data}})
    }

    fn read(secret: &Value) -> Option<Self> {
        let once = STANDARD.decode(secret["data"]["release"].as_str()?).ok()?;
        let release: Value = serde_json::from_slice(&STANDARD.decode(once).ok()?).ok()?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let time = |value: &Value| value.as_str()?.parse().ok();
        let metadata = &release["chart"]["metadata"];
        Some(Self {
            name: text(&release["name"]),
            namespace: text(&release["namespace"]),
            revision: release["version"].as_u64()?,
            status: text(&release["info"]["status"]),
            chart: Chart::known(metadata["name"].as_str()?, metadata["version"].as_str()?)?,
            config: release["config"].clone(),
            manifest: release["objects"].as_array().cloned().unwrap_or_default(),
            first: time(&release["info"]["first_deployed"])?,
            last: time(&release["info"]["last_deployed"])?,
            description: text(&release["info"]["description"]),
            notes: text(&release["info"]["notes"]),
        })
    }
}

/// Every revision of every release in a namespace, or in all, by namespace, name and revision.
pub(super) fn all(cluster: &Cluster, namespace: Option<&str>) -> Vec<Record> {
    let ours = |secret: &Value| {
        secret["type"] == "helm.sh/release.v1"
            && namespace.is_none_or(|wanted| secret["metadata"]["namespace"] == wanted)
    };
    let secrets = cluster.kubernetes.objects("secrets");
    let mut records: Vec<Record> = secrets.iter().filter(|secret| ours(secret)).filter_map(Record::read).collect();
    records.sort_by(|one, other| {
        (&one.namespace, &one.name, one.revision).cmp(&(&other.namespace, &other.name, other.revision))
    });
    records
}

/// The revisions of one release, the oldest first.
pub(super) fn history(cluster: &Cluster, namespace: &str, name: &str) -> Vec<Record> {
    all(cluster, Some(namespace)).into_iter().filter(|record| record.name == name).collect()
}

/// Writes a revision, new or changed.
pub(super) fn save(cluster: &mut Cluster, now: u64, record: &Record) -> Result<(), String> {
    let secret = record.secret();
    if cluster.kubernetes.released(now, &secret).is_some() {
        return cluster.kubernetes.release_update(now, &Value::Null, &secret);
    }
    cluster.kubernetes.release_create(now, &secret).map_err(|why| format!("create: failed to create: {why}"))
}

/// Forgets a revision.
pub(super) fn forget(cluster: &mut Cluster, now: u64, record: &Record) {
    cluster.kubernetes.release_delete(now, &record.secret());
}

/// What an installation of `OpenEBS` that failed leaves at least: its namespace, the definitions, which come before
/// everything else, and the record of the failure.
pub(in super::super::super) fn leave_failed(cluster: &mut Cluster, now: u64, time: jiff::Timestamp) {
    let Some(chart) = Chart::known("openebs", "3.3.1") else { return };
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "openebs"}});
    let record = Record {
        name: "openebs".to_owned(),
        namespace: "openebs".to_owned(),
        revision: 1,
        status: "failed".to_owned(),
        chart,
        config: json!({}),
        manifest: Vec::new(),
        first: time,
        last: time,
        description: "Release \"openebs\" failed: context deadline exceeded".to_owned(),
        notes: String::new(),
    };
    // A world is being arranged: the cluster is new, so that nothing can be in the way.
    let _ = cluster.kubernetes.release_create(now, &namespace);
    for definition in chart.definitions(&json!({"jiva": {"enabled": true}, "cstor": {"enabled": true}})) {
        let _ = cluster.kubernetes.release_create(now, &definition);
    }
    let _ = save(cluster, now, &record);
}

/// The cluster a helm command works on.
pub(super) fn cluster<'a>(world: &'a mut World, call: &Call) -> Result<&'a mut Cluster, String> {
    world.serving_cluster(&call.machine).ok_or_else(super::cluster_unreachable)
}
