//! The provisioners of volumes, and the programs that have to run for them.

use serde_json::Value;

use crate::kubernetes::Kubernetes;
use crate::kubernetes::controllers::{Note, is_ready};
use crate::kubernetes::store::Key;
use crate::kubernetes::types::Millis;
use crate::kubernetes::value::{list, text};

/// Who makes the volumes of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kubernetes) enum Provisioner {
    /// The addon `hostpath-storage` of `MicroK8s`.
    MicroK8sHostpath,
    /// `OpenEBS`' dynamic-localpv-provisioner.
    LocalHostpath,
    /// `OpenEBS` Jiva.
    Jiva,
    /// `OpenEBS`' dynamic-nfs-provisioner.
    Nfs,
}

impl Provisioner {
    const ALL: [Self; 4] = [Self::MicroK8sHostpath, Self::LocalHostpath, Self::Jiva, Self::Nfs];

    /// As a class names it.
    pub(in crate::kubernetes) const fn name(self) -> &'static str {
        match self {
            Self::MicroK8sHostpath => "microk8s.io/hostpath",
            Self::LocalHostpath => "openebs.io/local",
            Self::Jiva => "jiva.csi.openebs.io",
            Self::Nfs => "openebs.io/nfsrwx",
        }
    }

    pub(in crate::kubernetes) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provisioner| provisioner.name() == name)
    }

    /// As it signs its events.
    pub(in crate::kubernetes) const fn component(self) -> &'static str {
        match self {
            Self::MicroK8sHostpath => "microk8s.io/hostpath_hostpath-provisioner",
            Self::LocalHostpath => "openebs.io/local_openebs-localpv-provisioner",
            Self::Jiva => "jiva.csi.openebs.io_openebs-jiva-csi-controller-0",
            Self::Nfs => "openebs.io/nfsrwx_openebs-nfs-provisioner",
        }
    }

    /// The image its program comes in, without registry and tag.
    const fn image(self) -> &'static str {
        match self {
            Self::MicroK8sHostpath => "hostpath-provisioner",
            Self::LocalHostpath => "provisioner-localpv",
            Self::Jiva => "jiva-csi",
            Self::Nfs => "provisioner-nfs",
        }
    }

    /// How long it takes to make a volume of its own.
    const fn takes(self) -> Millis {
        match self {
            Self::MicroK8sHostpath | Self::LocalHostpath => 2_000,
            Self::Jiva | Self::Nfs => 500,
        }
    }
}

impl Kubernetes {
    /// Lets a provisioner work on a claim that waits for it.
    pub(in crate::kubernetes) fn provision(
        &mut self,
        provisioner: Provisioner,
        key: &Key,
        claim: &Value,
        class: &Value,
    ) {
        if self.provisioner_pod(provisioner).is_none() {
            return;
        }
        let message =
            format!("External provisioner is provisioning volume for claim \"{}/{}\"", key.namespace, key.name);
        let component = provisioner.component();
        self.note_once(claim, &Note { kind: "Normal", reason: "Provisioning", message: &message, component });
        if !self.due(text(claim, "/metadata/uid"), "provision", provisioner.takes()) {
            return;
        }
        match provisioner {
            Provisioner::MicroK8sHostpath | Provisioner::LocalHostpath => {
                self.provision_hostpath(provisioner, key, claim, class);
            }
            Provisioner::Jiva => self.provision_jiva(key, claim, class),
            Provisioner::Nfs => self.provision_nfs(key, claim, class),
        }
    }

    /// What keeps a provisioner from making a volume, said once.
    pub(super) fn provisioning_failed(&mut self, provisioner: Provisioner, claim: &Value, why: &str) {
        let class = text(claim, "/spec/storageClassName");
        let message = format!("failed to provision volume with StorageClass \"{class}\": {why}");
        let component = provisioner.component();
        self.note_once(claim, &Note { kind: "Warning", reason: "ProvisioningFailed", message: &message, component });
    }

    /// Lets a provisioner delete what is behind a volume; true when nothing is left but the volume's object.
    pub(in crate::kubernetes) fn reclaim(&mut self, provisioner: Provisioner, volume: &Value) -> bool {
        if provisioner != Provisioner::MicroK8sHostpath && self.provisioner_pod(provisioner).is_none() {
            return false;
        }
        match provisioner {
            Provisioner::MicroK8sHostpath => true,
            Provisioner::LocalHostpath => self.clean_hostpath(volume),
            Provisioner::Jiva => self.delete_jiva(volume),
            Provisioner::Nfs => self.delete_nfs(volume),
        }
    }

    /// The ready pod of a provisioner; that of a CSI driver's controller, not its daemons.
    pub(super) fn provisioner_pod(&self, provisioner: Provisioner) -> Option<Key> {
        self.program(provisioner.image(), |pod| {
            !list(pod, "/metadata/ownerReferences").iter().any(|owner| owner["kind"] == "DaemonSet")
        })
    }

    /// A ready pod that runs the program of an image and fits.
    pub(super) fn program(&self, image: &str, fits: impl Fn(&Value) -> bool) -> Option<Key> {
        let mut pods = self.store.list("", "pods", None);
        pods.find(|(_, pod)| is_ready(pod) && runs(pod, image) && fits(pod)).map(|(key, _)| key.clone())
    }
}

/// Whether a pod has a container of an image, whatever its registry and tag.
pub(super) fn runs(pod: &Value, image: &str) -> bool {
    let repository = |container: &Value| {
        let name = text(container, "/image").rsplit('/').next().unwrap_or_default();
        name.split([':', '@']).next().unwrap_or_default() == image
    };
    list(pod, "/spec/containers").iter().any(repository)
}
