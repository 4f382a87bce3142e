//! What the API server fills in for the built-in kinds (k8s.io/kubernetes `pkg/apis/*/v1/defaults.go`).

use serde_json::{Value, json};

use crate::kubernetes::value::{at, default, list, set, text};

/// Fills in defaults; `old` is the object before, for the fields a server keeps to itself.
pub(super) fn complete(plural: &str, old: Option<&Value>, object: &mut Value) {
    match plural {
        "pods" => {
            pod(&mut object["spec"]);
            default(object, "/status/phase", "Pending");
        }
        "deployments" => deployment(object),
        "replicasets" | "replicationcontrollers" => {
            default(object, "/spec/replicas", 1);
            template(object);
        }
        "daemonsets" => daemon_set(object),
        "statefulsets" => stateful_set(object),
        "jobs" => job(object),
        "cronjobs" => {
            default(object, "/spec/concurrencyPolicy", "Allow");
            default(object, "/spec/suspend", false);
            default(object, "/spec/successfulJobsHistoryLimit", 3);
            default(object, "/spec/failedJobsHistoryLimit", 1);
        }
        "services" => service(object),
        "namespaces" => {
            let name = text(object, "/metadata/name").to_owned();
            crate::kubernetes::value::object(object, "/metadata/labels")
                .insert("kubernetes.io/metadata.name".to_owned(), name.into());
            default(object, "/spec/finalizers", json!(["kubernetes"]));
            default(object, "/status/phase", "Active");
        }
        "secrets" => secret(object),
        "persistentvolumeclaims" => {
            default(object, "/spec/volumeMode", "Filesystem");
            default(object, "/status/phase", "Pending");
            protect(old, object, "kubernetes.io/pvc-protection");
        }
        "persistentvolumes" => {
            default(object, "/spec/persistentVolumeReclaimPolicy", "Retain");
            default(object, "/spec/volumeMode", "Filesystem");
            default(object, "/status/phase", "Available");
            protect(old, object, "kubernetes.io/pv-protection");
        }
        "storageclasses" => {
            default(object, "/reclaimPolicy", "Delete");
            default(object, "/volumeBindingMode", "Immediate");
        }
        "customresourcedefinitions" => definition(object),
        "ingresses" => default(object, "/status/loadBalancer", json!({})),
        _ => {}
    }
    if old.is_none() && ["deployments", "daemonsets", "statefulsets", "replicasets", "jobs"].contains(&plural) {
        default(object, "/status", json!({}));
    }
}

/// A new claim or volume is not removed while it is in use (the `StorageObjectInUseProtection` admission).
fn protect(old: Option<&Value>, object: &mut Value, finalizer: &str) {
    let mut finalizers = list(object, "/metadata/finalizers").to_vec();
    if old.is_none() && !finalizers.iter().any(|known| known == finalizer) {
        finalizers.push(finalizer.into());
        set(object, "/metadata/finalizers", finalizers);
    }
}

fn deployment(object: &mut Value) {
    default(object, "/spec/replicas", 1);
    default(object, "/spec/revisionHistoryLimit", 10);
    default(object, "/spec/progressDeadlineSeconds", 600);
    default(object, "/spec/strategy/type", "RollingUpdate");
    if text(object, "/spec/strategy/type") == "RollingUpdate" {
        default(object, "/spec/strategy/rollingUpdate/maxSurge", "25%");
        default(object, "/spec/strategy/rollingUpdate/maxUnavailable", "25%");
    }
    template(object);
}

fn daemon_set(object: &mut Value) {
    default(object, "/spec/revisionHistoryLimit", 10);
    default(object, "/spec/updateStrategy/type", "RollingUpdate");
    if text(object, "/spec/updateStrategy/type") == "RollingUpdate" {
        default(object, "/spec/updateStrategy/rollingUpdate/maxUnavailable", 1);
        default(object, "/spec/updateStrategy/rollingUpdate/maxSurge", 0);
    }
    template(object);
}

fn stateful_set(object: &mut Value) {
    default(object, "/spec/replicas", 1);
    default(object, "/spec/revisionHistoryLimit", 10);
    default(object, "/spec/podManagementPolicy", "OrderedReady");
    default(object, "/spec/updateStrategy/type", "RollingUpdate");
    template(object);
}

/// A job selects its pods by its own uid unless it is told otherwise.
fn job(object: &mut Value) {
    for (field, value) in [("parallelism", 1), ("completions", 1), ("backoffLimit", 6)] {
        default(object, &format!("/spec/{field}"), value);
    }
    default(object, "/spec/completionMode", "NonIndexed");
    default(object, "/spec/suspend", false);
    let (uid, name) = (text(object, "/metadata/uid").to_owned(), text(object, "/metadata/name").to_owned());
    if at(object, "/spec/selector").is_null() {
        set(object, "/spec/selector", json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}));
        let labels = crate::kubernetes::value::object(object, "/spec/template/metadata/labels");
        for (key, value) in [("controller-uid", &uid), ("job-name", &name)] {
            labels.insert(format!("batch.kubernetes.io/{key}"), value.as_str().into());
            labels.insert(key.to_owned(), value.as_str().into());
        }
    }
    template(object);
}

fn template(object: &mut Value) {
    if let Some(spec) = object.pointer_mut("/spec/template/spec") {
        pod(spec);
    }
}

fn pod(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    default(spec, "/restartPolicy", "Always");
    default(spec, "/dnsPolicy", "ClusterFirst");
    default(spec, "/schedulerName", "default-scheduler");
    default(spec, "/terminationGracePeriodSeconds", 30);
    default(spec, "/securityContext", json!({}));
    for containers in ["initContainers", "containers"] {
        for container in spec.get_mut(containers).and_then(Value::as_array_mut).into_iter().flatten() {
            let image = text(container, "/image");
            let latest = !image.rsplit('/').next().unwrap_or_default().contains(':') || image.ends_with(":latest");
            default(container, "/imagePullPolicy", if latest { "Always" } else { "IfNotPresent" });
            default(container, "/terminationMessagePath", "/dev/termination-log");
            default(container, "/terminationMessagePolicy", "File");
            default(container, "/resources", json!({}));
            for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                default(port, "/protocol", "TCP");
            }
        }
    }
}

fn service(object: &mut Value) {
    default(object, "/spec/type", "ClusterIP");
    default(object, "/spec/sessionAffinity", "None");
    let kind = text(object, "/spec/type").to_owned();
    if kind != "ExternalName" {
        default(object, "/spec/internalTrafficPolicy", "Cluster");
        default(object, "/spec/ipFamilies", json!(["IPv4"]));
        default(object, "/spec/ipFamilyPolicy", "SingleStack");
    }
    if kind == "LoadBalancer" || kind == "NodePort" {
        default(object, "/spec/externalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        default(object, "/spec/allocateLoadBalancerNodePorts", true);
    }
    for port in object.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten() {
        default(port, "/protocol", "TCP");
        let number = at(port, "/port").clone();
        default(port, "/targetPort", number);
    }
    default(object, "/status/loadBalancer", json!({}));
}

fn secret(object: &mut Value) {
    use base64::Engine;
    default(object, "/type", "Opaque");
    if let Some(Value::Object(plain)) = crate::kubernetes::value::remove(object, "/stringData") {
        let data = crate::kubernetes::value::object(object, "/data");
        for (key, value) in plain {
            let coded = base64::engine::general_purpose::STANDARD.encode(value.as_str().unwrap_or_default());
            data.insert(key, coded.into());
        }
    }
}

fn definition(object: &mut Value) {
    let kind = text(object, "/spec/names/kind").to_owned();
    default(object, "/spec/names/singular", kind.to_lowercase());
    default(object, "/spec/names/listKind", format!("{kind}List"));
    default(object, "/spec/conversion", json!({"strategy": "None"}));
    let stored: Vec<Value> = list(object, "/spec/versions")
        .iter()
        .filter(|version| version["storage"] == true)
        .map(|version| version["name"].clone())
        .collect();
    default(object, "/status/storedVersions", stored);
}
