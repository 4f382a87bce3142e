//! What the proof works with, and what can keep it from working at all.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::Node;
use kube::Client;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

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
    /// Held while a node has lost its replicas: one drill at a time.
    pub drilling: Arc<Mutex<()>>,
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

impl ProofNode {
    /// A node of the cluster, from its Node object and the directory its kubelet was started with.
    fn of(node: Node, kubelet_root: &str) -> Option<Self> {
        let name = node.metadata.name?;
        let host = node.metadata.labels.as_ref().and_then(|labels| labels.get("kubernetes.io/hostname").cloned());
        let status = node.status.unwrap_or_default();
        let conditions = status.conditions.unwrap_or_default();
        let ready = conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
        let cordoned = node.spec.and_then(|spec| spec.unschedulable).unwrap_or_default();
        Some(Self {
            host: host.unwrap_or_else(|| name.clone()),
            name,
            version: status.node_info.map(|info| info.kubelet_version).unwrap_or_default(),
            kubelet_root: kubelet_root.to_owned(),
            usable: ready && !cordoned,
        })
    }
}

impl Means {
    /// Reads the nodes anew; those without a known directory of kubelet do not answer and take no part.
    pub async fn new(
        client: Client,
        transport: Arc<dyn Transport>,
        kubelet_roots: &[(String, String)],
        say: Arc<dyn Fn(String) + Send + Sync>,
    ) -> Result<Self, Trouble> {
        let mut means = Self { client, transport, nodes: vec![], say, drilling: Arc::default() };
        let mut objects: Vec<Node> = means.list("/api/v1/nodes").await?;
        for (name, root) in kubelet_roots {
            let place = objects.iter().position(|node| node.metadata.name.as_ref() == Some(name));
            means.nodes.extend(place.and_then(|place| ProofNode::of(objects.swap_remove(place), root)));
        }
        Ok(means)
    }

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
