//! The definitions that come with Traefik: those of the Gateway API (kubernetes-sigs/gateway-api v1.5
//! `standard-install.yaml`) and Traefik's own (traefik/traefik-helm-chart `traefik/crds`).

use serde_json::{Value, json};

/// Kind, plural, whether namespaced, short names, versions (the stored one first).
type Row = (&'static str, &'static str, bool, &'static [&'static str], &'static [&'static str]);

const GATEWAY: [Row; 8] = [
    ("BackendTLSPolicy", "backendtlspolicies", true, &["btlspolicy"], &["v1"]),
    ("GatewayClass", "gatewayclasses", false, &["gc"], &["v1", "v1beta1"]),
    ("Gateway", "gateways", true, &["gtw"], &["v1", "v1beta1"]),
    ("GRPCRoute", "grpcroutes", true, &[], &["v1"]),
    ("HTTPRoute", "httproutes", true, &[], &["v1", "v1beta1"]),
    ("ListenerSet", "listenersets", true, &["lset"], &["v1"]),
    ("ReferenceGrant", "referencegrants", true, &["refgrant"], &["v1", "v1beta1"]),
    ("TLSRoute", "tlsroutes", true, &[], &["v1"]),
];
const TRAEFIK: [Row; 10] = [
    ("IngressRoute", "ingressroutes", true, &[], &["v1alpha1"]),
    ("IngressRouteTCP", "ingressroutetcps", true, &[], &["v1alpha1"]),
    ("IngressRouteUDP", "ingressrouteudps", true, &[], &["v1alpha1"]),
    ("Middleware", "middlewares", true, &[], &["v1alpha1"]),
    ("MiddlewareTCP", "middlewaretcps", true, &[], &["v1alpha1"]),
    ("ServersTransport", "serverstransports", true, &[], &["v1alpha1"]),
    ("ServersTransportTCP", "serverstransporttcps", true, &[], &["v1alpha1"]),
    ("TLSOption", "tlsoptions", true, &[], &["v1alpha1"]),
    ("TLSStore", "tlsstores", true, &[], &["v1alpha1"]),
    ("TraefikService", "traefikservices", true, &[], &["v1alpha1"]),
];

/// The definitions of the Gateway API's standard channel.
pub(in crate::kubernetes) fn gateway() -> Vec<Value> {
    let made = GATEWAY.iter().map(|row| {
        let mut made = definition("gateway.networking.k8s.io", row);
        made["metadata"]["annotations"] =
            json!({"gateway.networking.k8s.io/bundle-version": "v1.5.1", "gateway.networking.k8s.io/channel": "standard"});
        made
    });
    made.collect()
}

/// Traefik's own definitions.
pub(in crate::kubernetes) fn traefik() -> Vec<Value> {
    TRAEFIK.iter().map(|row| definition("traefik.io", row)).collect()
}

fn definition(group: &str, (kind, plural, namespaced, short, versions): &Row) -> Value {
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let version = |(at, name): (usize, &&str)| {
        json!({"name": name, "served": true, "storage": at == 0, "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"apiVersion": {"type": "string"},
                "kind": {"type": "string"}, "metadata": {"type": "object"}, "spec": open, "status": open}}}})
    };
    let versions: Vec<Value> = versions.iter().enumerate().map(version).collect();
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {"group": group, "scope": if *namespaced { "Namespaced" } else { "Cluster" }, "versions": versions,
            "names": {"kind": kind, "listKind": format!("{kind}List"), "plural": plural, "singular": kind.to_lowercase(),
                "shortNames": short}}})
}
