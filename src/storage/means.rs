//! What the proof works with, and what can keep it from working at all.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use kube::Client;
use serde::de::DeserializeOwned;

use crate::kube::request;
use crate::ssh::{Answer, Purpose, Script, Section, Transport, TransportError};

/// The way to the cluster and its nodes.
#[derive(Clone)]
pub struct Means {
    /// A client of the cluster's API.
    pub client: Client,
    /// The way to the nodes.
    pub transport: Arc<dyn Transport>,
    /// The nodes that answer.
    pub nodes: Vec<ProofNode>,
    /// Takes a line of progress.
    pub say: Arc<dyn Fn(String) + Send + Sync>,
}

/// A node the proof may look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofNode {
    /// Its name in the inventory and in the cluster.
    pub name: String,
    /// The value of its label `kubernetes.io/hostname`.
    pub host: String,
    /// The version of its kubelet.
    pub version: String,
    /// The directory kubelet was started with (`--root-dir`).
    pub kubelet_root: String,
    /// Whether pods may be put there: Ready and not cordoned.
    pub usable: bool,
}

/// Why there is no proof at all, neither passed nor failed.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// A node was lost meanwhile.
    #[error("{0}")]
    Unreachable(#[from] TransportError),
    /// The API did not do as asked.
    #[error("the API server answered: {}", crate::kube::error::message(.0))]
    Api(#[from] kube::Error),
    /// What an earlier run left cannot be removed.
    #[error("{0}")]
    InTheWay(String),
}

impl Means {
    /// GET, absent for 404.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Trouble> {
        Ok(request::get(&self.client, path).await?)
    }

    /// The items of a list; none where the kind is not served.
    pub async fn list<T: DeserializeOwned + Clone>(&self, path: &str) -> Result<Vec<T>, Trouble> {
        let list: Option<kube::core::ObjectList<T>> = request::get(&self.client, path).await?;
        Ok(list.map(|list| list.items).unwrap_or_default())
    }

    /// The node of a host name as Kubernetes writes it into affinities and pods.
    pub fn node(&self, host: &str) -> Option<&ProofNode> {
        self.nodes.iter().find(|node| node.host == host || node.name == host)
    }

    /// The name of the node of a host name; the host name itself where there is none.
    pub fn node_name(&self, host: &str) -> String {
        self.node(host).map_or_else(|| host.to_owned(), |node| node.name.clone())
    }

    /// Reports a line of progress.
    pub fn say(&self, line: impl Into<String>) {
        (self.say)(line.into());
    }

    /// Runs the sections of each node, one exec a node, all nodes at once. A node that cannot be reached gives its error.
    pub async fn look(&self, sections: Vec<(String, Vec<Section>)>) -> Vec<(String, Result<Answer, TransportError>)> {
        join_all(sections.into_iter().map(|(node, sections)| async move {
            let answer = self.transport.run(&node, &Script { purpose: Purpose::Probe, sections }).await;
            (node, answer)
        }))
        .await
    }
}

/// A section of a look at a node's disk: reading it may take a while on slow ones.
pub fn section(id: impl Into<String>, program: crate::ssh::Program) -> Section {
    Section { id: id.into(), program, limit: Duration::from_secs(120) }
}
