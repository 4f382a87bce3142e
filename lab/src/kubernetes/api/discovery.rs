//! What there is: groups, versions, resources, health.

use serde_json::{Value, json};

use super::Answer;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::kinds::Kind;
use crate::kubernetes::status::{Failure, json_response, text_response};

/// What `/readyz?verbose` lists (k8s.io/apiserver `healthz`).
const CHECKS: [&str; 8] = [
    "ping",
    "log",
    "etcd",
    "informer-sync",
    "poststarthook/start-apiextensions-controllers",
    "poststarthook/crd-informer-synced",
    "poststarthook/bootstrap-controller",
    "poststarthook/apiservice-registration-controller",
];

impl Kubernetes {
    /// None when the path is about objects.
    pub(super) fn discovery(&self, path: &str, query: &str) -> Option<Answer> {
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let answer = match parts.as_slice() {
            ["healthz" | "livez" | "readyz"] => health(parts[0], query),
            ["healthz" | "livez" | "readyz", check] => {
                let known = CHECKS.contains(check);
                return Some(if known { Ok(text_response(200, "ok")) } else { Err(Failure::no_resource()) });
            }
            ["version"] => json_response(200, &self.version_info()),
            ["api"] => json_response(
                200,
                &json!({"kind": "APIVersions", "versions": ["v1"],
                    "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:16443"}]}),
            ),
            ["apis"] => {
                let groups: Vec<Value> =
                    self.groups().iter().map(|(group, versions)| group_object(group, versions)).collect();
                json_response(200, &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
            }
            ["apis", group] => {
                let (group, versions) = self.groups().into_iter().find(|(name, _)| name == group)?;
                let mut object = group_object(&group, &versions);
                object["kind"] = "APIGroup".into();
                object["apiVersion"] = "v1".into();
                json_response(200, &object)
            }
            ["api", version] => return Some(self.resources("", version)),
            ["apis", group, version] => return Some(self.resources(group, version)),
            ["openapi", rest @ ..] => return Some(self.openapi(rest)),
            ["" | "metrics"] | [] => json_response(
                200,
                &json!({"paths": ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v2", "/readyz", "/version"]}),
            ),
            _ => return None,
        };
        Some(Ok(answer))
    }

    /// All groups but the core one; the two review groups serve no objects.
    fn groups(&self) -> Vec<(String, Vec<String>)> {
        let mut groups = self.kinds.groups();
        groups.retain(|(group, _)| !group.is_empty());
        for review in ["authentication.k8s.io", "authorization.k8s.io"] {
            groups.push((review.to_owned(), vec!["v1".to_owned()]));
        }
        groups
    }

    fn resources(&self, group: &str, version: &str) -> Answer {
        let mut resources: Vec<Value> = self
            .kinds
            .all()
            .iter()
            .filter(|kind| kind.group == group && kind.version == version)
            .flat_map(|kind| resources_of(kind))
            .collect();
        resources.extend(reviews(group));
        if resources.is_empty() {
            return Err(Failure::no_resource());
        }
        let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        let list = json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources});
        Ok(json_response(200, &list))
    }

    /// What `GET /version` shows.
    pub(in crate::kubernetes) fn version_info(&self) -> Value {
        let mut numbers = self.version.trim_start_matches('v').split('.');
        json!({"major": numbers.next().unwrap_or("1"), "minor": numbers.next().unwrap_or("0"), "gitVersion": self.version,
            "gitCommit": crate::kubernetes::names::digest_hex(&[self.version.as_bytes()])[..40], "gitTreeState": "clean",
            "buildDate": "2025-12-17T15:41:55Z", "goVersion": "go1.24.11", "compiler": "gc", "platform": "linux/amd64"})
    }
}

fn health(word: &str, query: &str) -> crate::kubernetes::Response {
    let verbose = form_urlencoded::parse(query.as_bytes()).any(|(key, _)| key == "verbose");
    if !verbose {
        return text_response(200, "ok");
    }
    let mut lines: Vec<String> = CHECKS.iter().map(|check| format!("[+]{check} ok")).collect();
    lines.push(format!("{word} check passed\n"));
    text_response(200, &lines.join("\n"))
}

fn group_object(group: &str, versions: &[String]) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| json!({"groupVersion": format!("{group}/{version}"), "version": version}))
        .collect();
    json!({"name": group, "versions": versions, "preferredVersion": versions[0]})
}

/// A kind and its subresources.
fn resources_of(kind: &Kind) -> Vec<Value> {
    let mut main = json!({"name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced, "kind": kind.kind,
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]});
    if !kind.short.is_empty() {
        main["shortNames"] = kind.short.clone().into();
    }
    if !kind.categories.is_empty() {
        main["categories"] = kind.categories.clone().into();
    }
    let sub = |name: &str, what: &str, verbs: &[&str]| json!({"name": format!("{}/{name}", kind.plural), "singularName": "", "namespaced": kind.namespaced, "kind": what, "verbs": verbs});
    let mut resources = vec![main];
    if kind.status {
        resources.push(sub("status", &kind.kind, &["get", "patch", "update"]));
    }
    if kind.scale {
        let mut scale = sub("scale", "Scale", &["get", "patch", "update"]);
        scale["group"] = "autoscaling".into();
        scale["version"] = "v1".into();
        resources.push(scale);
    }
    match kind.plural.as_str() {
        "pods" => {
            resources.push(sub("log", "Pod", &["get"]));
            let mut eviction = sub("eviction", "Eviction", &["create"]);
            eviction["group"] = "policy".into();
            eviction["version"] = "v1".into();
            resources.push(eviction);
        }
        "serviceaccounts" => resources.push(sub("token", "TokenRequest", &["create"])),
        _ => {}
    }
    resources
}

fn reviews(group: &str) -> Vec<Value> {
    let kinds: &[(&str, &str)] = match group {
        "authentication.k8s.io" => &[("selfsubjectreviews", "SelfSubjectReview"), ("tokenreviews", "TokenReview")],
        "authorization.k8s.io" => &[
            ("selfsubjectaccessreviews", "SelfSubjectAccessReview"),
            ("selfsubjectrulesreviews", "SelfSubjectRulesReview"),
            ("subjectaccessreviews", "SubjectAccessReview"),
        ],
        _ => &[],
    };
    let review = |(name, kind): &(&str, &str)| json!({"name": name, "singularName": kind.to_lowercase(), "namespaced": false, "kind": kind, "verbs": ["create"]});
    kinds.iter().map(review).collect()
}
