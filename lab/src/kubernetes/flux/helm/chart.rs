//! The `HelmChart` of a `HelmRelease`: made from its template (fluxcd/helm-controller
//! `internal/reconcile/helmchart_template.go`).

use std::sync::Arc;

use serde_json::{Value, json};

use crate::kubernetes::Kubernetes;
use crate::kubernetes::flux::charts::Metadata;
use crate::kubernetes::flux::conditions::{is, part};
use crate::kubernetes::flux::{SOURCE, revision, source_key};
use crate::kubernetes::store::Key;
use crate::kubernetes::value::{at, entries, number, set, text};

/// The chart of a release: the one it refers to, or the one made for it beside its source.
pub(super) fn key_of(key: &Key, release: &Value) -> Key {
    let reference = at(release, "/spec/chartRef");
    if !reference.is_null() {
        return source_key(reference, &key.namespace);
    }
    let namespace = match text(release, "/spec/chart/spec/sourceRef/namespace") {
        "" => key.namespace.as_str(),
        other => other,
    };
    Key::new(SOURCE, "helmcharts", namespace, &format!("{}-{}", key.namespace, key.name))
}

impl Kubernetes {
    /// Makes or changes the chart of a release, and says where it is.
    pub(super) fn sync_chart(&mut self, key: &Key, release: &Value) -> Key {
        let chart = key_of(key, release);
        if !at(release, "/spec/chartRef").is_null() {
            return chart;
        }
        let template = at(release, "/spec/chart/spec");
        let interval = match text(template, "/interval") {
            "" => text(release, "/spec/interval"),
            own => own,
        };
        let mut spec = json!({"chart": template["chart"], "interval": interval, "sourceRef": {"kind": template["sourceRef"]["kind"],
            "name": template["sourceRef"]["name"]}});
        for field in ["version", "reconcileStrategy", "valuesFiles", "ignoreMissingValuesFiles", "verify"] {
            if let Some(value) = template.get(field) {
                spec[field] = value.clone();
            }
        }
        let mut object = json!({"metadata": {"name": chart.name, "namespace": chart.namespace, "labels": {
            "helm.toolkit.fluxcd.io/name": key.name, "helm.toolkit.fluxcd.io/namespace": key.namespace}}, "spec": spec});
        for place in ["labels", "annotations"] {
            for (name, value) in entries(release, &format!("/spec/chart/metadata/{place}")) {
                crate::kubernetes::value::object(&mut object, &format!("/metadata/{place}"))
                    .insert(name.clone(), value.clone());
            }
        }
        if self.store.get(&chart).is_none() {
            // What the API server fills in stands in the schema; the controller's own writes go past it.
            set(&mut object, "/status/observedGeneration", -1);
            self.make(SOURCE, "helmcharts", object);
        } else {
            self.edit(&chart, |object| set(object, "/spec", spec));
        }
        chart
    }

    /// The chart of a release, once it can be used.
    pub(super) fn ready_chart(&self, key: &Key, release: &Value) -> Result<Metadata, String> {
        let chart = key_of(key, release);
        let kind = if chart.resource == "helmcharts" { "HelmChart" } else { text(release, "/spec/chartRef/kind") };
        let unready = |why: &str| format!("{kind} '{}/{}' is not ready: {why}", chart.namespace, chart.name);
        let found: &Arc<Value> = self.store.get(&chart).ok_or_else(|| {
            format!("could not get Source object: {}.{} \"{}\" not found", chart.resource, chart.group, chart.name)
        })?;
        if number(found, "/metadata/generation") != number(found, "/status/observedGeneration") {
            let why = match part(found, "Ready", "status") {
                "False" => part(found, "Ready", "message"),
                _ => "latest generation of object has not been reconciled",
            };
            return Err(unready(why));
        }
        if is(found, "Stalled") {
            return Err(unready(part(found, "Stalled", "message")));
        }
        if revision(found).is_empty() {
            return Err(unready("does not have an artifact"));
        }
        self.chart_metadata(found, &chart.namespace).ok_or_else(|| unready("artifact not found"))
    }
}
