//! Charts that helm can install here: their versions, their values, what they render to.

use serde_json::{Value, json};

use super::super::value::{at, entries, object, set, text};
use super::{definitions, jiva, nfs_provisioner, openebs};

/// A chart in one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chart {
    /// `openebs` or `nfs-provisioner`.
    pub name: &'static str,
    /// The chart's own version.
    pub version: &'static str,
    /// The version of what it installs.
    pub app_version: &'static str,
}

const fn openebs(version: &'static str, app_version: &'static str) -> Chart {
    Chart { name: "openebs", version, app_version }
}

/// The newest first (openebs/charts `charts/openebs/Chart.yaml`, openebs/dynamic-nfs-provisioner `deploy/helm/charts`).
const CHARTS: [Chart; 12] = [
    openebs("3.10.0", "3.10.0"),
    openebs("3.9.0", "3.9.0"),
    openebs("3.8.0", "3.8.0"),
    openebs("3.7.0", "3.7.0"),
    openebs("3.6.0", "3.6.0"),
    openebs("3.5.0", "3.5.0"),
    openebs("3.4.1", "3.4.0"),
    openebs("3.4.0", "3.4.0"),
    openebs("3.3.1", "3.3.0"),
    openebs("3.3.0", "3.3.0"),
    Chart { name: "nfs-provisioner", version: "0.11.0", app_version: "0.11.0" },
    Chart { name: "nfs-provisioner", version: "0.10.0", app_version: "0.10.0" },
];

/// What a template knows of its release.
#[derive(Debug, Clone, Copy)]
pub struct Release<'a> {
    /// The release's name.
    pub name: &'a str,
    /// The namespace it is installed into.
    pub namespace: &'a str,
}

impl Chart {
    /// The charts of that name, the newest first.
    pub fn versions(name: &str) -> impl Iterator<Item = Self> {
        CHARTS.into_iter().filter(move |chart| chart.name == name)
    }

    /// The chart that a packed or unpacked one says it is.
    pub fn known(name: &str, version: &str) -> Option<Self> {
        Self::versions(name).find(|chart| chart.version == version)
    }

    /// The line that says what it is.
    pub fn description(&self) -> &'static str {
        if self.name == "openebs" {
            "Containerized Attached Storage for Kubernetes"
        } else {
            "Helm chart for OpenEBS Dynamic NFS PV. For instructions on how to use this helm chart, see - https://openebs.github.io/dynamic-nfs-provisioner/"
        }
    }

    /// The values the chart brings along, as far as its objects here depend on them.
    pub fn defaults(&self) -> Value {
        if self.name == "openebs" { openebs::defaults(self) } else { nfs_provisioner::defaults() }
    }

    /// The definitions in its folder `crds`: helm creates them once and never touches them again.
    pub fn definitions(&self, values: &Value) -> Vec<Value> {
        if self.name == "openebs" { definitions::of(values) } else { Vec::new() }
    }

    /// The objects its templates make of the values, in the order in which helm installs kinds.
    pub fn render(&self, release: Release<'_>, values: &Value) -> Vec<Value> {
        let mut objects = if self.name == "openebs" {
            openebs::render(self, release, values)
        } else {
            nfs_provisioner::render(self, release, values)
        };
        for object in &mut objects {
            set(object, "/metadata/labels/app.kubernetes.io~1managed-by", "Helm");
            set(object, "/metadata/annotations/meta.helm.sh~1release-name", release.name);
            set(object, "/metadata/annotations/meta.helm.sh~1release-namespace", release.namespace);
            if NAMESPACED.contains(&text(object, "/kind")) {
                set(object, "/metadata/namespace", release.namespace);
            }
        }
        objects
            .sort_by_key(|object| ORDER.iter().position(|kind| *kind == text(object, "/kind")).unwrap_or(ORDER.len()));
        objects
    }

    /// What helm prints after an installation.
    pub fn notes(&self, release: Release<'_>) -> String {
        if self.name == "openebs" { openebs::notes(release) } else { nfs_provisioner::notes(release) }
    }
}

/// helm's `pkg/releaseutil/kind_sorter.go`, the kinds that occur here.
const ORDER: [&str; 10] = [
    "PriorityClass",
    "ServiceAccount",
    "ConfigMap",
    "StorageClass",
    "ClusterRole",
    "ClusterRoleBinding",
    "Service",
    "DaemonSet",
    "Deployment",
    "StatefulSet",
];

const NAMESPACED: [&str; 7] =
    ["ServiceAccount", "ConfigMap", "Service", "DaemonSet", "Deployment", "StatefulSet", "JivaVolumePolicy"];

/// `values` with what `over` says on top: objects merge, everything else replaces, null removes.
pub fn merge_values(values: &mut Value, over: &Value) {
    for (key, new) in entries(over, "") {
        match new {
            Value::Null => drop(object(values, "").remove(key)),
            Value::Object(_) if values.get(key).is_some_and(Value::is_object) => {
                if let Some(inner) = values.get_mut(key) {
                    merge_values(inner, new);
                }
            }
            _ => drop(object(values, "").insert(key.clone(), new.clone())),
        }
    }
}

/// Whether a value counts as true in a template's `if`: only what is absent, empty, zero or false does not.
pub(in crate::kubernetes) fn truth(values: &Value, path: &str) -> bool {
    match at(values, path) {
        Value::Null => false,
        Value::Bool(on) => *on,
        Value::String(text) => !text.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// A value as a template prints it.
pub(in crate::kubernetes) fn printed(values: &Value, path: &str) -> String {
    match at(values, path) {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// `<release>-<chart>`, or the release's name alone where it contains the chart's.
pub(in crate::kubernetes) fn full_name(release: &str, chart: &str) -> String {
    let name = if release.contains(chart) { release.to_owned() } else { format!("{release}-{chart}") };
    name.chars().take(63).collect::<String>().trim_end_matches('-').to_owned()
}

/// One component of a chart: the object's name and the labels by which its pods are known.
pub(super) struct Component<'a> {
    pub(super) name: String,
    /// Selects the pods.
    pub(super) selects: Value,
    /// All labels, those that select included.
    pub(super) labels: Value,
    pub(super) release: Release<'a>,
}

impl<'a> Component<'a> {
    /// `selects` and `more` are objects of labels.
    pub(super) fn new(release: Release<'a>, name: String, selects: Value, more: &Value) -> Self {
        let mut labels = selects.clone();
        merge_values(&mut labels, more);
        set(&mut labels, "/release", release.name);
        set(&mut labels, "/heritage", "Helm");
        let mut selects = selects;
        set(&mut selects, "/release", release.name);
        Self { name, selects, labels, release }
    }

    /// A `DaemonSet`, `Deployment` or `StatefulSet` around a pod's `spec`.
    pub(super) fn workload(&self, kind: &str, pod: &Value) -> Value {
        let mut object = json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": self.name, "labels": self.labels},
            "spec": {"selector": {"matchLabels": self.selects}, "template": {"metadata": {"labels": self.labels}, "spec": pod}}});
        if kind != "DaemonSet" {
            set(&mut object, "/spec/replicas", 1);
        }
        if kind == "Deployment" {
            set(&mut object, "/spec/strategy", json!({"type": "Recreate"}));
        }
        if kind == "StatefulSet" {
            set(&mut object, "/spec/serviceName", "openebs-csi");
        }
        object
    }

    /// The account its pods run under, with the right to everything it works on.
    pub(super) fn account(&self, name: &str) -> [Value; 3] {
        [
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "labels": self.labels}}),
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name, "labels": self.labels},
                "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}),
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name, "labels": self.labels},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": self.release.namespace}]}),
        ]
    }
}

/// A directory of the host as a pod's volume.
pub(super) fn host_path(name: &str, path: &str, kind: &str) -> Value {
    json!({"name": name, "hostPath": {"path": path, "type": kind}})
}

/// Where a container sees a volume.
pub(in crate::kubernetes) fn mounted(name: &str, path: &str) -> Value {
    json!({"name": name, "mountPath": path})
}

/// An environment variable with a fixed value.
pub(in crate::kubernetes) fn variable(name: &str, value: &str) -> Value {
    json!({"name": name, "value": value})
}

/// An environment variable with a field of the pod.
pub(super) fn field(name: &str, path: &str) -> Value {
    json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}})
}

/// The Jiva operator's version in a version of the umbrella chart.
pub(super) fn engine_version(chart: &Chart) -> &'static str {
    jiva::version(chart)
}
