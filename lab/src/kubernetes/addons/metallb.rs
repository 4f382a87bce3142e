//! The objects of `metallb` (canonical/microk8s-core-addons `addons/metallb/metallb.yaml`), in its order.

use serde_json::{Value, json};

const NAMESPACE: &str = "metallb-system";
/// Kind, plural, singular and the versions of each definition; the last version is the stored one.
const DEFINITIONS: [(&str, &str, &str, &[&str]); 8] = [
    ("BFDProfile", "bfdprofiles", "bfdprofile", &["v1beta1"]),
    ("BGPAdvertisement", "bgpadvertisements", "bgpadvertisement", &["v1beta1"]),
    ("BGPPeer", "bgppeers", "bgppeer", &["v1beta1", "v1beta2"]),
    ("Community", "communities", "community", &["v1beta1"]),
    ("IPAddressPool", "ipaddresspools", "ipaddresspool", &["v1beta1"]),
    ("L2Advertisement", "l2advertisements", "l2advertisement", &["v1beta1"]),
    ("ServiceBGPStatus", "servicebgpstatuses", "servicebgpstatus", &["v1beta1"]),
    ("ServiceL2Status", "servicel2statuses", "servicel2status", &["v1beta1"]),
];
/// What the webhooks look at: the words of their names and paths.
const HOOKS: [(&str, &str, &str); 6] = [
    ("bgppeervalidationwebhook", "bgppeers", "v1beta2-bgppeer"),
    ("bfdprofilevalidationwebhook", "bfdprofiles", "v1beta1-bfdprofile"),
    ("bgpadvertisementvalidationwebhook", "bgpadvertisements", "v1beta1-bgpadvertisement"),
    ("communityvalidationwebhook", "communities", "v1beta1-community"),
    ("ipaddresspoolvalidationwebhook", "ipaddresspools", "v1beta1-ipaddresspool"),
    ("l2advertisementvalidationwebhook", "l2advertisements", "v1beta1-l2advertisement"),
];

pub(super) fn manifest() -> Vec<Value> {
    let mut objects: Vec<Value> = DEFINITIONS
        .iter()
        .map(|(kind, plural, singular, versions)| definition(kind, plural, singular, versions))
        .collect();
    objects.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": {
        "pod-security.kubernetes.io/audit": "privileged", "pod-security.kubernetes.io/enforce": "privileged", "pod-security.kubernetes.io/warn": "privileged"}}}));
    for name in ["controller", "speaker"] {
        objects.push(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta(name)}));
    }
    for name in ["controller", "pod-lister"] {
        objects.push(
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta(name), "rules": []}),
        );
    }
    for name in ["metallb-system:controller", "metallb-system:speaker"] {
        objects.push(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": name, "labels": {"app": "metallb"}}, "rules": []}));
    }
    for (name, account) in [("controller", "controller"), ("pod-lister", "speaker")] {
        objects.push(binding("RoleBinding", &meta(name), "Role", name, account));
    }
    for account in ["controller", "speaker"] {
        let name = format!("metallb-system:{account}");
        objects.push(binding(
            "ClusterRoleBinding",
            &json!({"name": name, "labels": {"app": "metallb"}}),
            "ClusterRole",
            &name,
            account,
        ));
    }
    let interfaces = "announcedInterfacesToExclude: [\"^docker.*\", \"^cbr.*\", \"^dummy.*\", \"^virbr.*\", \"^lxcbr.*\", \"^veth.*\", \"^lo$\", \"^cali.*\", \"^tunl.*\", \"^flannel.*\", \"^kube-ipvs.*\", \"^cni.*\", \"^nodelocaldns.*\"]\n";
    objects.push(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "metallb-excludel2", "namespace": NAMESPACE}, "data": {"excludel2.yaml": interfaces}}));
    objects.push(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "metallb-webhook-cert", "namespace": NAMESPACE}}));
    objects.push(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "metallb-webhook-service", "namespace": NAMESPACE},
        "spec": {"ports": [{"port": 443, "targetPort": 9443}], "selector": {"component": "controller"}}}));
    objects.push(controller());
    objects.push(speaker());
    let hooks: Vec<Value> = HOOKS.iter().map(|(name, plural, path)| hook(name, plural, path)).collect();
    objects.push(json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "metallb-webhook-configuration"}, "webhooks": hooks}));
    objects
}

/// The pool the addon's script makes of its argument, and its advertisement.
pub(super) fn pool(ranges: &str) -> Vec<Value> {
    let addresses: Vec<&str> = ranges.split(',').collect();
    vec![
        json!({"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": {"name": "default-addresspool", "namespace": NAMESPACE},
            "spec": {"addresses": addresses}}),
        json!({"apiVersion": "metallb.io/v1beta1", "kind": "L2Advertisement", "metadata": {"name": "default-advertise-all-pools", "namespace": NAMESPACE},
            "spec": {"ipAddressPools": ["default-addresspool"]}}),
    ]
}

fn meta(name: &str) -> Value {
    json!({"name": name, "namespace": NAMESPACE, "labels": {"app": "metallb"}})
}

fn binding(kind: &str, metadata: &Value, role_kind: &str, role: &str, account: &str) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}]})
}

fn definition(kind: &str, plural: &str, singular: &str, versions: &[&str]) -> Value {
    let (spec, columns) = match plural {
        "ipaddresspools" => (
            json!({"type": "object", "required": ["addresses"], "properties": {
                "addresses": {"type": "array", "items": {"type": "string"}}, "autoAssign": {"type": "boolean", "default": true},
                "avoidBuggyIPs": {"type": "boolean", "default": false},
                "serviceAllocation": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}),
            json!([
                column("Auto Assign", "boolean", ".spec.autoAssign"),
                column("Avoid Buggy IPs", "boolean", ".spec.avoidBuggyIPs"),
                column("Addresses", "string", ".spec.addresses")
            ]),
        ),
        "l2advertisements" => (
            json!({"type": "object", "properties": {"ipAddressPools": {"type": "array", "items": {"type": "string"}},
                "ipAddressPoolSelectors": {"type": "array", "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
                "nodeSelectors": {"type": "array", "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
                "interfaces": {"type": "array", "items": {"type": "string"}}}}),
            json!([
                column("IPAddressPools", "string", ".spec.ipAddressPools"),
                column("IPAddressPool Selectors", "string", ".spec.ipAddressPoolSelectors"),
                column("Interfaces", "string", ".spec.interfaces")
            ]),
        ),
        "servicel2statuses" => (
            open(),
            json!([
                column("Allocated Node", "string", ".status.node"),
                column("Service Name", "string", ".status.serviceName"),
                column("Service Namespace", "string", ".status.serviceNamespace")
            ]),
        ),
        _ => (open(), json!([])),
    };
    let version = |(index, name): (usize, &&str)| {
        json!({"name": name, "served": true, "storage": index + 1 == versions.len(), "subresources": {"status": {}},
            "additionalPrinterColumns": columns, "schema": {"openAPIV3Schema": {"type": "object",
                "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}, "spec": spec, "status": open()}}}})
    };
    let versions: Vec<Value> = versions.iter().enumerate().map(version).collect();
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": format!("{plural}.metallb.io")},
        "spec": {"group": "metallb.io", "scope": "Namespaced", "versions": versions,
            "names": {"kind": kind, "listKind": format!("{kind}List"), "plural": plural, "singular": singular}}})
}

fn open() -> Value {
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

fn column(name: &str, kind: &str, path: &str) -> Value {
    json!({"name": name, "type": kind, "jsonPath": path})
}

fn controller() -> Value {
    let labels = json!({"app": "metallb", "component": "controller"});
    let container = json!({"name": "controller", "image": "quay.io/metallb/controller:v0.15.3",
        "args": ["--port=7472", "--log-level=info", "--tls-min-version=VersionTLS12"],
        "ports": [{"containerPort": 7472, "name": "monitoring"}, {"containerPort": 9443, "name": "webhook-server", "protocol": "TCP"}],
        "readinessProbe": {"failureThreshold": 3, "httpGet": {"path": "/metrics", "port": "monitoring"}, "initialDelaySeconds": 10, "periodSeconds": 10}});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "controller", "namespace": NAMESPACE, "labels": labels},
        "spec": {"revisionHistoryLimit": 3, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"containers": [container], "nodeSelector": {"kubernetes.io/os": "linux"}, "serviceAccountName": "controller", "terminationGracePeriodSeconds": 0}}}})
}

fn speaker() -> Value {
    let labels = json!({"app": "metallb", "component": "speaker"});
    let container = json!({"name": "speaker", "image": "quay.io/metallb/speaker:v0.15.3", "args": ["--port=7472", "--log-level=info"],
        "ports": [{"containerPort": 7472, "name": "monitoring"}, {"containerPort": 7946, "name": "memberlist-tcp"},
            {"containerPort": 7946, "name": "memberlist-udp", "protocol": "UDP"}],
        "readinessProbe": {"failureThreshold": 3, "httpGet": {"path": "/metrics", "port": "monitoring"}, "initialDelaySeconds": 10, "periodSeconds": 10}});
    json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "speaker", "namespace": NAMESPACE, "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"containers": [container], "hostNetwork": true, "nodeSelector": {"kubernetes.io/os": "linux"}, "serviceAccountName": "speaker",
                "terminationGracePeriodSeconds": 2, "tolerations": [{"effect": "NoSchedule", "key": "node-role.kubernetes.io/master", "operator": "Exists"},
                    {"effect": "NoSchedule", "key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}]}}}})
}

fn hook(name: &str, plural: &str, path: &str) -> Value {
    json!({"name": format!("{name}.metallb.io"), "admissionReviewVersions": ["v1"], "failurePolicy": "Fail", "sideEffects": "None",
        "clientConfig": {"service": {"name": "metallb-webhook-service", "namespace": NAMESPACE, "path": format!("/validate-metallb-io-{path}")}},
        "rules": [{"apiGroups": ["metallb.io"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": [plural]}]})
}
