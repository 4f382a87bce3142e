//! The storage classes homeprov makes and uses, by name.

use super::{Engine, Storage};

/// The class of the Jiva chart: reclaim policy Delete, so that deleting a claim deletes every replica
/// (openebs/jiva-operator `deploy/helm/charts/templates/default-storageclass.yaml`).
pub const JIVA_STOCK: &str = "openebs-jiva-csi-default";
/// homeprov's own: the same volumes with reclaim policy Retain.
pub const JIVA_RETAIN: &str = "homeprov-jiva-retain";
/// Volumes that several nodes mount at once: NFS servers on volumes of a backend class
/// (openebs/dynamic-nfs-provisioner).
pub const RWX: &str = "openebs-rwx";
/// What Jiva keeps its replicas on: a folder of the replica's node.
pub const OPENEBS_HOSTPATH: &str = "openebs-hostpath";
/// The class of the `hostpath-storage` addon (canonical/microk8s-core-addons `addons/hostpath-storage`).
pub const MICROK8S_HOSTPATH: &str = "microk8s-hostpath";

/// The class for volumes that one node mounts at a time; none when homeprov leaves storage alone.
pub fn rwo_class(storage: &Storage) -> Option<&str> {
    match storage.engine {
        Engine::Jiva => Some(JIVA_RETAIN),
        Engine::Hostpath => Some(MICROK8S_HOSTPATH),
        Engine::ExistingClass => storage.class.as_deref(),
        Engine::None => None,
    }
}

/// The class for volumes that several nodes mount at once, when one is wanted.
pub fn rwx_class(storage: &Storage) -> Option<&str> {
    match storage.engine {
        Engine::Jiva => storage.rwx.then_some(RWX),
        Engine::ExistingClass => storage.rwx_class.as_deref(),
        Engine::Hostpath | Engine::None => None,
    }
}
