//! The Services of web and streaming, and the Ingress in front of them.

use serde_json::{Value, json};

use super::templates::Templates;
use crate::kubernetes::addons::{printed, truth};
use crate::kubernetes::value::{at, list, set};

pub(super) fn objects(templates: &Templates<'_>) -> Vec<Value> {
    let mut objects = vec![service(templates, "web", "http"), service(templates, "streaming", "streaming")];
    let apart = templates.on("/ingress/streaming/enabled");
    if templates.on("/ingress/enabled") {
        let parts: &[&str] = if apart { &["web"] } else { &["web", "streaming"] };
        objects.push(ingress(templates, &templates.name(""), templates.at("/ingress"), parts));
    }
    if apart {
        objects.push(ingress(
            templates,
            &templates.name("streaming"),
            templates.at("/ingress/streaming"),
            &["streaming"],
        ));
    }
    objects
}

/// `templates/service-web.yaml`, `templates/service-streaming.yaml`: the port is the container's, `service.port` is not read.
fn service(templates: &Templates<'_>, part: &str, port: &str) -> Value {
    let mut object = templates.object("v1", "Service", &templates.name(part));
    object["spec"] = json!({"type": templates.at("/service/type"), "ipFamilyPolicy": "PreferDualStack",
        "ports": [{"port": templates.at(&format!("/mastodon/{part}/port")), "targetPort": port, "protocol": "TCP", "name": port}],
        "selector": templates.selector(&json!({"app.kubernetes.io/component": part}))});
    object
}

/// `templates/ingress.yaml`, `templates/ingress-streaming.yml`: streaming is below each path of web.
fn ingress(templates: &Templates<'_>, name: &str, values: &Value, parts: &[&str]) -> Value {
    let mut object = templates.object("networking.k8s.io/v1", "Ingress", name);
    if truth(values, "/annotations") {
        set(&mut object, "/metadata/annotations", at(values, "/annotations").clone());
    }
    let rules: Vec<Value> = list(values, "/hosts")
        .iter()
        .map(|host| {
            let paths = list(host, "/paths")
                .iter()
                .flat_map(|path| parts.iter().map(|part| backend(templates, &printed(path, "/path"), part)));
            json!({"host": at(host, "/host"), "http": {"paths": paths.collect::<Vec<Value>>()}})
        })
        .collect();
    let tls: Vec<Value> = list(values, "/tls")
        .iter()
        .map(|entry| json!({"hosts": at(entry, "/hosts"), "secretName": at(entry, "/secretName")}))
        .collect();
    object["spec"] = json!({"rules": rules});
    if !tls.is_empty() {
        object["spec"]["tls"] = tls.into();
    }
    if truth(values, "/ingressClassName") {
        object["spec"]["ingressClassName"] = at(values, "/ingressClassName").clone();
    }
    object
}

fn backend(templates: &Templates<'_>, path: &str, part: &str) -> Value {
    let path = if part == "streaming" { format!("{path}api/v1/streaming") } else { path.to_owned() };
    json!({"path": path, "pathType": "Prefix",
        "backend": {"service": {"name": templates.name(part), "port": {"number": templates.at(&format!("/mastodon/{part}/port"))}}}})
}
