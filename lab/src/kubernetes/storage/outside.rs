//! Containers that run outside of the simulation: what they wrote, and how they ended.

use super::StorageView;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::types::Millis;

/// One container that runs outside.
#[derive(Debug, Default)]
pub(super) struct Process {
    /// What it wrote, standard output and error as they came.
    log: Vec<u8>,
    /// Its exit status, once it has ended.
    status: Option<i32>,
}

impl Kubernetes {
    /// What the nodes' kernels, disks and container runtimes hold of the cluster's volumes now.
    pub fn storage_view(&self) -> StorageView {
        StorageView::default()
    }

    /// From now on the containers of jobs are run by the caller, who tells of them by [`Self::container_wrote`] and
    /// [`Self::container_ended`]. Without it a job's pod succeeds after two seconds.
    pub fn run_containers_outside(&mut self) {
        self.storage.outside = true;
    }

    /// A container wrote something, which its log then shows.
    pub fn container_wrote(&mut self, now: Millis, uid: &str, container: &str, bytes: &[u8]) {
        self.now = self.now.max(now);
        if let Some(process) = self.storage.processes.get_mut(&(uid.to_owned(), container.to_owned())) {
            process.log.extend_from_slice(bytes);
        }
    }

    /// A container ended; `status` is its exit status, 128 and the signal's number for one that was killed.
    pub fn container_ended(&mut self, now: Millis, uid: &str, container: &str, status: i32) {
        self.now = self.now.max(now);
        if let Some(process) = self.storage.processes.get_mut(&(uid.to_owned(), container.to_owned())) {
            process.status.get_or_insert(status);
            self.unseen.get_or_insert(self.now);
        }
    }
}
