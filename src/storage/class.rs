//! A `StorageClass`, read.

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::storage::v1::StorageClass;
use serde::Deserialize;

use super::means::{Means, Trouble};
use super::proof::Keeper;

/// What a class says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Class {
    /// Who makes its volumes.
    pub provisioner: String,
    /// Whether a volume is made only when a pod wants it.
    pub waits_for_pod: bool,
    /// The class behind it, for shares of the NFS provisioner.
    pub backend: Option<String>,
    /// The user the share's root belongs to.
    pub owner: Option<u32>,
}

/// The annotation with the settings of `OpenEBS`' provisioners.
const CONFIG: &str = "cas.openebs.io/config";

/// One setting of the annotation (openebs/dynamic-nfs-provisioner `provisioner/config.go`).
#[derive(Deserialize)]
struct Setting {
    name: String,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    data: std::collections::BTreeMap<String, String>,
}

impl Class {
    /// Reads the class of a name.
    pub async fn read(means: &Means, name: &str) -> Result<Option<Self>, Trouble> {
        let class: Option<StorageClass> = means.get(&format!("/apis/storage.k8s.io/v1/storageclasses/{name}")).await?;
        Ok(class.as_ref().map(Self::of))
    }

    fn of(class: &StorageClass) -> Self {
        let text = class.metadata.annotations.as_ref().and_then(|all| all.get(CONFIG)).map_or("", String::as_str);
        // A text that is no list of settings says nothing that could be used.
        let settings: Vec<Setting> = serde_saphyr::from_str(text).unwrap_or_default();
        let setting = |name: &str| settings.iter().find(|setting| setting.name == name);
        Self {
            provisioner: class.provisioner.clone(),
            waits_for_pod: class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer"),
            backend: setting("BackendStorageClass").and_then(|setting| setting.value.clone()),
            owner: setting("FilePermissions").and_then(|setting| setting.data.get("UID")?.parse().ok()),
        }
    }

    /// What keeps the bytes of its volumes; that of an NFS share is told from its backend.
    pub fn keeper(&self) -> Keeper {
        match self.provisioner.as_str() {
            "jiva.csi.openebs.io" => Keeper::Jiva,
            "openebs.io/local" | "microk8s.io/hostpath" => Keeper::Hostpath,
            _ => Keeper::Other,
        }
    }

    /// Whether its volumes are shares of `OpenEBS`' NFS provisioner.
    pub fn shares(&self) -> bool {
        self.provisioner == "openebs.io/nfsrwx"
    }
}

/// The directory the Jiva CSI driver mounts below: that of volume `pods-mount-dir` of its `DaemonSet`, as the container
/// sees it (openebs/jiva-operator `deploy/helm/charts/templates/csi-node.yaml`).
pub async fn driver_directory(means: &Means) -> Result<Option<String>, Trouble> {
    let sets: Vec<DaemonSet> = means.list("/apis/apps/v1/daemonsets").await?;
    let driver =
        sets.into_iter().find(|set| set.metadata.name.as_deref().is_some_and(|name| name.ends_with("jiva-csi-node")));
    let pod = driver.and_then(|set| set.spec.template.spec);
    let volume = pod.and_then(|pod| pod.volumes?.into_iter().find(|volume| volume.name == "pods-mount-dir"));
    Ok(volume.and_then(|volume| Some(volume.host_path?.path)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_share_names_its_backend_and_owner() {
        let config = "- name: NFSServerType\n  value: \"kernel\"\n- name: BackendStorageClass\n  value: \"openebs-hostpath\"\n- name: FilePermissions\n  data:\n    UID: \"991\"\n    GID: \"991\"\n    mode: \"g+rws\"\n";
        let class: StorageClass = serde_json::from_value(json!({
            "metadata": { "name": "openebs-rwx", "annotations": { "cas.openebs.io/config": config } },
            "provisioner": "openebs.io/nfsrwx",
        }))
        .unwrap();
        let read = Class::of(&class);
        assert_eq!((read.backend.as_deref(), read.owner, read.shares()), (Some("openebs-hostpath"), Some(991), true));
        assert_eq!(read.keeper(), Keeper::Other);
    }

    #[test]
    fn other_classes_need_no_annotation() {
        let class: StorageClass = serde_json::from_value(json!({
            "metadata": { "name": "microk8s-hostpath" },
            "provisioner": "microk8s.io/hostpath", "volumeBindingMode": "WaitForFirstConsumer",
        }))
        .unwrap();
        let read = Class::of(&class);
        assert_eq!((read.keeper(), read.waits_for_pod, read.backend), (Keeper::Hostpath, true, None));
    }
}
