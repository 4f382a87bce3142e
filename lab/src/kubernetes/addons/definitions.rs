//! The definitions in the folders `crds` of the chart `openebs` and its subcharts.

use serde_json::{Value, json};

use super::chart::truth;

/// Kind, plural, singular, short names, group, versions (the stored one first).
type Row = (&'static str, &'static str, &'static str, &'static [&'static str], &'static str, &'static [&'static str]);

const DISKS: [Row; 2] = [
    ("BlockDevice", "blockdevices", "blockdevice", &["bd"], "openebs.io", &["v1alpha1"]),
    ("BlockDeviceClaim", "blockdeviceclaims", "blockdeviceclaim", &["bdc"], "openebs.io", &["v1alpha1"]),
];
const JIVA: [Row; 3] = [
    ("JivaVolume", "jivavolumes", "jivavolume", &["jv"], "openebs.io", &["v1", "v1alpha1"]),
    ("JivaVolumePolicy", "jivavolumepolicies", "jivavolumepolicy", &["jvp"], "openebs.io", &["v1", "v1alpha1"]),
    ("UpgradeTask", "upgradetasks", "upgradetask", &["utask"], "openebs.io", &["v1alpha1"]),
];
const CSTOR: [Row; 9] = [
    ("CStorPoolCluster", "cstorpoolclusters", "cstorpoolcluster", &["cspc"], "cstor.openebs.io", &["v1"]),
    ("CStorPoolInstance", "cstorpoolinstances", "cstorpoolinstance", &["cspi"], "cstor.openebs.io", &["v1"]),
    ("CStorVolume", "cstorvolumes", "cstorvolume", &["cv"], "cstor.openebs.io", &["v1"]),
    ("CStorVolumeAttachment", "cstorvolumeattachments", "cstorvolumeattachment", &["cva"], "cstor.openebs.io", &["v1"]),
    ("CStorVolumeConfig", "cstorvolumeconfigs", "cstorvolumeconfig", &["cvc"], "cstor.openebs.io", &["v1"]),
    ("CStorVolumePolicy", "cstorvolumepolicies", "cstorvolumepolicy", &["cvp"], "cstor.openebs.io", &["v1"]),
    ("CStorVolumeReplica", "cstorvolumereplicas", "cstorvolumereplica", &["cvr"], "cstor.openebs.io", &["v1"]),
    ("CStorBackup", "cstorbackups", "cstorbackup", &["cbackup"], "cstor.openebs.io", &["v1"]),
    ("CStorRestore", "cstorrestores", "cstorrestore", &["crestore"], "cstor.openebs.io", &["v1"]),
];

/// The definitions of the parts that are on.
pub(super) fn of(values: &Value) -> Vec<Value> {
    let mut rows: Vec<&Row> = DISKS.iter().collect();
    for (path, more) in [("/jiva/enabled", &JIVA[..]), ("/cstor/enabled", &CSTOR[..])] {
        if truth(values, path) {
            rows.extend(more);
        }
    }
    rows.into_iter().map(definition).collect()
}

fn definition((kind, plural, singular, short, group, versions): &Row) -> Value {
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let column = |name: &str, path: &str| json!({"name": name, "type": "string", "jsonPath": path});
    let columns = match *plural {
        "jivavolumes" => json!([
            column("ReplicaCount", ".status.replicaCount"),
            column("Phase", ".status.phase"),
            column("Status", ".status.status")
        ]),
        "blockdevices" => json!([
            column("NodeName", ".spec.nodeAttributes.nodeName"),
            column("Size", ".spec.capacity.storage"),
            column("ClaimState", ".status.claimState"),
            column("Status", ".status.state")
        ]),
        _ => json!([]),
    };
    let versions: Vec<Value> = versions
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let mut version = json!({"name": name, "served": true, "storage": at == 0, "schema": {"openAPIV3Schema": {"type": "object",
                "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}, "spec": open,
                    "status": open, "versionDetails": open}}}});
            if columns != json!([]) {
                version["additionalPrinterColumns"] = columns.clone();
            }
            version
        })
        .collect();
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": format!("{plural}.{group}"),
        "annotations": {"controller-gen.kubebuilder.io/version": "v0.4.1"}},
        "spec": {"group": group, "scope": "Namespaced", "versions": versions,
            "names": {"kind": kind, "listKind": format!("{kind}List"), "plural": plural, "singular": singular, "shortNames": short}}})
}
