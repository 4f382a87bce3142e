//! Objects as they are to be in the rehearsal's namespace: what a user would write, without what the cluster added.

use serde_json::{Map, Value, json};

use super::helper;
use crate::facts::mastodon::HELPER_LABEL;
use crate::mastodon::{NAMESPACE, REHEARSAL};

fn copy(version: &str, kind: &str, from: &Value, fields: &[&str]) -> Value {
    let mut labels = from["metadata"]["labels"].clone();
    if !labels.is_object() {
        labels = json!({});
    }
    let mut object = json!({
        "apiVersion": version, "kind": kind,
        "metadata": { "name": from["metadata"]["name"], "namespace": REHEARSAL, "labels": labels },
    });
    for field in fields.iter().filter(|field| !from[**field].is_null()) {
        object[*field] = from[*field].clone();
    }
    object
}

/// None for what only the cluster or helm can make use of.
pub(super) fn secret(from: &Value) -> Option<Value> {
    let kind = from["type"].as_str().unwrap_or_default();
    let own = kind != "helm.sh/release.v1" && kind != "kubernetes.io/service-account-token";
    own.then(|| copy("v1", "Secret", from, &["type", "data", "stringData"]))
}

/// With the names of Services turned to this namespace, where they are whole ones.
pub(super) fn config_map(from: &Value) -> Option<Value> {
    if from["metadata"]["name"] == "kube-root-ca.crt" {
        return None;
    }
    let mut object = copy("v1", "ConfigMap", from, &["data", "binaryData"]);
    for value in object["data"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        if let Some(text) = value.as_str() {
            *value = text.replace(&format!(".{NAMESPACE}.svc"), &format!(".{REHEARSAL}.svc")).into();
        }
    }
    Some(object)
}

/// Whether a pod like the template has a claim.
pub(super) fn mounts(template: &Value, claim: &Value) -> bool {
    let volumes = template["volumes"].as_array().into_iter().flatten();
    volumes.into_iter().any(|volume| volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"])
}

/// An empty volume of the same size and class.
pub(super) fn claim(from: &Value) -> Value {
    let mut object = copy("v1", "PersistentVolumeClaim", from, &[]);
    for field in ["accessModes", "storageClassName", "resources", "volumeMode"] {
        if !from["spec"][field].is_null() {
            object["spec"][field] = from["spec"][field].clone();
        }
    }
    object
}

/// Whether a Service leads to the pods of a `StatefulSet`.
pub(super) fn selects(service: &Value, set: &Value) -> bool {
    let labels = &set["spec"]["template"]["metadata"]["labels"];
    let selector = service["spec"]["selector"].as_object();
    selector.is_some_and(|selector| !selector.is_empty() && selector.iter().all(|(key, value)| labels[key] == *value))
}

pub(super) fn service(from: &Value) -> Value {
    let mut object = copy("v1", "Service", from, &[]);
    let mut ports = from["spec"]["ports"].clone();
    for port in ports.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        port.remove("nodePort");
    }
    object["spec"] = json!({ "selector": from["spec"]["selector"], "ports": ports });
    if from["spec"]["clusterIP"] == "None" {
        object["spec"]["clusterIP"] = "None".into();
        object["spec"]["publishNotReadyAddresses"] = from["spec"]["publishNotReadyAddresses"].as_bool().into();
    }
    object
}

pub(super) fn stateful_set(from: &Value, id: &str) -> Value {
    let mut object = alone(&copy("apps/v1", "StatefulSet", from, &["spec"]), "/spec/template/spec");
    let spec = &mut object["spec"];
    spec["replicas"] = 1.into();
    spec["template"]["metadata"]["labels"][HELPER_LABEL] = id.into();
    for claim in spec["volumeClaimTemplates"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        claim.remove("status");
    }
    object
}

/// Without an account of the API's, which nothing in there asks, and without other pods it would have to be near to.
pub(super) fn alone(object: &Value, spec: &str) -> Value {
    let mut object = object.clone();
    if let Some(spec) = object.pointer_mut(spec) {
        helper::anywhere(spec);
    }
    if let Some(spec) = object.pointer_mut(spec).and_then(Value::as_object_mut) {
        spec.remove("serviceAccountName");
        spec.remove("serviceAccount");
        spec.insert("automountServiceAccountToken".to_owned(), false.into());
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_nothing_of_the_original() {
        let map = json!({
            "metadata": { "name": "mastodon-env", "uid": "1", "resourceVersion": "7", "ownerReferences": [{}] },
            "data": { "DB_HOST": "mastodon-postgresql", "REDIS_HOST": "mastodon-redis-master.mastodon.svc.cluster.local" },
        });
        let map = config_map(&map).unwrap();
        assert_eq!(map["metadata"], json!({ "name": "mastodon-env", "namespace": REHEARSAL, "labels": {} }));
        assert_eq!(map["data"]["DB_HOST"], "mastodon-postgresql");
        assert_eq!(map["data"]["REDIS_HOST"], "mastodon-redis-master.mastodon-rehearsal.svc.cluster.local");
        assert!(config_map(&json!({ "metadata": { "name": "kube-root-ca.crt" } })).is_none());
        assert!(secret(&json!({ "type": "helm.sh/release.v1" })).is_none());
        let bound = json!({ "metadata": { "name": "mastodon-system" }, "spec": { "volumeName": "pvc-1", "storageClassName": "jiva", "accessModes": ["ReadWriteOnce"] } });
        assert_eq!(claim(&bound)["spec"], json!({ "storageClassName": "jiva", "accessModes": ["ReadWriteOnce"] }));
    }

    #[test]
    fn services_of_the_databases_are_known_by_their_selectors() {
        let set = json!({ "spec": { "template": { "metadata": { "labels": { "a": "1", "b": "2" } } } } });
        let service = |selector: Value| json!({ "spec": { "selector": selector, "clusterIP": "10.152.183.9", "ports": [{ "port": 5432, "nodePort": 30001 }] } });
        assert!(selects(&service(json!({ "a": "1" })), &set));
        assert!(!selects(&service(json!({ "a": "2" })), &set));
        assert!(!selects(&service(Value::Null), &set));
        let copied = super::service(&service(json!({ "a": "1" })));
        assert_eq!(copied["spec"], json!({ "selector": { "a": "1" }, "ports": [{ "port": 5432 }] }));
    }
}
