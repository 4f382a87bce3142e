//! The scheduler: pods without a node get the emptiest that fits, and where their claims can be.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::events::Note;
use super::{SELECTED_NODE, claims_of, is_leaving, is_ready};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::selector::Labels;
use crate::kubernetes::store::Key;
use crate::kubernetes::value::{Condition, at, entries, list, set, set_condition, text};

/// What the scheduler makes of a pod.
enum Choice {
    /// It goes there.
    Node(String),
    /// It goes there once these claims have their volumes.
    Later(String, Vec<Key>),
    /// It goes nowhere, and why.
    Nowhere(String),
}

impl Kubernetes {
    pub(super) fn run_scheduler(&mut self) {
        let pending: Vec<(Key, _)> = self
            .all_of("", "pods")
            .into_iter()
            .filter(|(_, pod)| text(pod, "/spec/nodeName").is_empty() && !is_leaving(pod))
            .collect();
        for (key, pod) in pending {
            match self.choose(&pod) {
                Choice::Node(node) => self.send_to(&key, &pod, &node),
                Choice::Later(node, claims) => {
                    for claim in claims {
                        self.edit(&claim, |claim| set(claim, SELECTED_NODE, node.as_str()));
                    }
                }
                Choice::Nowhere(why) => self.leave_pending(&key, &pod, &why),
            }
        }
    }

    fn send_to(&mut self, key: &Key, pod: &Value, node: &str) {
        let stamp = self.stamp();
        self.edit(key, |pod| {
            set(pod, "/spec/nodeName", node);
            set_condition(pod, &Condition { kind: "PodScheduled", status: "True", reason: "", message: "" }, &stamp);
        });
        let message = format!("Successfully assigned {}/{} to {node}", key.namespace, key.name);
        let note = Note { kind: "Normal", reason: "Scheduled", message: &message, component: "default-scheduler" };
        self.note(pod, &note);
    }

    fn leave_pending(&mut self, key: &Key, pod: &Value, why: &str) {
        let stamp = self.stamp();
        let condition = Condition { kind: "PodScheduled", status: "False", reason: "Unschedulable", message: why };
        let changed = self.edit(key, |pod| {
            set_condition(pod, &condition, &stamp);
        });
        if changed {
            let component = "default-scheduler";
            self.note(pod, &Note { kind: "Warning", reason: "FailedScheduling", message: why, component });
        }
    }

    fn choose(&self, pod: &Value) -> Choice {
        let count = self.store.list("", "nodes", None).count();
        if count == 0 {
            return Choice::Nowhere("no nodes available to schedule pods".to_owned());
        }
        let refusal = |reasons: &str| {
            Choice::Nowhere(format!(
                "0/{count} nodes are available: {reasons}. preemption: 0/{count} nodes are available: {count} Preemption is not helpful for scheduling."
            ))
        };
        let (volumes, unbound) = match self.claims(pod) {
            Ok(claims) => claims,
            Err(why) => return refusal(&why),
        };
        let mut load: BTreeMap<String, usize> = BTreeMap::new();
        for (_, pod) in self.store.list("", "pods", None) {
            *load.entry(self.place_of(pod)).or_default() += 1;
        }
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        let mut fitting = Vec::new();
        for (key, node) in self.store.list("", "nodes", None) {
            match self.obstacle(pod, node, &key.name, &volumes) {
                None => fitting.push(&key.name),
                Some(reason) => *reasons.entry(reason).or_default() += 1,
            }
        }
        let selected = unbound.iter().filter_map(|key| self.store.get(key)).map(|claim| text(claim, SELECTED_NODE));
        let selected: Vec<&str> = selected.filter(|node| !node.is_empty()).collect();
        let emptiest = fitting.iter().min_by_key(|name| {
            (!selected.contains(&name.as_str()), load.get(**name).copied().unwrap_or_default(), (**name).clone())
        });
        match emptiest {
            Some(node) if unbound.is_empty() => Choice::Node((*node).clone()),
            Some(node) => Choice::Later((*node).clone(), unbound),
            None => {
                let reasons: Vec<String> =
                    reasons.into_iter().map(|(reason, count)| format!("{count} node(s) {reason}")).collect();
                refusal(&reasons.join(", "))
            }
        }
    }

    /// The volumes of a pod's claims, and the claims that get theirs where the pod goes; or what is wrong with them.
    fn claims(&self, pod: &Value) -> Result<(Vec<&Value>, Vec<Key>), String> {
        let (mut volumes, mut unbound) = (Vec::new(), Vec::new());
        for (_, name) in claims_of(pod) {
            let key = Key::core("persistentvolumeclaims", text(pod, "/metadata/namespace"), name);
            let claim = self.store.get(&key).ok_or_else(|| format!("persistentvolumeclaim \"{name}\" not found"))?;
            if is_leaving(claim) {
                return Err(format!("persistentvolumeclaim \"{name}\" is being deleted"));
            }
            if text(claim, "/status/phase") == "Bound" {
                let volume = Key::core("persistentvolumes", "", text(claim, "/spec/volumeName"));
                volumes.extend(self.store.get(&volume).map(|volume| &**volume));
                continue;
            }
            if text(claim, "/status/phase") == "Lost" {
                return Err(format!("persistentvolumeclaim \"{name}\" bound to non-existent persistentvolume"));
            }
            let class = text(claim, "/spec/storageClassName");
            let class = self.store.get(&Key::new("storage.k8s.io", "storageclasses", "", class));
            if class.is_some_and(|class| text(class, "/volumeBindingMode") == "WaitForFirstConsumer") {
                unbound.push(key);
            } else {
                return Err("pod has unbound immediate PersistentVolumeClaims".to_owned());
            }
        }
        Ok((volumes, unbound))
    }

    /// What keeps a pod off a node.
    fn obstacle(&self, pod: &Value, node: &Value, name: &str, volumes: &[&Value]) -> Option<String> {
        let spec = at(pod, "/spec");
        let tolerations = list(spec, "/tolerations");
        if at(node, "/spec/unschedulable") == true {
            return Some("were unschedulable".to_owned());
        }
        if !is_ready(node) {
            let word = if super::condition(node, "Ready") == "Unknown" { "unreachable" } else { "not-ready" };
            return Some(format!("had untolerated taint {{node.kubernetes.io/{word}: }}"));
        }
        if let Some(taint) = repelling_taint(tolerations, node) {
            return Some(format!("had untolerated taint {{{}: {}}}", text(taint, "/key"), text(taint, "/value")));
        }
        if !fits_selector(spec, node) {
            return Some("didn't match Pod's node affinity/selector".to_owned());
        }
        if self.repelled(pod, name) {
            return Some("didn't match pod anti-affinity rules".to_owned());
        }
        if !self.attracted(pod, name) {
            return Some("didn't match pod affinity rules".to_owned());
        }
        let reachable = |volume: &&Value| fits_terms(at(volume, "/spec/nodeAffinity/required"), node);
        (!volumes.iter().all(reachable)).then(|| "didn't match PersistentVolume's node affinity".to_owned())
    }

    /// The node a pod is on, or that was selected for its claims.
    fn place_of(&self, pod: &Value) -> String {
        let node = text(pod, "/spec/nodeName");
        if !node.is_empty() {
            return node.to_owned();
        }
        let namespace = text(pod, "/metadata/namespace");
        let selected = claims_of(pod).find_map(|(_, name)| {
            let claim = self.store.get(&Key::core("persistentvolumeclaims", namespace, name))?;
            Some(text(claim, SELECTED_NODE)).filter(|node| !node.is_empty())
        });
        selected.unwrap_or_default().to_owned()
    }

    /// Whether required anti-affinity keeps the pod off a node that runs one of the pods it avoids.
    fn repelled(&self, pod: &Value, node: &str) -> bool {
        let terms = list(pod, "/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution");
        terms.iter().filter(|term| text(term, "/topologyKey") == "kubernetes.io/hostname").any(|term| {
            let avoided = Labels::of(at(term, "/labelSelector"));
            let mut pods = self.store.list("", "pods", Some(text(pod, "/metadata/namespace")));
            pods.any(|(_, other)| {
                other["metadata"]["uid"] != pod["metadata"]["uid"]
                    && avoided.accept(other)
                    && self.place_of(other) == node
            })
        })
    }
}

impl Kubernetes {
    /// Whether required affinity allows the node: one of the pods it seeks is there; or none is anywhere, and the pod is one
    /// of those itself (k8s.io/kubernetes `pkg/scheduler/framework/plugins/interpodaffinity`).
    fn attracted(&self, pod: &Value, node: &str) -> bool {
        let terms = list(pod, "/spec/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution");
        terms.iter().filter(|term| text(term, "/topologyKey") == "kubernetes.io/hostname").all(|term| {
            let sought = Labels::of(at(term, "/labelSelector"));
            let mut places = self
                .store
                .list("", "pods", Some(text(pod, "/metadata/namespace")))
                .filter(|(_, other)| other["metadata"]["uid"] != pod["metadata"]["uid"] && sought.accept(other))
                .filter(|(_, other)| !["Succeeded", "Failed"].contains(&text(other, "/status/phase")))
                .map(|(_, other)| text(other, "/spec/nodeName"))
                .filter(|place| !place.is_empty())
                .peekable();
            if places.peek().is_none() { sought.accept(pod) } else { places.any(|place| place == node) }
        })
    }
}

/// Whether a pod's node selector and required node affinity allow the node.
pub(super) fn fits_selector(spec: &Value, node: &Value) -> bool {
    let labels = at(node, "/metadata/labels");
    let selected = entries(spec, "/nodeSelector").all(|(key, value)| labels.get(key) == Some(value));
    selected && fits_terms(at(spec, "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution"), node)
}

/// Whether one of a node selector's terms accepts the node; all do where there is none.
fn fits_terms(selector: &Value, node: &Value) -> bool {
    let terms = list(selector, "/nodeSelectorTerms");
    let labels = at(node, "/metadata/labels");
    let term = |term: &Value| {
        let by_label = Labels::of(&json!({"matchExpressions": list(term, "/matchExpressions")})).accept_labels(labels);
        let by_name =
            list(term, "/matchFields").iter().all(|field| list(field, "/values").contains(&node["metadata"]["name"]));
        by_label && by_name
    };
    terms.is_empty() || terms.iter().any(term)
}

/// Whether the tolerations bear the node's taints that keep pods away; those of unreadiness are the caller's business.
pub(super) fn tolerates(tolerations: &[Value], node: &Value) -> bool {
    repelling_taint(tolerations, node).is_none()
}

fn repelling_taint<'a>(tolerations: &[Value], node: &'a Value) -> Option<&'a Value> {
    list(node, "/spec/taints")
        .iter()
        .filter(|taint| {
            text(taint, "/effect") != "PreferNoSchedule" && !text(taint, "/key").starts_with("node.kubernetes.io/")
        })
        .find(|taint| {
            !tolerations.iter().any(|toleration| {
                let key = text(toleration, "/key");
                let effect = text(toleration, "/effect");
                let value = toleration["operator"] == "Exists" || text(toleration, "/value") == text(taint, "/value");
                (key.is_empty() && toleration["operator"] == "Exists" || key == text(taint, "/key"))
                    && (effect.is_empty() || effect == text(taint, "/effect"))
                    && value
            })
        })
}
