//! The operator: it makes a volume's objects, tells its status, adds replicas and moves them off nodes that are gone
//! (jiva-operator `pkg/controllers/jivavolume_controller.go`).

use serde_json::{Value, json};

use super::{GROUP, PLURAL, objects};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::controllers::{Note, SELECTED_NODE, is_leaving};
use crate::kubernetes::options::Propagation;
use crate::kubernetes::store::Key;
use crate::kubernetes::types::Millis;
use crate::kubernetes::value::{at, list, number, set, text};

/// From a volume's Service until the rest of its objects.
const BOOTSTRAP: Millis = 1_000;

impl Kubernetes {
    /// The operator looks at every volume, while it runs.
    pub(in crate::kubernetes) fn run_jiva(&mut self) {
        self.run_replicas();
        if self.program("jiva-operator", |_| true).is_none() {
            return;
        }
        for (key, volume) in self.all_of(GROUP, PLURAL) {
            if is_leaving(&volume) {
                continue;
            }
            match text(&volume, "/status/phase") {
                "" | "Pending" | "Failed" => self.bootstrap(&key, &volume),
                _ => self.reconcile(&key),
            }
        }
    }

    fn bootstrap(&mut self, key: &Key, volume: &Value) {
        let policy = text(volume, "/metadata/annotations/openebs.io~1volume-policy").to_owned();
        let named = self.store.get(&Key::new(GROUP, "jivavolumepolicies", &key.namespace, &policy)).cloned();
        if !policy.is_empty() && named.is_none() {
            let message = format!(
                "failed to bootstrap volume, due to error: failed to get volume policy {policy}: JivaVolumePolicy.openebs.io \"{policy}\" not found"
            );
            let note = Note { kind: "Warning", reason: "Bootstrap", message: &message, component: "jiva-operator" };
            self.note_once(volume, &note);
            self.edit(key, |volume| set(volume, "/status/phase", "Failed"));
            return;
        }
        let address = self.make_service(objects::service(volume));
        self.edit(key, |volume| {
            let policy = objects::policy(named.as_deref());
            set(volume, "/spec/desiredReplicationFactor", number(&policy, "/target/replicationFactor"));
            set(volume, "/spec/policy", policy);
            set(
                volume,
                "/spec/iscsiSpec",
                json!({"targetIP": address, "targetPort": 3260, "iqn": objects::iqn(&key.name)}),
            );
            set(volume, "/status/phase", "Pending");
        });
        if !self.due(text(volume, "/metadata/uid"), "bootstrap", BOOTSTRAP) {
            return;
        }
        let Some(volume) = self.store.get(key).cloned() else { return };
        self.make("apps", "deployments", objects::controller(&volume));
        self.make("apps", "statefulsets", objects::replicas(&volume));
        self.make("policy", "poddisruptionbudgets", objects::disruption_budget(&volume));
        self.edit(key, |volume| set(volume, "/status/phase", "Syncing"));
    }

    /// A Service with an address of its own; the address.
    pub(in crate::kubernetes::storage) fn make_service(&mut self, mut service: Value) -> String {
        let (name, namespace) = (text(&service, "/metadata/name"), text(&service, "/metadata/namespace"));
        let key = Key::core("services", namespace, name);
        if self.store.get(&key).is_none()
            && let Some(kind) = self.kinds.preferred("", "services").cloned()
            && self.allocate(&kind, &key, None, &mut service).is_ok()
        {
            self.make("", "services", service);
        }
        self.store.get(&key).map_or_else(String::new, |service| text(service, "/spec/clusterIP").to_owned())
    }

    fn reconcile(&mut self, key: &Key) {
        let target = self.target_status(key);
        self.edit(key, |volume| {
            let (status, phase) = match target.status {
                "RW" => ("RW", "Ready"),
                "RO" => ("RO", "Syncing"),
                _ => ("", "Unknown"),
            };
            let replicas: Vec<Value> =
                target.replicas.iter().map(|(address, mode)| json!({"address": address, "mode": mode})).collect();
            let mut new = json!({"phase": phase});
            // Go's `omitempty`.
            if !status.is_empty() {
                new["status"] = status.into();
            }
            if !replicas.is_empty() {
                new["replicaCount"] = replicas.len().into();
                new["replicaStatus"] = replicas.into();
            }
            volume["status"] = new;
        });
        let Some(volume) = self.store.get(key).cloned() else { return };
        if text(&volume, "/status/phase") == "Ready" && !self.scale_up(key, &volume) {
            self.move_replicas(key, &volume);
        }
    }

    /// One replica more, if that is wished for and all there are have everything.
    fn scale_up(&mut self, key: &Key, volume: &Value) -> bool {
        let factor = number(volume, "/spec/policy/target/replicationFactor");
        let desired = number(volume, "/spec/desiredReplicationFactor");
        if desired <= factor {
            return false;
        }
        let complaint = if number(volume, "/status/replicaCount") != factor {
            let count = number(volume, "/status/replicaCount");
            Some(format!("replica count: {count} in status not equal to replicationfactor: {factor}"))
        } else if list(volume, "/status/replicaStatus").iter().any(|replica| replica["mode"] != "RW") {
            Some(format!("all replicas for volume {} should be in RW state", key.name))
        } else if desired - factor != 1 {
            Some(format!("only single replica scaleup is allowed, desired: {desired} actual: {factor}"))
        } else {
            None
        };
        if let Some(complaint) = complaint {
            let message = format!("failed to scaleup volume, {complaint}");
            let note =
                Note { kind: "Warning", reason: "ReplicaScaleup", message: &message, component: "jiva-operator" };
            self.note_once(volume, &note);
            return false;
        }
        let set_key = Key::new("apps", "statefulsets", &key.namespace, &objects::replicas_name(&key.name));
        self.edit(&set_key, |object| set(object, "/spec/replicas", desired));
        self.edit(key, |volume| {
            set(volume, "/spec/policy/target/replicationFactor", desired);
            set(volume, "/status/phase", "Syncing");
        });
        let fresh = self.store.get(key).map(|volume| objects::controller(volume));
        if let Some(fresh) = fresh {
            let controller = Key::new("apps", "deployments", &key.namespace, &objects::controller_name(&key.name));
            self.edit(&controller, |object| {
                let containers = object.pointer_mut("/spec/template/spec/containers").and_then(Value::as_array_mut);
                if let Some(engine) = containers.and_then(|containers| containers.first_mut()) {
                    engine["env"] = at(&fresh, "/spec/template/spec/containers/0/env").clone();
                }
            });
        }
        true
    }

    /// A replica that waits for a node that no longer exists gets a new disk elsewhere, while the others are enough.
    fn move_replicas(&mut self, key: &Key, volume: &Value) {
        let factor = number(volume, "/spec/policy/target/replicationFactor");
        let complete = list(volume, "/status/replicaStatus").iter().filter(|replica| replica["mode"] == "RW").count();
        if factor < 3 || i64::try_from(complete).unwrap_or_default() < factor / 2 + 1 {
            return;
        }
        for ordinal in 0..factor {
            let pod = Key::core("pods", &key.namespace, &format!("{}-{ordinal}", objects::replicas_name(&key.name)));
            let pending = self.store.get(&pod).is_some_and(|pod| text(pod, "/status/phase") == "Pending");
            let name = format!("openebs-{}", pod.name);
            let claim_key = Key::core("persistentvolumeclaims", &key.namespace, &name);
            let Some(claim) = self.store.get(&claim_key).filter(|_| pending).cloned() else { continue };
            let node = text(&claim, SELECTED_NODE);
            if node.is_empty() || self.store.get(&Key::core("nodes", "", node)).is_some() {
                continue;
            }
            self.erase(&Key::core("persistentvolumes", "", text(&claim, "/spec/volumeName")));
            self.erase(&claim_key);
            self.discard(&pod, Propagation::Background, None);
            let message = format!("replica {} and it's corresponding PVC & PV deleted", pod.name);
            let note =
                Note { kind: "Warning", reason: "ReplicaMovement", message: &message, component: "jiva-operator" };
            self.note(volume, &note);
        }
    }
}
