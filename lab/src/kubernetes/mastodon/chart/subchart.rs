//! What Bitnami's charts have in common (bitnami/charts `bitnami/common/templates`).

use serde_json::{Value, json};

use super::templates::{Templates, extend};
use crate::kubernetes::addons::{full_name, printed, truth};
use crate::kubernetes::names::sha256_hex;
use crate::kubernetes::value::{at, object, remove, set};

/// One dependency of the chart.
pub(super) struct Subchart<'a> {
    pub(super) templates: &'a Templates<'a>,
    /// `postgresql`, `redis`, `elasticsearch`; also where its values are.
    pub(super) name: &'static str,
    /// The chart's version.
    pub(super) version: &'static str,
    /// The version of the program.
    pub(super) app_version: &'static str,
}

impl<'a> Subchart<'a> {
    pub(super) fn values(&self) -> &'a Value {
        self.templates.at(&format!("/{}", self.name))
    }

    /// `common.names.fullname` with a suffix.
    pub(super) fn full_name(&self, suffix: &str) -> String {
        let base = match printed(self.values(), "/fullnameOverride") {
            name if name.is_empty() => full_name(self.templates.release.name, self.name),
            name => name,
        };
        if suffix.is_empty() { base } else { format!("{base}-{suffix}") }
    }

    /// `common.labels.matchLabels`, for a component.
    pub(super) fn selector(&self, component: &str) -> Value {
        let mut labels =
            json!({"app.kubernetes.io/name": self.name, "app.kubernetes.io/instance": self.templates.release.name});
        if !component.is_empty() {
            set(&mut labels, "/app.kubernetes.io~1component", component);
        }
        labels
    }

    /// `common.labels.standard`, for a component.
    pub(super) fn labels(&self, component: &str) -> Value {
        let mut labels = self.selector(component);
        extend(
            &mut labels,
            &json!({"helm.sh/chart": format!("{}-{}", self.name, self.version), "app.kubernetes.io/version": self.app_version,
                "app.kubernetes.io/managed-by": "Helm"}),
        );
        labels
    }

    pub(super) fn object(&self, version: &str, kind: &str, name: &str, component: &str) -> Value {
        json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": self.labels(component)}})
    }

    /// `registry/repository:tag`, or by digest.
    pub(super) fn image(&self, path: &str) -> String {
        let image = at(self.values(), path);
        let registry = match self.templates.print("/global/imageRegistry") {
            global if global.is_empty() => printed(image, "/registry"),
            global => global,
        };
        let name = format!("{registry}/{}", printed(image, "/repository"));
        if truth(image, "/digest") {
            format!("{name}@{}", printed(image, "/digest"))
        } else {
            format!("{name}:{}", printed(image, "/tag"))
        }
    }

    /// A Service of one port; a headless one also knows pods that are not ready.
    pub(super) fn service(&self, name: &str, component: &str, port: (&str, u16), headless: bool) -> Value {
        let mut service = self.object("v1", "Service", name, component);
        let mut spec = json!({"type": "ClusterIP", "selector": self.selector(component),
            "ports": [{"name": port.0, "port": port.1, "targetPort": port.0}]});
        if headless {
            spec["clusterIP"] = "None".into();
            spec["publishNotReadyAddresses"] = true.into();
        }
        service["spec"] = spec;
        service
    }

    /// A `StatefulSet` with one kind of pod, whose data is on a claim where the component's values want it.
    pub(super) fn stateful_set(&self, set_of: &Set<'_>) -> Value {
        let Set { name, component, values, service, data, pod, replicas } = set_of;
        let mut object = self.object("apps/v1", "StatefulSet", name, component);
        let mut pod = pod.clone();
        let mut spec = json!({"replicas": replicas, "serviceName": service, "selector": {"matchLabels": self.selector(component)},
            "updateStrategy": {"type": "RollingUpdate"}});
        for key in ["nodeSelector", "tolerations"] {
            pod[key] = if truth(values, &format!("/{key}")) { values[key].clone() } else { Value::Null };
        }
        pod["affinity"] =
            if truth(values, "/affinity") { values["affinity"].clone() } else { self.soft_affinity(component) };
        pod["serviceAccountName"] = name.as_str().into();
        pod["securityContext"] = json!({"fsGroup": 1001});
        if truth(values, "/persistence/enabled") {
            if truth(values, "/persistence/existingClaim") {
                push(
                    &mut pod,
                    "/volumes",
                    json!({"name": data, "persistentVolumeClaim": {"claimName": printed(values, "/persistence/existingClaim")}}),
                );
            } else {
                spec["volumeClaimTemplates"] =
                    json!([self.claim_template(data, component, at(values, "/persistence"))]);
            }
        } else if !data.is_empty() {
            push(&mut pod, "/volumes", json!({"name": data, "emptyDir": {}}));
        }
        let mut labels = self.labels(component);
        extend(&mut labels, at(values, "/podLabels"));
        spec["template"] =
            json!({"metadata": {"labels": labels, "annotations": self.given(values, "podAnnotations")}, "spec": pod});
        object["spec"] = spec;
        object
    }

    fn given(&self, values: &Value, key: &str) -> Value {
        let value = if truth(values, &format!("/{key}")) { values[key].clone() } else { Value::Null };
        debug_assert!(value.is_null() || value.is_object(), "{}.{key} is a map", self.name);
        value
    }

    fn claim_template(&self, data: &str, component: &str, values: &Value) -> Value {
        // What is common to all comes first, in Bitnami's charts of early 2024; in later ones it comes last.
        let class = [
            self.templates.print("/global/storageClass"),
            printed(values, "/storageClass"),
            self.templates.print("/global/defaultStorageClass"),
        ];
        let class = class.into_iter().find(|class| !class.is_empty());
        let class = class.map_or(Value::Null, |class| if class == "-" { "".into() } else { class.into() });
        json!({"metadata": {"name": data, "labels": self.selector(component)},
            "spec": {"accessModes": at(values, "/accessModes"), "resources": {"requests": {"storage": at(values, "/size")}}, "storageClassName": class}})
    }

    /// `podAntiAffinityPreset: soft`
    fn soft_affinity(&self, component: &str) -> Value {
        json!({"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1,
            "podAffinityTerm": {"labelSelector": {"matchLabels": self.selector(component)}, "topologyKey": "kubernetes.io/hostname"}}]}})
    }

    /// The account of a component's pods.
    pub(super) fn account(&self, name: &str, component: &str) -> Value {
        let mut account = self.object("v1", "ServiceAccount", name, component);
        account["automountServiceAccountToken"] = false.into();
        account
    }

    /// A password nobody gave. helm makes one up at the first installation and finds it again in the cluster later: here it
    /// follows from the release.
    pub(super) fn made_up(&self, key: &str) -> String {
        let release = self.templates.release;
        sha256_hex(format!("{}/{}/{}/{key}", release.namespace, release.name, self.name).as_bytes())[..10].to_owned()
    }
}

/// The pods of one component of a dependency.
pub(super) struct Set<'a> {
    pub(super) name: String,
    pub(super) component: &'a str,
    pub(super) values: &'a Value,
    pub(super) replicas: Value,
    /// The headless Service of the set.
    pub(super) service: String,
    /// The volume with the data.
    pub(super) data: &'a str,
    pub(super) pod: Value,
}

/// Puts a probe into a container: the custom one, or the standard one with its action where it is enabled.
pub(super) fn put_probe(container: &mut Value, values: &Value, kind: &str, action: &Value) {
    let custom = format!("/custom{}{}", kind[..1].to_uppercase(), &kind[1..]);
    let path = format!("/{kind}");
    let probe = if truth(values, &custom) {
        at(values, &custom).clone()
    } else if truth(at(values, &path), "/enabled") {
        let mut probe = at(values, &path).clone();
        remove(&mut probe, "/enabled");
        extend(&mut probe, action);
        probe
    } else {
        return;
    };
    set(container, &path, probe);
}

/// Appends to the list at a path.
pub(super) fn push(value: &mut Value, path: &str, item: Value) {
    let (parent, key) = path.rsplit_once('/').unwrap_or(("", path));
    let list = object(value, parent).entry(key).or_insert_with(|| json!([]));
    if let Some(items) = list.as_array_mut() {
        items.push(item);
    }
}
