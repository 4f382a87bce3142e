//! The kubelets' work on volumes: mounting them for pods that start, unmounting them behind pods that have ended.

use std::collections::BTreeMap;

use serde_json::Value;

use super::provision::Provisioner;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::controllers::{Note, claims_of, is_ready};
use crate::kubernetes::selector::Labels;
use crate::kubernetes::store::Key;
use crate::kubernetes::types::Millis;
use crate::kubernetes::value::{at, list, text};

/// The root directory of `MicroK8s`' kubelets (canonical/microk8s `microk8s-resources/default-args/kubelet`).
pub(super) const ROOT: &str = "/var/snap/microk8s/common/var/lib/kubelet";
/// The first pause after a failure, and the longest (k8s.io/kubernetes `pkg/util/goroutinemap/exponentialbackoff`).
const PAUSES: (Millis, Millis) = (500, 122_000);
/// How long `mount.nfs` tries.
const NFS_TRIES: Millis = 120_000;
/// From the last pod's unmount until the device is.
const UNSTAGES: Millis = 300;

/// One look at something that takes time.
pub(super) enum Step {
    /// It is done.
    Done,
    /// It goes on, at this moment at the latest.
    Wait(Millis),
    /// It failed for now.
    Failed(String),
}

/// A mount that is being tried.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    /// When the present try began, or will.
    pub(super) since: Millis,
    /// When the driver had checked everything, and the volume it took possession of.
    pub(super) granted: Option<(Millis, String)>,
    pause: Millis,
}

/// What a pod's volume is on its node.
#[derive(Debug, Clone)]
pub(super) struct PodMount {
    pub(super) node: String,
    pub(super) boot: String,
    pub(super) path: String,
    pub(super) source: Source,
    pub(super) read_only: bool,
}

/// Where a mounted volume's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// A block volume, by its handle.
    Block(String),
    /// A share: the server's address, and where its bytes were when it was mounted.
    Share { server: String, content: Option<super::Content> },
    /// A directory of the node, bound elsewhere.
    Bound(String),
    /// A directory of the node, used where it is.
    Plain,
}

impl Kubernetes {
    /// Mounts what a pod's claims stand for; true when all is there.
    pub(in crate::kubernetes) fn mount_volumes(&mut self, pod: &Value) -> bool {
        let uid = text(pod, "/metadata/uid");
        let mut all = true;
        for (name, claim) in claims_of(pod) {
            let id = (uid.to_owned(), name.to_owned());
            all &= self.storage.mounts.contains_key(&id) || self.mount(pod, id, claim);
        }
        all
    }

    fn mount(&mut self, pod: &Value, id: (String, String), claim: &str) -> bool {
        let claim = Key::core("persistentvolumeclaims", text(pod, "/metadata/namespace"), claim);
        let name = self.store.get(&claim).map(|claim| text(claim, "/spec/volumeName").to_owned()).unwrap_or_default();
        let Some(volume) = self.store.get(&Key::core("persistentvolumes", "", &name)).cloned() else { return false };
        let fresh = Attempt { since: self.now, granted: None, pause: PAUSES.0 };
        let mut attempt = self.storage.attempts.remove(&id).unwrap_or(fresh);
        if self.now < attempt.since {
            self.wake_at(attempt.since);
            self.storage.attempts.insert(id, attempt);
            return false;
        }
        match self.try_mount(pod, &id, &volume, &mut attempt) {
            Step::Done => return true,
            Step::Wait(until) => self.wake_at(until.max(self.now + 1)),
            Step::Failed(why) => {
                let device = at(&volume, "/spec/csi").is_object();
                let operation = if device { "MountDevice" } else { "SetUp" };
                let message = format!("MountVolume.{operation} failed for volume \"{name}\" : {why}");
                let note = Note { kind: "Warning", reason: "FailedMount", message: &message, component: "kubelet" };
                self.note(pod, &note);
                attempt.since = self.now + attempt.pause;
                attempt.granted = None;
                attempt.pause = (attempt.pause * 2).min(PAUSES.1);
                self.wake_at(attempt.since);
            }
        }
        self.storage.attempts.insert(id, attempt);
        false
    }

    fn try_mount(&mut self, pod: &Value, id: &(String, String), volume: &Value, attempt: &mut Attempt) -> Step {
        let node = text(pod, "/spec/nodeName").to_owned();
        let name = text(volume, "/metadata/name");
        let within = |plugin: &str| format!("{ROOT}/pods/{}/volumes/kubernetes.io~{plugin}/{name}", id.0);
        let spec = at(volume, "/spec");
        let (source, path) = if at(spec, "/csi").is_object() {
            if text(spec, "/csi/driver") != Provisioner::Jiva.name() {
                let driver = text(spec, "/csi/driver");
                return Step::Failed(format!(
                    "kubernetes.io/csi: attacher.MountDevice failed to create newCsiDriverClient: driver name {driver} not found in the list of registered CSI drivers"
                ));
            }
            match self.stage(&node, volume, attempt) {
                Step::Done => {}
                other => return other,
            }
            let handle = text(spec, "/csi/volumeHandle").to_owned();
            let path = format!("{}/mount", within("csi"));
            self.tell_target_path(&handle, &path);
            (Source::Block(handle), path)
        } else if at(spec, "/nfs").is_object() {
            let path = within("nfs");
            match self.mount_share(&node, spec, &path, attempt) {
                Ok(source) => (source, path),
                Err(step) => return step,
            }
        } else if at(spec, "/local").is_object() {
            (Source::Bound(text(spec, "/local/path").to_owned()), within("local-volume"))
        } else {
            (Source::Plain, text(spec, "/hostPath/path").to_owned())
        };
        let read_only = list(pod, "/spec/volumes")
            .iter()
            .any(|volume| volume["name"] == id.1.as_str() && at(volume, "/persistentVolumeClaim/readOnly") == true);
        let boot = self.kubelets.boot(&node);
        self.storage.mounts.insert(id.clone(), PodMount { node, boot, path, source, read_only });
        self.unseen.get_or_insert(self.now);
        Step::Done
    }

    /// `mount -t nfs`: needs the helper program on the node, and a server that answers.
    fn mount_share(&self, node: &str, spec: &Value, path: &str, attempt: &Attempt) -> Result<Source, Step> {
        let server = text(spec, "/nfs/server");
        let export = format!("{server}:{}", text(spec, "/nfs/path"));
        let options: Vec<&str> = list(spec, "/mountOptions").iter().filter_map(Value::as_str).collect();
        let options = if options.is_empty() { String::new() } else { format!("-o {} ", options.join(",")) };
        let failed = |output: &str| {
            Step::Failed(format!(
                "mount failed: exit status 32\nMounting command: mount\nMounting arguments: -t nfs {options}{export} {path}\nOutput: {output}\n"
            ))
        };
        if !self.kubelets.view(node).is_some_and(|view| view.nfs_client) {
            return Err(failed(&format!(
                "mount: {path}: bad option; for several filesystems (e.g. nfs, cifs) you might need a /sbin/mount.<type> helper program."
            )));
        }
        if self.share_server(server).is_none() {
            let end = attempt.since + NFS_TRIES;
            return Err(if self.now < end { Step::Wait(end) } else { failed("mount.nfs: Connection timed out") });
        }
        Ok(Source::Share { server: server.to_owned(), content: self.share_content(server) })
    }

    /// The ready pod behind the Service an NFS client connects to.
    pub(super) fn share_server(&self, address: &str) -> Option<&Value> {
        let mut services = self.store.list("", "services", None);
        let (key, service) = services.find(|(_, service)| text(service, "/spec/clusterIP") == address)?;
        let selector = Labels::of(at(service, "/spec/selector"));
        let mut pods = self.store.list("", "pods", Some(&key.namespace));
        pods.find(|(_, pod)| !selector.is_empty() && selector.accept(pod) && is_ready(pod)).map(|(_, pod)| &**pod)
    }

    /// Unmounts everything of a pod whose containers have ended.
    pub(in crate::kubernetes) fn unmount_volumes(&mut self, uid: &str) {
        let tried: Vec<(String, String)> = self.storage.attempts.keys().filter(|(of, _)| of == uid).cloned().collect();
        for id in tried {
            if let Some(Attempt { granted: Some((_, handle)), .. }) = self.storage.attempts.remove(&id) {
                self.unstage_nowhere(&handle);
            }
        }
        if self.outlived(uid) {
            return;
        }
        let ids: Vec<(String, String)> = self.storage.mounts.keys().filter(|(of, _)| of == uid).cloned().collect();
        for id in ids {
            if let Some(PodMount { source: Source::Block(handle), .. }) = self.storage.mounts.remove(&id) {
                self.tell_target_path(&handle, "");
            }
            self.unseen.get_or_insert(self.now);
        }
    }

    /// The kubelets clean up: behind pods that are gone or finished, and after a boot.
    pub(in crate::kubernetes) fn run_mounts(&mut self) {
        if self.storage.is_idle() {
            return;
        }
        self.forget_boots();
        let pods: BTreeMap<&str, bool> = self
            .store
            .list("", "pods", None)
            .map(|(_, pod)| {
                let finished = ["Succeeded", "Failed"].contains(&text(pod, "/status/phase"));
                (text(pod, "/metadata/uid"), finished)
            })
            .collect();
        let over = |uid: &str| pods.get(uid).is_none_or(|finished| *finished);
        let uids = self.storage.mounts.iter().filter(|((uid, _), mount)| {
            over(uid) && self.kubelets.reachable(&mount.node).is_some() && !self.storage.has_running(uid)
        });
        let mut ended: Vec<String> = uids.map(|((uid, _), _)| uid.clone()).collect();
        let waiting = self.storage.attempts.keys().filter(|(uid, _)| over(uid));
        ended.extend(waiting.map(|(uid, _)| uid.clone()));
        let gone: Vec<(String, String)> =
            self.storage.processes.keys().filter(|(uid, _)| !pods.contains_key(uid.as_str())).cloned().collect();
        self.storage.forget_processes(&gone);
        for uid in ended {
            self.unmount_volumes(&uid);
        }
        self.run_unstage();
    }

    /// Devices that no pod of the node uses any more.
    fn run_unstage(&mut self) {
        let used = |node: &str, handle: &str| {
            self.storage
                .mounts
                .values()
                .any(|mount| mount.node == node && matches!(&mount.source, Source::Block(of) if of == handle))
        };
        let idle: Vec<(String, String, bool)> = self
            .storage
            .stages
            .keys()
            .map(|(node, handle)| (node.clone(), handle.clone(), used(node, handle)))
            .collect();
        for (node, handle, used) in idle {
            let timer = format!("{node}/{handle}");
            if used || self.kubelets.reachable(&node).is_none() {
                self.reset(&timer, "unstage");
            } else if self.due(&timer, "unstage", UNSTAGES) {
                self.reset(&timer, "unstage");
                self.unstage(&node, &handle);
            }
        }
    }

    /// A node logs out of a volume's target, past its kubelet and the driver: no object tells of it.
    pub fn log_out(&mut self, node: &str, volume: &str) {
        let of = |source: &Source| matches!(source, Source::Block(handle) if handle == volume);
        self.storage.mounts.retain(|_, mount| mount.node != node || !of(&mount.source));
        self.storage.stages.remove(&(node.to_owned(), volume.to_owned()));
        self.unseen.get_or_insert(self.now);
    }

    /// A boot unmounts everything and ends every container; a machine that left took all with it.
    fn forget_boots(&mut self) {
        let kubelets = &self.kubelets;
        let same = |node: &str, boot: &str| kubelets.boot(node) == boot;
        self.storage.mounts.retain(|_, mount| same(&mount.node, &mount.boot));
        self.storage.stages.retain(|(node, _), stage| same(node, &stage.boot));
        self.storage.kill_processes(|node, boot| !same(node, boot));
    }
}
