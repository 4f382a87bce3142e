//! One cluster's Kubernetes API: objects, watches, controllers.
//!
//! The smallest that answers: nodes that come and go, and the pods of a fresh installation.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::{Value, json};

/// A request to the API server.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// HTTP method.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Query without the question mark.
    pub query: String,
    /// Its `Content-Type`.
    pub content_type: Option<String>,
    /// Its `Accept`.
    pub accept: Option<String>,
    /// Its `User-Agent`.
    pub user_agent: Option<String>,
    /// Its body.
    pub body: Vec<u8>,
}

/// The API server's response.
#[derive(Debug, Clone)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Its `Content-Type`.
    pub content_type: String,
    /// Its body.
    pub body: Vec<u8>,
    /// The watch the body is the beginning of.
    pub watch: Option<WatchId>,
}

/// Names an open watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchId(pub u64);

/// A kubelet as the cluster sees it.
#[derive(Debug, Clone)]
pub struct NodeView {
    /// Node name.
    pub name: String,
    /// Internal address.
    pub address: Ipv4Addr,
    /// Whether it has no control plane.
    pub worker: bool,
    /// Whether it reports.
    pub reachable: bool,
    /// Kubelet version.
    pub version: String,
    /// Operating system.
    pub os_image: String,
    /// Kernel release.
    pub kernel: String,
}

/// A port.
#[derive(Debug, Clone)]
pub struct ServicePort {
    /// Number.
    pub port: u16,
    /// Protocol.
    pub protocol: String,
}

/// What kube-proxy programs.
#[derive(Debug, Clone)]
pub struct Route {
    /// Addresses.
    pub addresses: Vec<Ipv4Addr>,
    /// Ports.
    pub ports: Vec<ServicePort>,
}

/// An address of a pool that a speaker announces.
#[derive(Debug, Clone)]
pub struct Announcement {
    /// The address.
    pub address: Ipv4Addr,
    /// The announcing node.
    pub node: String,
    /// The ports.
    pub ports: Vec<ServicePort>,
}

/// One cluster's API server.
pub struct Kubernetes {
    nodes: BTreeMap<String, (NodeView, bool, u64)>,
}

impl Kubernetes {
    /// A fresh cluster.
    pub fn new(_now: u64, _epoch: jiff::Timestamp, _seed: u64, _version: &str) -> Self {
        Self {
            nodes: BTreeMap::new(),
        }
    }

    /// Answers a request.
    pub fn request(&mut self, _now: u64, request: &Request) -> Response {
        let items: Vec<Value> = match request.path.as_str() {
            "/api/v1/nodes" => self.nodes.values().map(|(node, ready, _)| json!({"metadata": {"name": node.name},
                "status": {"addresses": [{"type": "InternalIP", "address": node.address}],
                "conditions": [{"type": "Ready", "status": if *ready { "True" } else { "Unknown" }}]}})).collect(),
            "/api/v1/pods" => vec![json!({"metadata": {"name": "coredns-x"}})],
            _ => Vec::new(),
        };
        Response {
            status: 200,
            content_type: "application/json".into(),
            body: json!({"items": items}).to_string().into_bytes(),
            watch: None,
        }
    }

    /// New events of a watch.
    pub fn watch(&mut self, _now: u64, _id: WatchId) -> Vec<u8> {
        Vec::new()
    }

    /// Lets the controllers look.
    pub fn tick(&mut self, now: u64, views: &[NodeView]) {
        for view in views.iter().filter(|view| view.reachable) {
            self.nodes
                .insert(view.name.clone(), (view.clone(), true, now));
        }
        for (node, ready, seen) in self.nodes.values_mut() {
            let here = views
                .iter()
                .any(|view| view.name == node.name && view.reachable);
            *ready = here || now < *seen + 40_000;
        }
    }

    /// When something happens by itself.
    pub fn next_event(&self) -> Option<u64> {
        self.nodes
            .values()
            .filter(|(_, ready, _)| *ready)
            .map(|(_, _, seen)| seen + 40_000)
            .min()
    }

    /// `kubectl`.
    pub fn kubectl(
        &mut self,
        _now: u64,
        argv: &[String],
        _stdin: &[u8],
    ) -> (Vec<u8>, Vec<u8>, i32) {
        if let [delete, node, name] = argv
            && delete == "delete"
            && node == "node"
        {
            self.nodes.remove(name);
        }
        (Vec::new(), Vec::new(), 0)
    }

    /// What is announced.
    pub fn announcements(&self) -> Vec<Announcement> {
        Vec::new()
    }

    /// Routes.
    pub fn routes(&self) -> Vec<Route> {
        Vec::new()
    }

    /// The objects.
    pub fn describe(&self) -> Value {
        json!(self.nodes.keys().collect::<Vec<_>>())
    }
}
