//! A `JivaVolume` object, read (openebs/jiva-operator `pkg/apis/openebs/v1/jivavolume_types.go`).

use serde_json::Value;

/// Where `JivaVolumes` of all namespaces are listed.
pub const PATH: &str = "/apis/openebs.io/v1/jivavolumes";

/// What a `JivaVolume` says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JivaVolume {
    /// Its name, which is that of the PV.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// `Ready`, `Syncing`, … or nothing.
    pub phase: String,
    /// The controller's own word: `RW`, `RO`, or nothing when it does not answer.
    pub status: String,
    /// Replicas the controller is connected to.
    pub connected: u32,
    /// The mode of each: `RW`, `WO`, `NA` or nothing.
    pub modes: Vec<String>,
    /// The label `nodeID`: the node that has it mounted.
    pub owner: Option<String>,
    /// The link udev makes for its device, from portal and IQN.
    pub link: Option<String>,
}

impl JivaVolume {
    /// The volume of a PV in a list of them.
    pub fn find(list: &Value, pv: &str) -> Option<Self> {
        list["items"].as_array()?.iter().find(|item| item["metadata"]["name"] == pv).map(Self::read)
    }

    fn read(object: &Value) -> Self {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let some = |pointer: &str| Some(text(pointer)).filter(|text| !text.is_empty());
        let number = |pointer: &str| {
            let number = object.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
            u32::try_from(number).unwrap_or_default()
        };
        let replicas = object.pointer("/status/replicaStatus").and_then(Value::as_array);
        let modes = replicas.into_iter().flatten().map(|replica| replica["mode"].as_str().unwrap_or_default());
        let link = || {
            let (address, iqn) = (some("/spec/iscsiSpec/targetIP")?, some("/spec/iscsiSpec/iqn")?);
            let port = number("/spec/iscsiSpec/targetPort");
            Some(format!("/dev/disk/by-path/ip-{address}:{port}-iscsi-{iqn}-lun-0"))
        };
        Self {
            name: text("/metadata/name"),
            namespace: text("/metadata/namespace"),
            phase: text("/status/phase"),
            status: text("/status/status"),
            connected: number("/status/replicaCount"),
            modes: modes.map(str::to_owned).collect(),
            owner: some("/metadata/labels/nodeID"),
            link: link(),
        }
    }

    /// Whether it can be written and every wanted replica can be read and written. `Ready` alone only means that
    /// enough of them can.
    pub fn whole(&self, wanted: u32) -> bool {
        let count = u32::try_from(self.modes.len()).unwrap_or(u32::MAX);
        self.phase == "Ready"
            && self.status == "RW"
            && self.connected == wanted
            && count == wanted
            && self.modes.iter().all(|mode| mode == "RW")
    }

    /// Phase, status and modes in one line.
    pub fn text(&self) -> String {
        let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
        let modes: Vec<String> = self.modes.iter().map(|mode| or(mode, "no mode")).collect();
        let modes = if modes.is_empty() { "none connected".to_owned() } else { modes.join(", ") };
        format!("phase {}, status {}, replicas {modes}", or(&self.phase, "none yet"), or(&self.status, "unknown"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn volume(modes: &[&str], phase: &str, status: &str) -> Value {
        let replicas: Vec<Value> =
            modes.iter().map(|mode| json!({ "address": "tcp://10.1.1.1:9502", "mode": mode })).collect();
        json!({ "items": [{
            "metadata": { "name": "pvc-1", "namespace": "openebs", "labels": { "nodeID": "nuc2" } },
            "spec": { "iscsiSpec": { "targetIP": "10.152.183.50", "targetPort": 3260, "iqn": "iqn.2016-09.com.openebs.jiva:pvc-1" } },
            "status": { "phase": phase, "status": status, "replicaCount": modes.len(), "replicaStatus": replicas },
        }] })
    }

    #[test]
    fn whole_takes_every_replica() {
        let look = |modes: &[&str], phase, status| JivaVolume::find(&volume(modes, phase, status), "pvc-1").unwrap();
        let good = look(&["RW", "RW", "RW"], "Ready", "RW");
        assert!(good.whole(3));
        assert!(!good.whole(2));
        assert!(!look(&["RW", "RW"], "Ready", "RW").whole(3));
        assert!(!look(&["RW", "RW", "WO"], "Ready", "RW").whole(3));
        assert!(!look(&["RW", "RW", "RW"], "Syncing", "RO").whole(3));
        assert_eq!(look(&["RW", ""], "", "").text(), "phase none yet, status unknown, replicas RW, no mode");
    }

    #[test]
    fn the_link_is_the_one_udev_makes() {
        let found = JivaVolume::find(&volume(&[], "Ready", "RW"), "pvc-1").unwrap();
        assert_eq!(
            found.link.unwrap(),
            "/dev/disk/by-path/ip-10.152.183.50:3260-iscsi-iqn.2016-09.com.openebs.jiva:pvc-1-lun-0"
        );
        assert_eq!(found.owner.as_deref(), Some("nuc2"));
        assert_eq!(JivaVolume::find(&volume(&[], "", ""), "pvc-2"), None);
    }
}
