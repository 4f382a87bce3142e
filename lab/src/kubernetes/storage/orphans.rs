//! Containers that outlive their pods: what they have mounted stays mounted, and no object tells of it.

use super::kubelet::Source;
use super::view::Orphan;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::names;
use crate::kubernetes::types::{Fault, Millis};

/// A pod that is gone while its containers run.
#[derive(Debug, Clone)]
pub(super) struct Outlived {
    node: String,
    boot: String,
    since: Millis,
    /// Whether they have been ended on the node since.
    ended: bool,
}

impl Kubernetes {
    /// Whether what a pod has mounted is kept from being unmounted: its containers run. The fault strikes the first pod that
    /// ends with a block volume mounted.
    pub(super) fn outlived(&mut self, uid: &str) -> bool {
        if let Some(outlived) = self.storage.orphans.get(uid) {
            return !outlived.ended && self.kubelets.boot(&outlived.node) == outlived.boot;
        }
        if !self.faults.contains(&Fault::OrphanedContainer) || !self.storage.orphans.is_empty() {
            return false;
        }
        let mut mounts = self.storage.mounts.iter().filter(|((of, _), _)| of == uid);
        let Some((_, mount)) = mounts.find(|(_, mount)| matches!(mount.source, Source::Block(_))) else { return false };
        let (node, boot) = (mount.node.clone(), mount.boot.clone());
        self.storage.orphans.insert(uid.to_owned(), Outlived { node, boot, since: self.now, ended: false });
        true
    }

    /// Those that run still.
    pub(super) fn orphans(&self) -> Vec<Orphan> {
        let running = self.storage.orphans.iter().filter(|(_, outlived)| {
            !outlived.ended && self.kubelets.boot(&outlived.node) == outlived.boot && self.now >= outlived.since
        });
        let mut orphans: Vec<Orphan> = running
            .map(|(uid, outlived)| {
                let container = names::sha256_hex(uid.as_bytes());
                let pid = 4_000 + u32::from_str_radix(&container[..3], 16).unwrap_or_default();
                Orphan {
                    node: outlived.node.clone(),
                    uid: uid.clone(),
                    container,
                    pid,
                    gone: self.now - outlived.since,
                }
            })
            .collect();
        orphans.sort();
        orphans
    }

    /// The processes of a pod's containers on a node are killed: the kubelet then unmounts what it finds of a pod it does not
    /// know (k8s.io/kubernetes `pkg/kubelet/kubelet_volumes.go`).
    pub fn end_orphan(&mut self, node: &str, uid: &str) {
        if let Some(outlived) = self.storage.orphans.get_mut(uid).filter(|outlived| outlived.node == node) {
            outlived.ended = true;
            self.unseen.get_or_insert(self.now);
        }
    }
}
