//! Claims of the hostpath class, bound once a pod that uses them has a node.

use serde_json::{Value, json};

use super::{is_leaving, is_ready};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::store::Key;
use crate::kubernetes::types::Millis;
use crate::kubernetes::value::{at, list, set, text};

const PROVISIONER: &str = "microk8s.io/hostpath";
/// Where the addon keeps volumes (canonical/microk8s-core-addons `addons/hostpath-storage`).
const FOLDER: &str = "/var/snap/microk8s/common/default-storage";
const TAKES: Millis = 2_000;

impl Kubernetes {
    pub(super) fn run_volumes(&mut self) {
        self.reclaim_volumes();
        for (key, claim) in self.all_of("", "persistentvolumeclaims") {
            if text(&claim, "/status/phase") == "Bound" || is_leaving(&claim) {
                continue;
            }
            self.choose_class(&key, &claim);
            let class = Key::new("storage.k8s.io", "storageclasses", "", text(&claim, "/spec/storageClassName"));
            let Some(class) = self.store.get(&class).cloned() else { continue };
            let Some(node) = self.node_for(&key) else { continue };
            if text(&class, "/provisioner") == PROVISIONER
                && self.provisioner_ready()
                && self.due(text(&claim, "/metadata/uid"), "provision", TAKES)
            {
                self.bind(&key, &claim, &class, &node);
            }
        }
    }

    /// A claim without a class gets the default one.
    fn choose_class(&mut self, key: &Key, claim: &Value) {
        if !at(claim, "/spec/storageClassName").is_null() {
            return;
        }
        let is_default =
            |class: &Value| text(class, "/metadata/annotations/storageclass.kubernetes.io~1is-default-class") == "true";
        let default = self.store.list("storage.k8s.io", "storageclasses", None).find(|(_, class)| is_default(class));
        if let Some(name) = default.map(|(key, _)| key.name.clone()) {
            self.edit(key, |claim| set(claim, "/spec/storageClassName", name));
        }
    }

    /// The node of a pod that uses the claim.
    fn node_for(&self, claim: &Key) -> Option<String> {
        let uses = |pod: &Value| {
            list(pod, "/spec/volumes")
                .iter()
                .any(|volume| text(volume, "/persistentVolumeClaim/claimName") == claim.name)
        };
        let mut pods = self.store.list("", "pods", Some(&claim.namespace)).filter(|(_, pod)| uses(pod));
        pods.find_map(|(_, pod)| {
            let node = text(pod, "/spec/nodeName");
            (!node.is_empty()).then(|| node.to_owned())
        })
    }

    fn provisioner_ready(&self) -> bool {
        let pods = self.store.list("", "pods", Some("kube-system"));
        pods.into_iter()
            .any(|(_, pod)| text(pod, "/metadata/labels/k8s-app") == "hostpath-provisioner" && is_ready(pod))
    }

    fn bind(&mut self, key: &Key, claim: &Value, class: &Value, node: &str) {
        let name = format!("pvc-{}", text(claim, "/metadata/uid"));
        let capacity = at(claim, "/spec/resources/requests").clone();
        let path = format!("{FOLDER}/{}-{}-{name}", key.namespace, key.name);
        let terms =
            json!([{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]);
        let volume = self.make("", "persistentvolumes", json!({"metadata": {"name": name,
                "annotations": {"hostPathProvisionerIdentity": node, "pv.kubernetes.io/provisioned-by": PROVISIONER}},
            "spec": {"accessModes": at(claim, "/spec/accessModes"), "capacity": capacity, "hostPath": {"path": path, "type": "DirectoryOrCreate"},
                "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": key.namespace, "name": key.name,
                    "uid": claim["metadata"]["uid"], "resourceVersion": claim["metadata"]["resourceVersion"]},
                "persistentVolumeReclaimPolicy": class["reclaimPolicy"], "storageClassName": class["metadata"]["name"],
                "volumeMode": "Filesystem", "nodeAffinity": {"required": {"nodeSelectorTerms": terms}}}}));
        self.edit(&volume, |volume| set(volume, "/status/phase", "Bound"));
        let modes = at(claim, "/spec/accessModes").clone();
        self.edit(key, |claim| {
            set(claim, "/spec/volumeName", name);
            claim["status"] = json!({"phase": "Bound", "accessModes": modes, "capacity": capacity});
        });
    }

    /// Whether every claim of a pod is bound.
    pub(super) fn claims_bound(&self, pod: &Value) -> bool {
        let namespace = text(pod, "/metadata/namespace");
        list(pod, "/spec/volumes").iter().all(|volume| {
            let name = text(volume, "/persistentVolumeClaim/claimName");
            let claim = self.store.get(&Key::core("persistentvolumeclaims", namespace, name));
            name.is_empty() || claim.is_some_and(|claim| text(claim, "/status/phase") == "Bound")
        })
    }

    /// Releases or deletes the volumes of claims that are gone.
    fn reclaim_volumes(&mut self) {
        for (key, volume) in self.all_of("", "persistentvolumes") {
            let reference = at(&volume, "/spec/claimRef");
            let claim = Key::core("persistentvolumeclaims", text(reference, "/namespace"), text(reference, "/name"));
            if reference.is_null()
                || self.store.get(&claim).is_some_and(|claim| claim["metadata"]["uid"] == reference["uid"])
            {
                continue;
            }
            if text(&volume, "/spec/persistentVolumeReclaimPolicy") == "Delete" {
                self.erase(&key);
            } else {
                self.edit(&key, |volume| set(volume, "/status/phase", "Released"));
            }
        }
    }
}
