//! Flux's objects as facts. The API versions are those of Flux 2.9: older ones are no longer served (fluxcd/flux2
//! release notes of 2.7 and 2.8).

use std::collections::BTreeMap;

use kube::Client;
use serde_json::Value;

use crate::facts::flux::{Resource, pruned_by};
use crate::kube::request;

/// Where the objects of a kind are served.
fn group(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "GitRepository" => ("/apis/source.toolkit.fluxcd.io/v1", "gitrepositories"),
        "HelmChart" => ("/apis/source.toolkit.fluxcd.io/v1", "helmcharts"),
        "HelmRelease" => ("/apis/helm.toolkit.fluxcd.io/v2", "helmreleases"),
        _ => ("/apis/kustomize.toolkit.fluxcd.io/v1", "kustomizations"),
    }
}

/// The path of an object of Flux: of kind `GitRepository`, `HelmChart`, `HelmRelease` or `Kustomization`.
pub fn path(kind: &str, namespace: &str, name: &str) -> String {
    let (group, plural) = group(kind);
    format!("{group}/namespaces/{namespace}/{plural}/{name}")
}

/// One object; absent when it, or its kind, is not there.
pub async fn get(client: &Client, kind: &str, namespace: &str, name: &str) -> kube::Result<Option<Resource>> {
    let object: Option<Value> = request::get(client, &path(kind, namespace, name)).await?;
    Ok(object.map(|object| describe(&object)))
}

/// All objects of a kind by `namespace/name`; absent when the kind is not served.
pub(super) async fn list(client: &Client, kind: &str) -> kube::Result<Option<BTreeMap<String, Resource>>> {
    let (group, plural) = group(kind);
    let list: Option<Value> = request::get(client, &format!("{group}/{plural}")).await?;
    Ok(list.map(|list| {
        let items = list["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let metadata = |item: &Value, key: &str| text(item, &format!("/metadata/{key}")).unwrap_or_default();
        let named = |item: &Value| format!("{}/{}", metadata(item, "namespace"), metadata(item, "name"));
        items.iter().map(|item| (named(item), describe(item))).collect()
    }))
}

fn text(object: &Value, pointer: &str) -> Option<String> {
    object.pointer(pointer)?.as_str().map(str::to_owned)
}

fn describe(object: &Value) -> Resource {
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default();
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).map(Vec::as_slice);
    let condition = |kind: &str| conditions.unwrap_or_default().iter().find(|condition| condition["type"] == kind);
    let is_true = |kind: &str| condition(kind).is_some_and(|condition| condition["status"] == "True");
    let ready = condition("Ready");
    let said = |key: &str| ready.and_then(|ready| ready[key].as_str()).unwrap_or_default().to_owned();
    Resource {
        generation: number("/metadata/generation"),
        observed: number("/status/observedGeneration"),
        ready: ready.and_then(|ready| match ready["status"].as_str()? {
            "True" => Some(true),
            "False" => Some(false),
            _ => None,
        }),
        reason: said("reason"),
        message: said("message"),
        stalled: is_true("Stalled"),
        progressing: is_true("Reconciling")
            && condition("Reconciling").is_some_and(|condition| condition["reason"] == "Progressing"),
        suspended: object.pointer("/spec/suspend").and_then(Value::as_bool).unwrap_or_default(),
        revision: text(object, "/status/artifact/revision").or_else(|| text(object, "/status/lastAppliedRevision")),
        attempted: text(object, "/status/lastAttemptedRevision"),
        requested: text(object, "/metadata/annotations/reconcile.fluxcd.io~1requestedAt"),
        handled: text(object, "/status/lastHandledReconcileAt"),
        url: text(object, "/spec/url"),
        branch: text(object, "/spec/ref/branch"),
        path: text(object, "/spec/path"),
        secret: text(object, "/spec/secretRef/name"),
        prunes: object.pointer("/spec/prune").and_then(Value::as_bool).unwrap_or_default(),
        pruned_by: pruned_by(&words(object, "/metadata/labels"), &words(object, "/metadata/annotations")),
        uninstalled_by: uninstalled_by(object),
        history: history(object),
    }
}

fn words(object: &Value, pointer: &str) -> BTreeMap<String, String> {
    let all = object.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    all.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// What makes helm uninstall a release that fails (fluxcd/helm-controller `api/v2/helmrelease_types.go`): between attempts, and after
/// the last one where that is asked for. An upgrade is rolled back unless it says `uninstall`; `RetryOnFailure` does neither.
fn uninstalled_by(object: &Value) -> Vec<String> {
    let remedied = |action: &str| {
        let remedy = object.pointer(&format!("/spec/{action}/remediation"))?;
        let retries = object.pointer(&format!("/spec/{action}/strategy/name")).and_then(Value::as_str);
        let between = remedy["retries"].as_i64().unwrap_or_default() != 0;
        let last = remedy["remediateLastFailure"].as_bool().unwrap_or_default();
        let how = if action == "install" { "uninstall" } else { remedy["strategy"].as_str().unwrap_or("rollback") };
        (retries != Some("RetryOnFailure") && (between || last) && how == "uninstall")
            .then(|| format!("spec.{action}.remediation"))
    };
    ["install", "upgrade"].into_iter().filter_map(remedied).collect()
}

/// The outcomes in `status.history` (fluxcd/helm-controller `api/v2/snapshot_types.go`).
fn history(object: &Value) -> Vec<String> {
    let entries = object.pointer("/status/history").and_then(Value::as_array).into_iter().flatten();
    entries.filter_map(|entry| Some(entry["status"].as_str()?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_a_kustomization_that_waits_to_try_again() {
        let object = json!({
            "metadata": { "generation": 3, "annotations": { "reconcile.fluxcd.io/requestedAt": "t2" } },
            "spec": { "path": "./clusters/home", "suspend": true },
            "status": {
                "observedGeneration": 3, "lastHandledReconcileAt": "t1",
                "lastAppliedRevision": "main@sha1:aa", "lastAttemptedRevision": "main@sha1:bb",
                "conditions": [
                    { "type": "Reconciling", "status": "True", "reason": "ProgressingWithRetry" },
                    { "type": "Ready", "status": "False", "reason": "ReconciliationFailed", "message": "dry-run failed" },
                ],
            },
        });
        let wanted = Resource {
            generation: 3,
            observed: 3,
            ready: Some(false),
            reason: "ReconciliationFailed".into(),
            message: "dry-run failed".into(),
            suspended: true,
            revision: Some("main@sha1:aa".into()),
            attempted: Some("main@sha1:bb".into()),
            requested: Some("t2".into()),
            handled: Some("t1".into()),
            path: Some("./clusters/home".into()),
            ..Resource::default()
        };
        assert_eq!(describe(&object), wanted);
    }

    #[test]
    fn what_waits_to_be_tried_again_is_not_worked_on() {
        let progressing = |status: &str, reason: &str| {
            let condition = json!({ "type": "Reconciling", "status": status, "reason": reason });
            describe(&json!({ "metadata": {}, "status": { "conditions": [condition] } })).progressing
        };
        assert!(progressing("True", "Progressing"));
        assert!(!progressing("True", "ProgressingWithRetry") && !progressing("False", "Progressing"));
    }

    #[test]
    fn reads_what_became_of_the_attempts_of_a_release() {
        let history = json!([{ "version": 2, "status": "failed" }, { "version": 1, "status": "superseded" }]);
        let seen = describe(&json!({ "metadata": {}, "status": { "history": history } }));
        assert_eq!(seen.history, ["failed", "superseded"]);
    }

    #[test]
    fn reads_what_would_uninstall_a_release() {
        let seen = |install: Value, upgrade: Value| {
            describe(&json!({ "metadata": {}, "spec": { "install": install, "upgrade": upgrade } })).uninstalled_by
        };
        let none = json!({});
        assert_eq!(seen(none.clone(), none.clone()), Vec::<String>::new());
        let remedy = json!({ "remediation": { "retries": 3 } });
        assert_eq!(seen(remedy.clone(), remedy.clone()), ["spec.install.remediation"], "an upgrade is rolled back");
        let uninstall = json!({ "remediation": { "remediateLastFailure": true, "strategy": "uninstall" } });
        assert_eq!(seen(none.clone(), uninstall), ["spec.upgrade.remediation"]);
        let retry = json!({ "remediation": { "retries": 3 }, "strategy": { "name": "RetryOnFailure" } });
        assert_eq!(seen(retry, none), Vec::<String>::new());
    }

    #[test]
    fn reads_a_source_that_has_just_been_made() {
        let object = json!({
            "metadata": { "generation": 1 },
            "spec": { "url": "ssh://git@git.example.org/home", "ref": { "branch": "main" }, "secretRef": { "name": "own" } },
        });
        let seen = describe(&object);
        assert_eq!((seen.ready, seen.observed, seen.revision.clone()), (None, 0, None));
        assert_eq!(seen.url.as_deref(), Some("ssh://git@git.example.org/home"));
        assert_eq!((seen.branch.as_deref(), seen.secret.as_deref()), (Some("main"), Some("own")));
        assert!(!seen.done() && !seen.failed());
    }
}
