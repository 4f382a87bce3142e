//! What a `StorageClass` tells of the volumes it gives.

use k8s_openapi::api::storage::v1::StorageClass as Object;

use super::means::{Means, Trouble};
use super::proof::Keeper;
use crate::facts::storage::StorageClass;
use crate::kube::storage::{class, jiva_node};

/// Reads the class of a name.
pub async fn read(means: &Means, name: &str) -> Result<Option<StorageClass>, Trouble> {
    let object: Option<Object> = means.get(&format!("/apis/storage.k8s.io/v1/storageclasses/{name}")).await?;
    Ok(object.map(class))
}

/// What keeps the bytes of its volumes; that of an NFS share is told from its backend.
pub fn keeper(class: &StorageClass) -> Keeper {
    match class.provisioner.as_str() {
        "jiva.csi.openebs.io" => Keeper::Jiva,
        "openebs.io/local" | "microk8s.io/hostpath" => Keeper::Hostpath,
        _ => Keeper::Other,
    }
}

/// Whether its volumes are shares of `OpenEBS`' NFS provisioner.
pub fn shares(class: &StorageClass) -> bool {
    class.provisioner == "openebs.io/nfsrwx"
}

/// Whether a volume is made only when a pod wants it.
pub fn waits_for_pod(class: &StorageClass) -> bool {
    class.binding_mode == "WaitForFirstConsumer"
}

/// The user a share's root belongs to: root where the class says nothing.
pub fn owner(class: &StorageClass) -> u32 {
    let uid = class.openebs.permissions.get("UID").filter(|_| shares(class));
    uid.and_then(|uid| uid.parse().ok()).unwrap_or_default()
}

/// The directory the Jiva CSI driver mounts below, where there is a driver.
pub async fn driver_directory(means: &Means) -> Result<Option<String>, Trouble> {
    let driver = Box::pin(jiva_node(&means.client)).await?;
    Ok(driver.map(|driver| driver.kubelet_directory).filter(|directory| !directory.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_is_that_of_a_share() {
        let mut class = StorageClass { provisioner: "openebs.io/nfsrwx".into(), ..StorageClass::default() };
        assert_eq!(owner(&class), 0);
        class.openebs.permissions.insert("UID".into(), "991".into());
        assert_eq!(owner(&class), 991);
        class.provisioner = "jiva.csi.openebs.io".into();
        assert_eq!((owner(&class), keeper(&class)), (0, Keeper::Jiva));
    }
}
