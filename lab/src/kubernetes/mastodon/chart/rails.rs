//! What the pods of Rails have in common: the two claims, where they may run, how a Deployment is built around them.

use serde_json::{Value, json};

use super::templates::{Templates, extend};
use crate::kubernetes::addons::{mounted, truth};
use crate::kubernetes::value::{at, list, set};

impl Templates<'_> {
    /// The claims as volumes; none where an object store has the files.
    pub(super) fn claims(&self, names: [&str; 2]) -> Vec<Value> {
        if !self.has_claims() {
            return Vec::new();
        }
        let volume = |which: &str, claim: &str| json!({"name": which, "persistentVolumeClaim": {"claimName": claim}});
        vec![volume("assets", names[0]), volume("system", names[1])]
    }

    /// The volumes of a pod of web or Sidekiq.
    pub(super) fn volumes(&self) -> Value {
        let mut volumes = self.claims([&self.claim("assets"), &self.claim("system")]);
        let authority = self.print("/elasticsearch/caSecret/name");
        if !authority.is_empty() {
            volumes.push(json!({"name": "elasticsearch-ca", "secret": {"secretName": authority}}));
        }
        volumes.extend(list(self.values, "/volumes").iter().cloned());
        some_list(volumes)
    }

    /// Where its container sees them.
    pub(super) fn mounts(&self) -> Value {
        let mut mounts = self.claim_mounts();
        if self.on("/elasticsearch/caSecret/name") {
            mounts.push(json!({"name": "elasticsearch-ca", "mountPath": "/opt/opensearch/config/ca.certs",
                "subPath": self.print("/elasticsearch/caSecret/key"), "readOnly": true}));
        }
        mounts.extend(list(self.values, "/volumeMounts").iter().cloned());
        some_list(mounts)
    }

    pub(super) fn claim_mounts(&self) -> Vec<Value> {
        if !self.has_claims() {
            return Vec::new();
        }
        vec![mounted("assets", "/opt/mastodon/public/assets"), mounted("system", "/opt/mastodon/public/system")]
    }

    /// A component's Deployment: `values` is where its values are, `labels` tell its pods from others.
    pub(super) fn deployment(&self, component: &Component<'_>) -> Value {
        let Component { name, values, labels, pod } = component;
        let mut object = self.object("apps/v1", "Deployment", &self.name(name));
        extend(&mut object["metadata"]["labels"], at(values, "/labels"));
        let mut annotations = json!({});
        extend(&mut annotations, self.at("/deploymentAnnotations"));
        extend(&mut annotations, at(values, "/annotations"));
        set(&mut object, "/metadata/annotations", annotations);
        let mut pod_labels = self.selector(self.at("/mastodon/labels"));
        extend(&mut pod_labels, self.at("/mastodon/podLabels"));
        extend(&mut pod_labels, at(values, "/podLabels"));
        extend(&mut pod_labels, labels);
        let strategy =
            if truth(values, "/updateStrategy") { at(values, "/updateStrategy").clone() } else { Value::Null };
        object["spec"] = json!({"replicas": at(values, "/replicas"), "revisionHistoryLimit": self.at("/mastodon/revisionHistoryLimit"),
            "strategy": strategy, "selector": {"matchLabels": self.selector(labels)},
            "template": {"metadata": {"annotations": self.rolling_annotations(values), "labels": pod_labels}, "spec": pod}});
        object
    }

    /// What a pod says besides its containers: the component's own value, or else the common one.
    pub(super) fn placement(&self, pod: &mut Value, values: &Value) {
        for key in ["affinity", "topologySpreadConstraints", "tolerations", "nodeSelector"] {
            pod[key] = self.own_or_common(values, key);
        }
        pod["securityContext"] = self.own_or_common(values, "podSecurityContext");
        pod["imagePullSecrets"] =
            if self.on("/imagePullSecrets") { self.at("/imagePullSecrets").clone() } else { Value::Null };
        pod["serviceAccountName"] = self.account().into();
    }

    /// A component's value, else the common one of that name, else null.
    pub(super) fn own_or_common(&self, values: &Value, key: &str) -> Value {
        let path = format!("/{key}");
        if truth(values, &path) { at(values, &path).clone() } else { self.first(&[&path]) }
    }
}

/// One of Mastodon's Deployments.
pub(super) struct Component<'a> {
    /// What comes after the release's name.
    pub(super) name: &'a str,
    pub(super) values: &'a Value,
    pub(super) labels: Value,
    pub(super) pod: Value,
}

/// A list, or null for an empty one.
fn some_list(items: Vec<Value>) -> Value {
    if items.is_empty() { Value::Null } else { items.into() }
}
