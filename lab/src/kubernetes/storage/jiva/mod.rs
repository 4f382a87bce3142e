//! `OpenEBS` Jiva: volumes with replicas on several nodes' disks behind an iSCSI target
//! (openebs-archive/jiva-operator).

mod node;
mod objects;
mod operator;
mod replicas;

use serde_json::{Value, json};

pub(super) use node::{Stage, stage_path};
pub(super) use objects::iqn;
pub(super) use replicas::{Replica, Volumes};

use super::provision::Provisioner;
use super::quantity::{bytes, whole_gib};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::options::Propagation;
use crate::kubernetes::store::Key;
use crate::kubernetes::value::text;

const GROUP: &str = "openebs.io";
const PLURAL: &str = "jivavolumes";

impl Kubernetes {
    /// The namespace `OpenEBS` runs in: that of the CSI driver's controller (its `OPENEBS_NAMESPACE`).
    fn openebs_namespace(&self) -> Option<String> {
        self.provisioner_pod(Provisioner::Jiva).map(|key| key.namespace)
    }

    /// The `JivaVolume` of a volume, wherever it is.
    pub(super) fn jiva_volume(&self, volume: &str) -> Option<(Key, std::sync::Arc<Value>)> {
        let mut all = self.store.list(GROUP, PLURAL, None);
        all.find(|(key, _)| key.name == volume).map(|(key, object)| (key.clone(), std::sync::Arc::clone(object)))
    }

    /// `CreateVolume` of the CSI driver's controller: a `JivaVolume`, which the operator fills with life, and at once the
    /// volume's object (jiva-operator `pkg/kubernetes/client/client.go`).
    pub(super) fn provision_jiva(&mut self, key: &Key, claim: &Value, class: &Value) {
        if self.kinds.preferred(GROUP, PLURAL).is_none() {
            let why = "rpc error: code = Internal desc = Failed to get the JivaVolume details, err: {no matches for kind \"JivaVolume\" in version \"openebs.io/v1\"}";
            self.provisioning_failed(Provisioner::Jiva, claim, why);
            return;
        }
        let Some(namespace) = self.openebs_namespace() else { return };
        let name = format!("pvc-{}", text(claim, "/metadata/uid"));
        let mut annotations = json!({});
        if !text(class, "/parameters/policy").is_empty() {
            annotations["openebs.io/volume-policy"] = class["parameters"]["policy"].clone();
        }
        self.make(GROUP, PLURAL, json!({
            "metadata": {"name": name, "namespace": namespace, "annotations": annotations,
                "labels": {"openebs.io/persistent-volume": name, "openebs.io/component": "jiva-volume",
                    "openebs.io/persistent-volume-claim": key.name}},
            "spec": {"pv": name, "capacity": whole_gib(bytes(text(claim, "/spec/resources/requests/storage"))), "accessType": "mount",
                "iscsiSpec": {}, "mountInfo": {}, "policy": {"target": {}, "replica": {}}},
            "status": {"phase": ""},
            "versionDetails": {"autoUpgrade": false, "desired": objects::VERSION,
                "status": {"current": objects::VERSION, "dependentsUpgraded": true}}}));
        let fs_type = match text(class, "/parameters/csi.storage.k8s.io~1fstype") {
            "" => "ext4",
            known => known,
        };
        let spec = json!({"csi": {"driver": Provisioner::Jiva.name(), "volumeHandle": name, "fsType": fs_type,
            "volumeAttributes": {"openebs.io/cas-type": "jiva", "storage.kubernetes.io/csiProvisionerIdentity": "1-8081-jiva.csi.openebs.io"}}});
        self.make_volume(Provisioner::Jiva, key, class, &Value::Null, &spec);
    }

    /// `DeleteVolume`: the `JivaVolume` goes, and with it everything it owns.
    pub(super) fn delete_jiva(&mut self, volume: &Value) -> bool {
        if let Some((key, _)) = self.jiva_volume(text(volume, "/spec/csi/volumeHandle")) {
            self.discard(&key, Propagation::Background, None);
        }
        true
    }
}
