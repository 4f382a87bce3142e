//! What every namespace has, and how one goes.

use serde_json::json;

use super::is_leaving;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::options::Propagation;
use crate::kubernetes::store::Key;
use crate::kubernetes::types::Millis;
use crate::kubernetes::value::text;

/// From a namespace's deletion until its content has been looked for (kube-controller-manager `namespace`).
const SWEEP: Millis = 5_000;

impl Kubernetes {
    pub(super) fn run_namespaces(&mut self) {
        for (key, namespace) in self.all_of("", "namespaces") {
            if is_leaving(&namespace) {
                self.sweep(&key, text(&namespace, "/metadata/uid"));
                continue;
            }
            let known = Key::core("configmaps", &key.name, "kube-root-ca.crt");
            if self.store.get(&known).is_some()
                && self.store.get(&Key::core("serviceaccounts", &key.name, "default")).is_some()
            {
                continue;
            }
            self.make("", "serviceaccounts", json!({"metadata": {"name": "default", "namespace": key.name}}));
            let certificate = "-----BEGIN CERTIFICATE-----\n(the cluster's own)\n-----END CERTIFICATE-----\n";
            self.make("", "configmaps", json!({"metadata": {"name": "kube-root-ca.crt", "namespace": key.name,
                "annotations": {"kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters."}},
                "data": {"ca.crt": certificate}}));
        }
    }

    fn sweep(&mut self, key: &Key, uid: &str) {
        let content: Vec<Key> =
            self.store.all().filter(|(other, _)| other.namespace == key.name).map(|(other, _)| other.clone()).collect();
        for inner in &content {
            self.discard(inner, Propagation::Background, None);
        }
        let left = self.store.all().any(|(other, _)| other.namespace == key.name);
        if self.due(uid, "sweep", SWEEP) && !left {
            self.erase(key);
        }
    }
}
