//! The scheduler: pods without a node get the emptiest that fits.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::events::Note;
use super::{is_leaving, is_ready};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::selector::Labels;
use crate::kubernetes::store::Key;
use crate::kubernetes::value::{Condition, at, entries, list, set, set_condition, text};

impl Kubernetes {
    pub(super) fn run_scheduler(&mut self) {
        let pending: Vec<(Key, _)> = self
            .all_of("", "pods")
            .into_iter()
            .filter(|(_, pod)| text(pod, "/spec/nodeName").is_empty() && !is_leaving(pod))
            .collect();
        for (key, pod) in pending {
            let stamp = self.stamp();
            if let Some(node) = self.choose(&pod) {
                self.edit(&key, |pod| {
                    set(pod, "/spec/nodeName", node.as_str());
                    set_condition(
                        pod,
                        &Condition { kind: "PodScheduled", status: "True", reason: "", message: "" },
                        &stamp,
                    );
                });
                let message = format!("Successfully assigned {}/{} to {node}", key.namespace, key.name);
                self.note(
                    &pod,
                    &Note { kind: "Normal", reason: "Scheduled", message: &message, component: "default-scheduler" },
                );
            } else {
                let nodes = self.store.list("", "nodes", None).count();
                let message = if nodes == 0 {
                    "no nodes available to schedule pods".to_owned()
                } else {
                    format!(
                        "0/{nodes} nodes are available: {nodes} node(s) didn't satisfy the pod's requirements or are not ready."
                    )
                };
                let condition =
                    Condition { kind: "PodScheduled", status: "False", reason: "Unschedulable", message: &message };
                let changed = self.edit(&key, |pod| {
                    set_condition(pod, &condition, &stamp);
                });
                if changed {
                    self.note(
                        &pod,
                        &Note {
                            kind: "Warning",
                            reason: "FailedScheduling",
                            message: &message,
                            component: "default-scheduler",
                        },
                    );
                }
            }
        }
    }

    fn choose(&self, pod: &Value) -> Option<String> {
        let mut load: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, pod) in self.store.list("", "pods", None) {
            *load.entry(text(pod, "/spec/nodeName")).or_default() += 1;
        }
        let spec = at(pod, "/spec");
        let tolerations = list(spec, "/tolerations");
        self.store
            .list("", "nodes", None)
            .filter(|(_, node)| is_ready(node) && fits_selector(spec, node) && tolerates(tolerations, node))
            .filter(|(key, node)| at(node, "/spec/unschedulable") != true && !self.repelled(pod, &key.name))
            .min_by_key(|(key, _)| (load.get(key.name.as_str()).copied().unwrap_or_default(), key.name.clone()))
            .map(|(key, _)| key.name.clone())
    }

    /// Whether required anti-affinity keeps the pod off a node that runs one of the pods it avoids.
    fn repelled(&self, pod: &Value, node: &str) -> bool {
        let terms = list(pod, "/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution");
        terms.iter().filter(|term| text(term, "/topologyKey") == "kubernetes.io/hostname").any(|term| {
            let avoided = Labels::of(at(term, "/labelSelector"));
            let mut pods = self.store.list("", "pods", Some(text(pod, "/metadata/namespace")));
            pods.any(|(_, other)| text(other, "/spec/nodeName") == node && avoided.accept(other))
        })
    }
}

/// Whether a pod's node selector and required node affinity allow the node.
pub(super) fn fits_selector(spec: &Value, node: &Value) -> bool {
    let labels = at(node, "/metadata/labels");
    let selected = entries(spec, "/nodeSelector").all(|(key, value)| labels.get(key) == Some(value));
    let terms = list(spec, "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms");
    let term = |term: &Value| {
        let by_label = Labels::of(&json!({"matchExpressions": list(term, "/matchExpressions")})).accept_labels(labels);
        let by_name =
            list(term, "/matchFields").iter().all(|field| list(field, "/values").contains(&node["metadata"]["name"]));
        by_label && by_name
    };
    selected && (terms.is_empty() || terms.iter().any(term))
}

/// Whether the tolerations bear the node's taints that keep pods away; those of unreadiness are the caller's business.
pub(super) fn tolerates(tolerations: &[Value], node: &Value) -> bool {
    list(node, "/spec/taints")
        .iter()
        .filter(|taint| {
            text(taint, "/effect") != "PreferNoSchedule" && !text(taint, "/key").starts_with("node.kubernetes.io/")
        })
        .all(|taint| {
            tolerations.iter().any(|toleration| {
                let key = text(toleration, "/key");
                let effect = text(toleration, "/effect");
                let value = toleration["operator"] == "Exists" || text(toleration, "/value") == text(taint, "/value");
                (key.is_empty() && toleration["operator"] == "Exists" || key == text(taint, "/key"))
                    && (effect.is_empty() || effect == text(taint, "/effect"))
                    && value
            })
        })
}
