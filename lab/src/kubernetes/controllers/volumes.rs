//! Claims and volumes: who binds to whom, what protects them, what becomes of a volume whose claim is gone.

use serde_json::{Value, json};

use super::events::Note;
use super::is_leaving;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::options::Propagation;
use crate::kubernetes::storage::Provisioner;
use crate::kubernetes::storage::quantity::bytes;
use crate::kubernetes::store::Key;
use crate::kubernetes::value::{at, list, set, text};

/// What the scheduler writes on a claim that waits for its first consumer.
pub(in crate::kubernetes) const SELECTED_NODE: &str = "/metadata/annotations/volume.kubernetes.io~1selected-node";
/// Who made a volume.
const PROVISIONED_BY: &str = "/metadata/annotations/pv.kubernetes.io~1provisioned-by";
const CLAIM_PROTECTION: &str = "kubernetes.io/pvc-protection";
const VOLUME_PROTECTION: &str = "kubernetes.io/pv-protection";

impl Kubernetes {
    pub(super) fn run_volumes(&mut self) {
        self.judge_volumes();
        self.release_protected();
        for (key, claim) in self.all_of("", "persistentvolumeclaims") {
            match text(&claim, "/status/phase") {
                "Bound" => self.mourn(&key, &claim),
                "Lost" => {}
                _ if is_leaving(&claim) => {}
                _ => self.serve_claim(&key, &claim),
            }
        }
    }

    fn serve_claim(&mut self, key: &Key, claim: &Value) {
        self.choose_class(key, claim);
        let Some(claim) = self.store.get(key).cloned() else { return };
        if let Some(volume) = self.fitting_volume(&claim) {
            self.bind(key, &volume);
            return;
        }
        if !text(&claim, "/spec/volumeName").is_empty() {
            return;
        }
        let name = text(&claim, "/spec/storageClassName");
        if name.is_empty() {
            let message = "no persistent volumes available for this claim and no storage class is set";
            self.note_once(&claim, &about_claim("Normal", "FailedBinding", message));
            return;
        }
        let class = self.store.get(&Key::new("storage.k8s.io", "storageclasses", "", name)).cloned();
        let Some(class) = class else {
            let message = format!("storageclass.storage.k8s.io \"{name}\" not found");
            self.note_once(&claim, &about_claim("Warning", "ProvisioningFailed", &message));
            return;
        };
        if text(&class, "/volumeBindingMode") == "WaitForFirstConsumer" && text(&claim, SELECTED_NODE).is_empty() {
            let message = "waiting for first consumer to be created before binding";
            self.note_once(&claim, &about_claim("Normal", "WaitForFirstConsumer", message));
            return;
        }
        let provisioner = text(&class, "/provisioner");
        self.edit(key, |claim| {
            for prefix in ["volume", "volume.beta"] {
                let path = format!("/metadata/annotations/{prefix}.kubernetes.io~1storage-provisioner");
                set(claim, &path, provisioner);
            }
        });
        let message = format!(
            "Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered."
        );
        self.note_once(&claim, &about_claim("Normal", "ExternalProvisioning", &message));
        if let Some(provisioner) = Provisioner::named(provisioner) {
            self.provision(provisioner, key, &claim, &class);
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

    /// A volume that is kept for the claim, or a free one that fits it.
    fn fitting_volume(&self, claim: &Value) -> Option<Key> {
        let named = text(claim, "/spec/volumeName");
        let meta = at(claim, "/metadata");
        let fits = |name: &str, volume: &Value| {
            if is_leaving(volume) || !(named.is_empty() || named == name) {
                return false;
            }
            let reference = at(volume, "/spec/claimRef");
            if !reference.is_null() {
                let same = reference["name"] == meta["name"] && reference["namespace"] == meta["namespace"];
                return same && (reference["uid"].is_null() || reference["uid"] == meta["uid"]);
            }
            let modes = list(volume, "/spec/accessModes");
            let capacity = bytes(text(volume, "/spec/capacity/storage"));
            text(volume, "/spec/storageClassName") == text(claim, "/spec/storageClassName")
                && list(claim, "/spec/accessModes").iter().all(|mode| modes.contains(mode))
                && capacity >= bytes(text(claim, "/spec/resources/requests/storage"))
        };
        let mut volumes = self.store.list("", "persistentvolumes", None);
        volumes.find(|(key, volume)| fits(&key.name, volume)).map(|(key, _)| key.clone())
    }

    /// Binds a claim and a volume to each other.
    pub(in crate::kubernetes) fn bind(&mut self, key: &Key, volume: &Key) {
        let (Some(claim), Some(object)) = (self.store.get(key).cloned(), self.store.get(volume).cloned()) else {
            return;
        };
        let reference = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": key.namespace, "name": key.name,
            "uid": claim["metadata"]["uid"], "resourceVersion": claim["metadata"]["resourceVersion"]});
        self.edit(volume, |volume| {
            if at(volume, "/spec/claimRef/uid").is_null() {
                set(volume, "/spec/claimRef", reference);
            }
            set(volume, "/status/phase", "Bound");
        });
        self.edit(key, |claim| {
            for word in ["bind-completed", "bound-by-controller"] {
                set(claim, &format!("/metadata/annotations/pv.kubernetes.io~1{word}"), "yes");
            }
            set(claim, "/spec/volumeName", volume.name.as_str());
            let status = json!({"phase": "Bound", "accessModes": at(&object, "/spec/accessModes"), "capacity": at(&object, "/spec/capacity")});
            claim["status"] = status;
        });
    }

    /// Makes the volume a provisioner has for a claim, and binds them: `spec` is what is special to it.
    pub(in crate::kubernetes) fn make_volume(
        &mut self,
        provisioner: Provisioner,
        key: &Key,
        class: &Value,
        labels: &Value,
        spec: &Value,
    ) {
        let Some(claim) = self.store.get(key).cloned() else { return };
        let name = format!("pvc-{}", text(&claim, "/metadata/uid"));
        let mut volume = json!({"metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": provisioner.name()}},
            "spec": {"accessModes": at(&claim, "/spec/accessModes"), "capacity": at(&claim, "/spec/resources/requests"),
                "persistentVolumeReclaimPolicy": class["reclaimPolicy"], "storageClassName": class["metadata"]["name"], "volumeMode": "Filesystem",
                "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": key.namespace, "name": key.name,
                    "uid": claim["metadata"]["uid"], "resourceVersion": claim["metadata"]["resourceVersion"]}}});
        if !labels.is_null() {
            set(&mut volume, "/metadata/labels", labels.clone());
        }
        let options = list(class, "/mountOptions");
        if !options.is_empty() {
            set(&mut volume, "/spec/mountOptions", options.to_vec());
        }
        for (field, value) in crate::kubernetes::value::entries(spec, "") {
            set(&mut volume, &format!("/spec/{field}"), value.clone());
        }
        let volume = self.make("", "persistentvolumes", volume);
        let message = format!("Successfully provisioned volume {name}");
        self.note(
            &claim,
            &Note {
                kind: "Normal",
                reason: "ProvisioningSucceeded",
                message: &message,
                component: provisioner.component(),
            },
        );
        self.bind(key, &volume);
    }

    /// Volumes whose claims are gone are released, and deleted where their policy says so.
    fn judge_volumes(&mut self) {
        for (key, volume) in self.all_of("", "persistentvolumes") {
            let reference = at(&volume, "/spec/claimRef");
            if reference.is_null() || reference["uid"].is_null() {
                self.edit(&key, |volume| set(volume, "/status/phase", "Available"));
                continue;
            }
            let claim = Key::core("persistentvolumeclaims", text(reference, "/namespace"), text(reference, "/name"));
            if self.store.get(&claim).is_some_and(|claim| claim["metadata"]["uid"] == reference["uid"]) {
                continue;
            }
            self.edit(&key, |volume| set(volume, "/status/phase", "Released"));
            if text(&volume, "/spec/persistentVolumeReclaimPolicy") == "Delete"
                && Provisioner::named(text(&volume, PROVISIONED_BY))
                    .is_some_and(|provisioner| self.reclaim(provisioner, &volume))
            {
                self.discard(&key, Propagation::Background, None);
            }
        }
    }

    /// Lets go of claims and volumes that are to be deleted once nobody uses them (kube-controller-manager
    /// `pvc-protection`, `pv-protection`): a claim is in use while a pod that has a node names it.
    fn release_protected(&mut self) {
        for (key, claim) in self.all_of("", "persistentvolumeclaims") {
            if is_leaving(&claim) && !self.used(&key) {
                self.drop_finalizer(&key, CLAIM_PROTECTION);
            }
        }
        for (key, volume) in self.all_of("", "persistentvolumes") {
            if is_leaving(&volume) && text(&volume, "/status/phase") != "Bound" {
                self.drop_finalizer(&key, VOLUME_PROTECTION);
            }
        }
    }

    fn used(&self, claim: &Key) -> bool {
        let mut pods = self.store.list("", "pods", Some(&claim.namespace));
        pods.any(|(_, pod)| {
            !text(pod, "/spec/nodeName").is_empty() && claims_of(pod).any(|(_, name)| name == claim.name)
        })
    }

    fn drop_finalizer(&mut self, key: &Key, finalizer: &str) {
        self.edit(key, |object| {
            let mut left = list(object, "/metadata/finalizers").to_vec();
            left.retain(|name| name != finalizer);
            if left.is_empty() {
                crate::kubernetes::value::remove(object, "/metadata/finalizers");
            } else {
                set(object, "/metadata/finalizers", left);
            }
        });
        if self.store.get(key).is_some_and(|object| list(object, "/metadata/finalizers").is_empty()) {
            self.erase(key);
        }
    }

    /// A claim whose volume was deleted under it is lost.
    fn mourn(&mut self, key: &Key, claim: &Value) {
        let volume = Key::core("persistentvolumes", "", text(claim, "/spec/volumeName"));
        if self.store.get(&volume).is_none() {
            let message = "Bound claim has lost its PersistentVolume. Any data on the volume is lost!";
            self.note_once(claim, &about_claim("Warning", "ClaimLost", message));
            self.edit(key, |claim| set(claim, "/status/phase", "Lost"));
        }
    }

    /// Whether every claim of a pod is bound.
    pub(super) fn claims_bound(&self, pod: &Value) -> bool {
        let namespace = text(pod, "/metadata/namespace");
        claims_of(pod).all(|(_, name)| {
            let claim = self.store.get(&Key::core("persistentvolumeclaims", namespace, name));
            claim.is_some_and(|claim| text(claim, "/status/phase") == "Bound")
        })
    }
}

/// The claims a pod names: its volume's name and the claim's.
pub(in crate::kubernetes) fn claims_of(pod: &Value) -> impl Iterator<Item = (&str, &str)> {
    list(pod, "/spec/volumes")
        .iter()
        .map(|volume| (text(volume, "/name"), text(volume, "/persistentVolumeClaim/claimName")))
        .filter(|(_, claim)| !claim.is_empty())
}

fn about_claim<'a>(kind: &'a str, reason: &'a str, message: &'a str) -> Note<'a> {
    Note { kind, reason, message, component: "persistentvolume-controller" }
}
