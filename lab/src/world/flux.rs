//! What source-controller in every cluster wants of Git servers, as the shell around the world sees it.

use std::sync::Arc;

use super::World;
use super::cluster::ClusterId;
use crate::kubernetes::flux::{Fetch, Tree};

impl World {
    /// The fetches that wait for an answer. Their tickets are unique within a cluster.
    pub fn fetches(&self) -> Vec<(ClusterId, Fetch)> {
        let of = |(id, cluster): (&ClusterId, &super::cluster::Cluster)| {
            cluster.kubernetes.wanted_fetches().map(|fetch| (*id, fetch.clone())).collect::<Vec<_>>()
        };
        self.clusters.iter().flat_map(of).collect()
    }

    /// A fetch is over; see [`crate::kubernetes::Kubernetes::fetched`].
    pub fn fetched(&mut self, id: ClusterId, ticket: u64, answer: Result<Arc<Tree>, String>) {
        let now = self.now;
        if let Some(cluster) = self.clusters.get_mut(&id) {
            cluster.kubernetes.fetched(now, ticket, answer);
            cluster.changed = true;
        }
    }
}
