//! The clusters' volumes and containers, as the shell around the world sees them.

use crate::kubernetes::StorageView;

use super::World;
use super::cluster::ClusterId;

impl World {
    /// The processes of a pod that is gone are killed on the machine where they run on.
    pub fn end_orphan(&mut self, machine: &str, uid: &str) {
        let host = self.machine(machine).hostname.clone();
        let id = self.machine(machine).microk8s.as_ref().and_then(|snap| snap.cluster);
        if let Some(cluster) = id.and_then(|id| self.clusters.get_mut(&id)) {
            cluster.kubernetes.end_orphan(&host, uid);
            cluster.changed = true;
        }
    }

    /// A machine logs out of a volume's target; what was mounted from it there is gone with it.
    pub(super) fn log_out(&mut self, machine: &str, volume: &str) {
        let host = self.machine(machine).hostname.clone();
        let id = self.machine(machine).microk8s.as_ref().and_then(|snap| snap.cluster);
        if let Some(cluster) = id.and_then(|id| self.clusters.get_mut(&id)) {
            cluster.kubernetes.log_out(&host, volume);
            cluster.changed = true;
        }
    }

    /// The volumes and containers of every cluster. Nodes are named as their Node objects: by the machines' host names.
    pub fn storage(&self) -> Vec<(ClusterId, StorageView)> {
        self.clusters.iter().map(|(id, cluster)| (*id, cluster.kubernetes.storage_view())).collect()
    }

    /// From now on the containers of jobs in every cluster are run by the caller; idempotent, and to be called again when
    /// there is a new cluster.
    pub fn run_containers_outside(&mut self) {
        for cluster in self.clusters.values_mut() {
            cluster.kubernetes.run_containers_outside();
        }
    }

    /// A container wrote something; see [`crate::kubernetes::Kubernetes::container_wrote`].
    pub fn container_wrote(&mut self, id: ClusterId, uid: &str, container: &str, bytes: &[u8]) {
        let now = self.now;
        if let Some(cluster) = self.clusters.get_mut(&id) {
            cluster.kubernetes.container_wrote(now, uid, container, bytes);
        }
    }

    /// A container ended; see [`crate::kubernetes::Kubernetes::container_ended`].
    pub fn container_ended(&mut self, id: ClusterId, uid: &str, container: &str, status: i32) {
        let now = self.now;
        if let Some(cluster) = self.clusters.get_mut(&id) {
            cluster.kubernetes.container_ended(now, uid, container, status);
            cluster.changed = true;
        }
    }
}
