//! Whether objects have become what they are to be, as `kstatus` sees it (fluxcd/cli-utils `pkg/kstatus/status/core.go`,
//! fluxcd/pkg `ssa/manager_wait.go`).

use serde_json::Value;

use super::conditions::part;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::store::Key;
use crate::kubernetes::value::{at, condition, number, text};

/// Names an object that is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    group: String,
    kind: String,
    namespace: String,
    name: String,
}

impl Reference {
    /// The one that is this object.
    pub(super) fn of(object: &Value) -> Self {
        let version = text(object, "/apiVersion");
        Self {
            group: version.split_once('/').map_or(String::new(), |(group, _)| group.to_owned()),
            kind: text(object, "/kind").to_owned(),
            namespace: text(object, "/metadata/namespace").to_owned(),
            name: text(object, "/metadata/name").to_owned(),
        }
    }

    /// An entry of `healthChecks`.
    pub(super) fn named(check: &Value, namespace: &str) -> Self {
        let version = text(check, "/apiVersion");
        let own = text(check, "/namespace");
        Self {
            group: version.split_once('/').map_or(String::new(), |(group, _)| group.to_owned()),
            kind: text(check, "/kind").to_owned(),
            namespace: if own.is_empty() { namespace } else { own }.to_owned(),
            name: text(check, "/name").to_owned(),
        }
    }

    /// Whether it is that object of that kind.
    pub(super) fn is(&self, key: &Key, kind: &str) -> bool {
        self.kind == kind && self.namespace == key.namespace && self.name == key.name
    }

    fn shown(&self, status: &str) -> String {
        let namespace = if self.namespace.is_empty() { String::new() } else { format!("{}/", self.namespace) };
        format!("{}/{namespace}{} status: '{status}'", self.kind, self.name)
    }
}

/// How an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Current,
    InProgress,
    Failed,
    Terminating,
}

impl Kubernetes {
    fn health(&self, reference: &Reference) -> Option<Health> {
        let kind = self.kinds.all().iter().find(|kind| kind.group == reference.group && kind.kind == reference.kind)?;
        let namespace = if kind.namespaced { reference.namespace.as_str() } else { "" };
        let key = Key::new(&kind.group, &kind.plural, namespace, &reference.name);
        self.store.get(&key).map(|object| health(&reference.kind, object))
    }

    /// Those that are not yet what they are to be, as messages name them.
    pub(super) fn unhealthy(&self, references: &[Reference]) -> Vec<String> {
        let word = |reference: &Reference| match self.health(reference) {
            None => Some("NotFound"),
            Some(Health::Current) => None,
            Some(Health::InProgress) => Some("InProgress"),
            Some(Health::Failed) => Some("Failed"),
            Some(Health::Terminating) => Some("Terminating"),
        };
        references.iter().filter_map(|reference| Some(reference.shown(word(reference)?))).collect()
    }

    /// Those that will not become so by themselves.
    pub(super) fn failed(&self, references: &[Reference]) -> Vec<String> {
        let failed = references.iter().filter(|reference| self.health(reference) == Some(Health::Failed));
        failed.map(|reference| reference.shown("Failed")).collect()
    }
}

fn health(kind: &str, object: &Value) -> Health {
    if !text(object, "/metadata/deletionTimestamp").is_empty() {
        return Health::Terminating;
    }
    let observed = at(object, "/status/observedGeneration").as_i64();
    if observed.is_some_and(|observed| observed != number(object, "/metadata/generation")) {
        return Health::InProgress;
    }
    let wanted = at(object, "/spec/replicas").as_i64().unwrap_or(1);
    let has = |field: &str| number(object, &format!("/status/{field}"));
    let when = |current: bool| if current { Health::Current } else { Health::InProgress };
    match kind {
        "Deployment" if part(object, "Progressing", "reason") == "ProgressDeadlineExceeded" => Health::Failed,
        "Deployment" => when(
            has("updatedReplicas") >= wanted
                && has("readyReplicas") >= wanted
                && has("replicas") <= wanted
                && condition(object, "Available") == "True",
        ),
        "StatefulSet" => when(has("readyReplicas") >= wanted && has("updatedReplicas") >= wanted),
        "DaemonSet" => {
            let desired = has("desiredNumberScheduled");
            when(observed.is_some() && has("numberReady") >= desired && has("updatedNumberScheduled") >= desired)
        }
        "Job" if condition(object, "Failed") == "True" => Health::Failed,
        "Job" => when(condition(object, "Complete") == "True"),
        "Pod" if text(object, "/status/phase") == "Failed" => Health::Failed,
        "Pod" => when(text(object, "/status/phase") == "Succeeded" || condition(object, "Ready") == "True"),
        "PersistentVolumeClaim" => when(text(object, "/status/phase") == "Bound"),
        "CustomResourceDefinition" => when(condition(object, "Established") == "True"),
        "Service" | "Ingress" | "ConfigMap" | "Secret" | "Namespace" | "ClusterRole" => Health::Current,
        _ if condition(object, "Stalled") == "True" => Health::Failed,
        _ if condition(object, "Reconciling") == "True" => Health::InProgress,
        // Before a controller has seen a custom resource nothing can be said of it but that it is under way.
        _ if observed.is_some_and(|observed| observed < 0) => Health::InProgress,
        _ => match condition(object, "Ready") {
            "" | "True" => Health::Current,
            _ => Health::InProgress,
        },
    }
}
