//! The objects of `ingress` up to `MicroK8s` 1.35: ingress-nginx (canonical/microk8s-core-addons before commit ce8e8d1,
//! `addons/ingress/ingress.yaml`), in its order.

use serde_json::{Value, json};

use super::{INGRESS_NGINX, NAMESPACE};

/// The name of its account and the stem of the other names.
const ACCOUNT: &str = "nginx-ingress-microk8s-serviceaccount";
/// `controller-class` of a class that ingress-nginx serves.
pub(super) const CLASS_CONTROLLER: &str = "k8s.io/ingress-nginx";
/// What the script puts into the status of every Ingress unless `PUBLISH_STATUS_ADDRESS` is set.
const STATUS_ADDRESS: &str = "127.0.0.1";

/// `certificate` is the default one, `NAMESPACE/SECRET`.
pub(in crate::kubernetes) fn manifest(certificate: Option<&str>) -> Vec<Value> {
    let mut objects = vec![class("public"), class("nginx")];
    objects.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}));
    objects.push(
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": NAMESPACE}}),
    );
    objects.extend(rights());
    for name in ["nginx-load-balancer", "nginx-ingress-tcp", "nginx-ingress-udp"] {
        objects.push(json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": format!("{name}-microk8s-conf"), "namespace": NAMESPACE}}));
    }
    objects.push(daemon(certificate));
    objects
}

fn class(name: &str) -> Value {
    let mut class = json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": name},
        "spec": {"controller": CLASS_CONTROLLER}});
    if name == "public" {
        class["metadata"]["annotations"] = json!({"ingressclass.kubernetes.io/is-default-class": "true"});
    }
    class
}

fn rights() -> [Value; 4] {
    let (cluster, own) = ("nginx-ingress-microk8s-clusterrole", "nginx-ingress-microk8s-role");
    let read = json!(["get", "list", "watch"]);
    let group = "rbac.authorization.k8s.io";
    let subjects = json!([{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}]);
    [
        json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": {"name": cluster}, "rules": [
            {"apiGroups": [""], "resources": ["configmaps", "endpoints", "nodes", "pods", "secrets", "services"], "verbs": read},
            {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
            {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses", "ingressclasses"], "verbs": read},
            {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses/status"], "verbs": ["update"]},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": read}]}),
        json!({"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": {"name": own, "namespace": NAMESPACE}, "rules": [
            {"apiGroups": [""], "resources": ["configmaps", "endpoints", "pods", "secrets"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]},
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create", "update", "patch", "get", "list", "watch"]}]}),
        json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": "nginx-ingress-microk8s"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": cluster}, "subjects": subjects}),
        json!({"apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": {"name": "nginx-ingress-microk8s", "namespace": NAMESPACE},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": own}, "subjects": subjects}),
    ]
}

fn daemon(certificate: Option<&str>) -> Value {
    let labels = json!({"name": "nginx-ingress-microk8s"});
    let probe = json!({"httpGet": {"path": "/healthz", "port": 10254, "scheme": "HTTP"}, "periodSeconds": 10, "timeoutSeconds": 5,
        "successThreshold": 1, "failureThreshold": 3});
    let mut alive = probe.clone();
    alive["initialDelaySeconds"] = 10.into();
    let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let port = |name: &str, number: u16| json!({"name": name, "containerPort": number, "hostPort": number});
    let map = |flag: &str, name: &str| format!("--{flag}=$(POD_NAMESPACE)/{name}-microk8s-conf");
    let container = json!({"name": "nginx-ingress-microk8s", "image": format!("{INGRESS_NGINX}:v1.14.0"),
        "args": ["/nginx-ingress-controller", map("configmap", "nginx-load-balancer"), map("tcp-services-configmap", "nginx-ingress-tcp"),
            map("udp-services-configmap", "nginx-ingress-udp"), "--ingress-class=public",
            certificate.map_or_else(|| " ".to_owned(), |name| format!("--default-ssl-certificate={name}")),
            format!("--publish-status-address={STATUS_ADDRESS}")],
        "env": [field("POD_NAME", "metadata.name"), field("POD_NAMESPACE", "metadata.namespace")],
        "ports": [port("http", 80), port("https", 443), port("health", 10254)],
        "livenessProbe": alive, "readinessProbe": probe, "lifecycle": {"preStop": {"exec": {"command": ["/wait-shutdown"]}}},
        "securityContext": {"runAsUser": 101, "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}}});
    json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "nginx-ingress-microk8s-controller", "namespace": NAMESPACE,
            "labels": {"microk8s-application": "nginx-ingress-microk8s"}},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"terminationGracePeriodSeconds": 60, "serviceAccountName": ACCOUNT, "containers": [container]}}}})
}
