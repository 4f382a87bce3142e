//! Volumes that are directories of one node's disk.

use serde_json::{Value, json};

use super::provision::Provisioner;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::controllers::SELECTED_NODE;
use crate::kubernetes::store::Key;
use crate::kubernetes::types::Millis;
use crate::kubernetes::value::{list, text};

/// Where the addon `hostpath-storage` keeps volumes (canonical/microk8s-core-addons `addons/hostpath-storage`).
const ADDON_FOLDER: &str = "/var/snap/microk8s/common/default-storage";
/// `BasePath` where a class of `openebs.io/local` names none.
const BASE_PATH: &str = "/var/openebs/local";
/// How long the pod that removes a directory takes.
const CLEANS: Millis = 2_000;

impl Kubernetes {
    pub(super) fn provision_hostpath(&mut self, provisioner: Provisioner, key: &Key, claim: &Value, class: &Value) {
        let node = text(claim, SELECTED_NODE);
        if node.is_empty() {
            self.provisioning_failed(provisioner, claim, "configuration error, no node was specified");
            return;
        }
        let name = format!("pvc-{}", text(claim, "/metadata/uid"));
        let affinity = json!({"required": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]}});
        if provisioner == Provisioner::MicroK8sHostpath {
            let path = format!("{ADDON_FOLDER}/{}-{}-{name}", key.namespace, key.name);
            let spec = json!({"hostPath": {"path": path, "type": "DirectoryOrCreate"}, "nodeAffinity": affinity});
            self.make_volume(provisioner, key, class, &Value::Null, &spec);
            return;
        }
        let base = super::config::value(class, "BasePath").unwrap_or_else(|| BASE_PATH.to_owned());
        let labels = json!({"openebs.io/cas-type": "local-hostpath"});
        let path = format!("{}/{name}", base.trim_end_matches('/'));
        let spec = json!({"local": {"path": path, "fsType": ""}, "nodeAffinity": affinity});
        self.make_volume(provisioner, key, class, &labels, &spec);
    }

    /// A pod on the volume's node removes the directory; it waits for a node that is away.
    pub(super) fn clean_hostpath(&mut self, volume: &Value) -> bool {
        let here = node_of(volume).is_some_and(|node| self.kubelets.reachable(node).is_some());
        here && self.due(text(volume, "/metadata/uid"), "clean", CLEANS)
    }
}

/// The node whose disk a volume is on.
pub(super) fn node_of(volume: &Value) -> Option<&str> {
    list(volume, "/spec/nodeAffinity/required/nodeSelectorTerms")
        .iter()
        .flat_map(|term| list(term, "/matchExpressions"))
        .find(|expression| expression["key"] == "kubernetes.io/hostname")
        .and_then(|expression| list(expression, "/values").first()?.as_str())
}
