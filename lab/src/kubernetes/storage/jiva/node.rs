//! The CSI driver on the nodes: staging and unstaging (jiva-operator `pkg/driver/node.go`, `pkg/driver/mount.go`).

use serde_json::{Value, json};

use super::super::kubelet::{Attempt, ROOT, Step};
use super::super::provision::{Provisioner, runs};
use super::objects;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::controllers::{is_leaving, is_ready};
use crate::kubernetes::names;
use crate::kubernetes::store::Key;
use crate::kubernetes::types::{Fault, Millis};
use crate::kubernetes::value::{list, set, text};

/// `MaxRetryCount` waits of five seconds for a volume to be ready.
const READY_WAITS: (Millis, Millis) = (20, 5_000);
/// `MaxRetryCount` dials, two seconds apart.
const DIALS: Millis = 40_000;
/// Login, format, mount.
const MOUNTS: Millis = 2_500;
/// Where the kubelet's real root also goes by this name (canonical/microk8s `snap/hooks/install`).
const COMMON_ROOT: &str = "/var/lib/kubelet";

/// A volume that is staged on a node.
#[derive(Debug, Clone)]
pub(in crate::kubernetes::storage) struct Stage {
    pub(in crate::kubernetes::storage) boot: String,
    /// The number of the iSCSI session.
    pub(in crate::kubernetes::storage) number: u32,
    pub(in crate::kubernetes::storage) portal: String,
    pub(in crate::kubernetes::storage) device: String,
    pub(in crate::kubernetes::storage) fstype: String,
    /// Whether the mount shows on the node; otherwise it is inside the driver's own root file system.
    pub(in crate::kubernetes::storage) on_host: bool,
    /// Whether its file system has stopped writing, which the driver's remounting does not change: the journal was aborted
    /// (ext4(5), `errors=remount-ro`).
    pub(in crate::kubernetes::storage) aborted: bool,
}

impl Kubernetes {
    /// One look at `NodeStageVolume` of a volume on a node.
    pub(in crate::kubernetes::storage) fn stage(&mut self, node: &str, volume: &Value, attempt: &mut Attempt) -> Step {
        let handle = text(volume, "/spec/csi/volumeHandle").to_owned();
        if self.storage.stages.contains_key(&(node.to_owned(), handle.clone())) {
            return Step::Done;
        }
        let Some(driver) = self.driver_pod(node) else {
            return Step::Failed(format!(
                "kubernetes.io/csi: attacher.MountDevice failed to create newCsiDriverClient: driver name {} not found in the list of registered CSI drivers",
                Provisioner::Jiva.name()
            ));
        };
        if let Some((granted, _)) = attempt.granted {
            if self.now < granted + MOUNTS {
                return Step::Wait(granted + MOUNTS);
            }
            return self.attach(node, &handle, volume, &driver);
        }
        match self.may_stage(node, &handle, attempt) {
            Ok(()) => {
                attempt.granted = Some((self.now, handle.clone()));
                self.claim_ownership(node, &handle, volume);
                Step::Wait(self.now + MOUNTS)
            }
            Err(step) => step,
        }
    }

    /// The checks before anything is done: ready, nobody else's, reachable.
    fn may_stage(&mut self, node: &str, handle: &str, attempt: &Attempt) -> Result<(), Step> {
        let failed = |code: &str, text: String| Err(Step::Failed(format!("rpc error: code = {code} desc = {text}")));
        let waited = self.now.saturating_sub(attempt.since);
        let Some((key, jiva)) = self.jiva_volume(handle) else {
            let inner = format!("rpc error: code = NotFound desc = jivavolumes.openebs.io \"{handle}\" not found");
            return failed("FailedPrecondition", inner);
        };
        if text(&jiva, "/status/phase") != "Ready" || text(&jiva, "/status/status") != "RW" {
            if waited < READY_WAITS.0 * READY_WAITS.1 {
                return Err(Step::Wait(attempt.since + (waited / READY_WAITS.1 + 1) * READY_WAITS.1));
            }
            return failed(
                "FailedPrecondition",
                format!("Max retry count exceeded, volume: {{{handle}}} is not ready"),
            );
        }
        let owner = text(&jiva, "/metadata/labels/nodeID");
        let alive = self.store.get(&Key::core("nodes", "", owner)).is_some_and(|owner| is_ready(owner));
        if !owner.is_empty() && owner != node && alive {
            let info = |field: &str| text(&jiva, &format!("/spec/mountInfo/{field}")).to_owned();
            let info = ["stagingPath", "targetPath", "fsType", "devicePath"].map(info).join(" ");
            let why = format!("volume {{{handle}}} is already mounted at more than one place: {{{{{info}}}}}");
            return failed("FailedPrecondition", why);
        }
        if !self.target_answers(&key) {
            let portal = format!("{}:3260", text(&jiva, "/spec/iscsiSpec/targetIP"));
            if waited < DIALS {
                return Err(Step::Wait(self.now + 2_000));
            }
            let why = format!(
                "iSCSI Target not reachable, TargetPortal: {{{portal}}}, err: {{dial tcp {portal}: connect: connection refused}}"
            );
            return failed("FailedPrecondition", why);
        }
        Ok(())
    }

    fn claim_ownership(&mut self, node: &str, handle: &str, volume: &Value) {
        let Some((key, _)) = self.jiva_volume(handle) else { return };
        self.edit(&key, |jiva| {
            set(jiva, "/metadata/labels/nodeID", node);
            set(jiva, "/spec/mountInfo/fsType", fstype(volume));
            set(jiva, "/spec/mountInfo/stagingPath", stage_path(handle));
        });
    }

    /// Login at the target, and the mount.
    fn attach(&mut self, node: &str, handle: &str, volume: &Value, driver: &Key) -> Step {
        let Some((key, jiva)) = self.jiva_volume(handle) else { return Step::Wait(self.now + 1_000) };
        let portal = format!("{}:3260", text(&jiva, "/spec/iscsiSpec/targetIP"));
        if !self.kubelets.view(node).is_some_and(|view| view.iscsi) {
            return Step::Failed(format!(
                "rpc error: code = Internal desc = failed to find device path: [], last error seen: failed to sendtargets to portal {portal}, err: iscsiadm: can not connect to iSCSI daemon (111)!\niscsiadm: Cannot perform discovery. Initiatorname required.\niscsiadm: Could not perform SendTargets discovery: could not connect to iscsid (exit status 20)"
            ));
        }
        let on_host = self.store.get(driver).is_some_and(|pod| shares_kubelet_root(pod));
        let device = self.free_device(node);
        let numbers = self.storage.stages.iter().filter(|((on, _), _)| on == node).map(|(_, stage)| stage.number);
        let number = numbers.max().unwrap_or_default() + 1;
        let by_path = format!("/dev/disk/by-path/ip-{portal}-iscsi-{}-lun-0", objects::iqn(handle));
        self.edit(&key, |jiva| set(jiva, "/spec/mountInfo/devicePath", by_path));
        let boot = self.kubelets.boot(node);
        let stage = Stage { boot, number, portal, device, fstype: fstype(volume).to_owned(), on_host, aborted: false };
        self.storage.stages.insert((node.to_owned(), handle.to_owned()), stage);
        if self.faults.contains(&Fault::ReadOnlyVolume) {
            self.lose_quorum(handle);
        }
        Step::Done
    }

    /// The first disk name the node's kernel has free.
    fn free_device(&self, node: &str) -> String {
        let taken: Vec<&str> = self
            .storage
            .stages
            .iter()
            .filter(|((on, _), _)| on == node)
            .map(|(_, stage)| stage.device.as_str())
            .collect();
        let names = (b'b'..=b'z').map(|letter| format!("/dev/sd{}", char::from(letter)));
        let longer = (b'a'..=b'z').map(|letter| format!("/dev/sda{}", char::from(letter)));
        names.chain(longer).find(|name| !taken.contains(&name.as_str())).unwrap_or_else(|| "/dev/sdba".to_owned())
    }

    /// The driver's daemon on a node, when it is registered with the kubelet.
    fn driver_pod(&self, node: &str) -> Option<Key> {
        let daemon = |pod: &Value| {
            text(pod, "/spec/nodeName") == node
                && !is_leaving(pod)
                && list(pod, "/metadata/ownerReferences").iter().any(|owner| owner["kind"] == "DaemonSet")
        };
        self.program("jiva-csi", daemon)
    }

    /// `NodeUnstageVolume`: logged out, and the volume is nobody's.
    pub(in crate::kubernetes::storage) fn unstage(&mut self, node: &str, handle: &str) {
        self.storage.stages.remove(&(node.to_owned(), handle.to_owned()));
        self.unseen.get_or_insert(self.now);
        if self.faults.contains(&Fault::StaleMountOwner) {
            return;
        }
        let owned = self.jiva_volume(handle).is_some_and(|(_, jiva)| text(&jiva, "/metadata/labels/nodeID") == node);
        if owned {
            self.disown(handle);
        }
    }

    /// A staging that was begun for a pod which is gone comes to its end and is undone.
    pub(in crate::kubernetes::storage) fn unstage_nowhere(&mut self, handle: &str) {
        if !self.storage.stages.keys().any(|(_, staged)| staged == handle) {
            self.disown(handle);
        }
    }

    fn disown(&mut self, handle: &str) {
        if let Some((key, _)) = self.jiva_volume(handle) {
            self.edit(&key, |jiva| {
                set(jiva, "/metadata/labels/nodeID", "");
                set_or_drop(jiva, "/spec/mountInfo/stagingPath", "");
            });
        }
    }

    /// `NodePublishVolume` and `NodeUnpublishVolume`: where the pod sees the volume.
    pub(in crate::kubernetes::storage) fn tell_target_path(&mut self, handle: &str, path: &str) {
        if path.is_empty() && self.faults.contains(&Fault::StaleMountOwner) {
            return;
        }
        if let Some((key, _)) = self.jiva_volume(handle) {
            self.edit(&key, |jiva| set_or_drop(jiva, "/spec/mountInfo/targetPath", path));
        }
    }
}

/// Go's `omitempty`.
fn set_or_drop(object: &mut Value, path: &str, text: &str) {
    if text.is_empty() {
        crate::kubernetes::value::remove(object, path);
    } else {
        set(object, path, text);
    }
}

fn fstype(volume: &Value) -> &str {
    match text(volume, "/spec/csi/fsType") {
        "" => "ext4",
        known => known,
    }
}

/// Where the kubelet has a volume staged (k8s.io/kubernetes `pkg/volume/csi/csi_util.go`).
pub(in crate::kubernetes::storage) fn stage_path(handle: &str) -> String {
    let digest = names::sha256_hex(handle.as_bytes());
    format!("{ROOT}/plugins/kubernetes.io/csi/{}/{digest}/globalmount", Provisioner::Jiva.name())
}

/// Whether what the driver mounts below the kubelet's root shows on the node: that very directory has to be shared.
fn shares_kubelet_root(pod: &Value) -> bool {
    let volume = list(pod, "/spec/volumes").iter().find(|volume| volume["name"] == "pods-mount-dir");
    let source = volume.map_or("", |volume| text(volume, "/hostPath/path")).trim_end_matches('/');
    let seen = list(pod, "/spec/containers")
        .iter()
        .filter(|container| runs(&json!({"spec": {"containers": [container]}}), "jiva-csi"));
    let mut mounts = seen.flat_map(|container| list(container, "/volumeMounts"));
    let at_root = mounts
        .any(|mount| mount["name"] == "pods-mount-dir" && text(mount, "/mountPath").trim_end_matches('/') == ROOT);
    at_root && [ROOT, COMMON_ROOT].contains(&source)
}
