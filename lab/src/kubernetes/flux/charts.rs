//! source-controller's `HelmChart`: a chart packed out of a Git repository's artifact (fluxcd/source-controller
//! `internal/controller/helmchart_controller.go`).

use std::sync::Arc;

use serde_json::{Value, json};

use super::conditions::{conclude, is, mark, unmark};
use super::work::{Work, Works};
use super::{DEPENDENCY, SOURCE, length, revision, source_key, suspended, wish};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::controllers::{Note, is_leaving};
use crate::kubernetes::names;
use crate::kubernetes::store::Key;
use crate::kubernetes::types::Millis;
use crate::kubernetes::value::{number, set, text};

/// How long packing takes.
const PACKING: Millis = 400;

/// A chart as its `Chart.yaml` says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) app_version: String,
}

/// Why there is no chart: a reason and a message.
type Refusal = (&'static str, String);

impl Kubernetes {
    pub(super) fn run_helm_charts(&mut self) {
        let mut before = std::mem::take(&mut self.flux.charts);
        let mut works = Works::new();
        for (key, object) in self.all_of(SOURCE, "helmcharts") {
            let uid = text(&object, "/metadata/uid").to_owned();
            let mut work = before.remove(&uid).unwrap_or_default();
            self.helm_chart(&key, &object, &uid, &mut work);
            works.insert(uid, work);
        }
        self.flux.charts = works;
    }

    fn helm_chart(&mut self, key: &Key, object: &Arc<Value>, uid: &str, work: &mut Work<()>) {
        if is_leaving(object) {
            self.remove_flux_finalizer(key);
            return;
        }
        if self.add_flux_finalizer(key, object) || suspended(object) {
            return;
        }
        let source = self.store.get(&source_key(&object["spec"]["sourceRef"], &key.namespace)).cloned();
        let trigger = format!("{} {}", wish(object), source.as_deref().map_or("", revision));
        if work.is_due(self.now, &trigger) {
            work.begin(self.now, trigger, ());
            let stamp = self.stamp();
            if number(object, "/metadata/generation") != number(object, "/status/observedGeneration") {
                self.edit(key, |object| {
                    mark(object, "Reconciling", "True", "Progressing", "reconciliation in progress", &stamp);
                    mark(object, "Ready", "Unknown", "Progressing", "reconciliation in progress", &stamp);
                });
            }
        }
        if work.stage.is_none() {
            if let Some(next) = work.next {
                self.wake_at(next);
            }
            return;
        }
        if !self.due(uid, "pack", PACKING) {
            return;
        }
        self.reset(uid, "pack");
        match self.pack(object, source.as_deref()) {
            Ok(chart) => self.store_chart(key, object, &chart, source.as_deref(), work),
            Err(refusal) => self.refuse_chart(key, object, &refusal, work),
        }
    }

    /// The chart in the source's tree.
    fn pack(&self, object: &Value, source: Option<&Value>) -> Result<Metadata, Refusal> {
        let (kind, name) = (text(object, "/spec/sourceRef/kind"), text(object, "/spec/sourceRef/name"));
        let Some(source) = source else {
            let key = source_key(&object["spec"]["sourceRef"], "");
            let why = format!(
                "failed to get source: {} \"{name}\" not found",
                crate::kubernetes::status::qualified(SOURCE, &key.resource)
            );
            return Err(("SourceUnavailable", why));
        };
        let tree = self.flux.trees.get(text(source, "/metadata/uid")).filter(|_| !revision(source).is_empty());
        let tree =
            tree.ok_or_else(|| ("NoSourceArtifact", format!("no artifact available for {kind} source '{name}'")))?;
        let folder = text(object, "/spec/chart").trim_start_matches("./").trim_matches('/').to_owned();
        let path =
            if folder.is_empty() || folder == "." { "Chart.yaml".to_owned() } else { format!("{folder}/Chart.yaml") };
        let missing = || {
            let why = format!(
                "chart reference error: stat /tmp/helmchart-{}/source/{folder}: no such file or directory",
                text(object, "/metadata/name")
            );
            ("InvalidChartReference", why)
        };
        let content = tree.files.get(&path).ok_or_else(missing)?;
        let read = crate::kubernetes::from_yaml(&String::from_utf8_lossy(content)).unwrap_or_default();
        let chart = read.first().cloned().unwrap_or_default();
        let mut metadata = Metadata {
            name: text(&chart, "/name").to_owned(),
            version: text(&chart, "/version").to_owned(),
            app_version: text(&chart, "/appVersion").to_owned(),
        };
        if metadata.name.is_empty() || metadata.version.is_empty() {
            return Err((
                "ChartPackageError",
                "chart package error: chart.metadata.name and chart.metadata.version are required".to_owned(),
            ));
        }
        if text(object, "/spec/reconcileStrategy") == "Revision" {
            metadata.version += &format!("+{}", &tree.commit[..12]);
        }
        Ok(metadata)
    }

    fn refuse_chart(&mut self, key: &Key, object: &Arc<Value>, (reason, message): &Refusal, work: &mut Work<()>) {
        let stamp = self.stamp();
        // A reference that cannot become right by itself is not tried again before something changes.
        let stalled = *reason == "InvalidChartReference";
        self.edit(key, |object| {
            let kind = if stalled { "BuildFailed" } else { "FetchFailed" };
            mark(object, kind, "True", reason, message, &stamp);
            mark(object, "Ready", "False", reason, message, &stamp);
            if stalled {
                mark(object, "Stalled", "True", reason, message, &stamp);
            }
            conclude(object);
        });
        if *reason != "NoSourceArtifact" {
            self.note(object, &Note { kind: "Warning", reason, message, component: "source-controller" });
        }
        work.rest(self.now, if stalled { length(object, "/spec/interval", 600_000) } else { DEPENDENCY });
        if let Some(next) = work.next {
            self.wake_at(next);
        }
    }

    fn store_chart(
        &mut self,
        key: &Key,
        object: &Arc<Value>,
        chart: &Metadata,
        source: Option<&Value>,
        work: &mut Work<()>,
    ) {
        let stamp = self.stamp();
        let observed = source.map(revision).unwrap_or_default().to_owned();
        let message = format!("packaged '{}' chart with version '{}'", chart.name, chart.version);
        let digest =
            names::digest_hex(&[chart.name.as_bytes(), chart.version.as_bytes(), chart.app_version.as_bytes()]);
        let path = format!("helmchart/{}/{}/{}-{}.tgz", key.namespace, key.name, chart.name, chart.version);
        let fresh = revision(object) != chart.version;
        let recovered = is(object, "FetchFailed") || is(object, "BuildFailed");
        self.edit(key, |object| {
            if fresh {
                set(object, "/status/artifact", json!({"digest": format!("sha256:{digest}"), "lastUpdateTime": stamp, "path": path,
                    "revision": chart.version, "size": 180_000, "url": format!("http://source-controller.flux-system.svc.cluster.local./{path}")}));
            }
            set(object, "/status/observedChartName", chart.name.as_str());
            set(object, "/status/observedSourceArtifactRevision", observed);
            for kind in ["FetchFailed", "BuildFailed", "Stalled"] {
                unmark(object, kind);
            }
            mark(object, "Ready", "True", "ChartPackageSucceeded", &message, &stamp);
            mark(object, "ArtifactInStorage", "True", "ChartPackageSucceeded", &message, &stamp);
            conclude(object);
        });
        if fresh || recovered {
            let note = Note {
                kind: "Normal",
                reason: "ChartPackageSucceeded",
                message: &message,
                component: "source-controller",
            };
            self.note(object, &note);
        }
        work.succeed(self.now, length(object, "/spec/interval", 600_000));
        if let Some(next) = work.next {
            self.wake_at(next);
        }
    }

    /// The chart behind a `HelmChart` that is ready.
    pub(super) fn chart_metadata(&self, object: &Value, namespace: &str) -> Option<Metadata> {
        let source = self.store.get(&source_key(&object["spec"]["sourceRef"], namespace))?;
        let mut chart = self.pack(object, Some(source)).ok()?;
        // What is installed is what was packed, also while a newer revision has been fetched already.
        revision(object).clone_into(&mut chart.version);
        Some(chart)
    }
}
