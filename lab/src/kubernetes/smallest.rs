//! The smallest API server that answers: nodes that come and go, and one pod of a fresh installation.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Announcement, Fault, NodeView, Request, Response, WatchId};

/// One cluster's API server.
pub struct Kubernetes {
    nodes: BTreeMap<String, (NodeView, bool, u64)>,
}

impl Kubernetes {
    /// A fresh cluster.
    pub fn new(_now: u64, _epoch: jiff::Timestamp, _seed: u64, _version: &str) -> Self {
        Self { nodes: BTreeMap::new() }
    }

    /// Answers a request.
    pub fn request(&mut self, _now: u64, request: &Request) -> Response {
        let items: Vec<Value> = match request.path.as_str() {
            "/api/v1/nodes" => self
                .nodes
                .values()
                .map(|(node, ready, _)| {
                    json!({"metadata": {"name": node.name},
                "status": {"addresses": [{"type": "InternalIP", "address": node.address}],
                "conditions": [{"type": "Ready", "status": if *ready { "True" } else { "Unknown" }}]}})
                })
                .collect(),
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
            self.nodes.insert(view.name.clone(), (view.clone(), true, now));
        }
        for (node, ready, seen) in self.nodes.values_mut() {
            let here = views.iter().any(|view| view.name == node.name && view.reachable);
            *ready = here || now < *seen + 40_000;
        }
    }

    /// When something happens by itself.
    pub fn next_event(&self) -> Option<u64> {
        self.nodes.values().filter(|(_, ready, _)| *ready).map(|(_, _, seen)| seen + 40_000).min()
    }

    /// `kubectl`.
    pub fn kubectl(&mut self, _now: u64, argv: &[String], _stdin: &[u8]) -> (Vec<u8>, Vec<u8>, i32) {
        if let [delete, node, name] = argv
            && delete == "delete"
            && node == "node"
        {
            self.nodes.remove(name);
        }
        (Vec::new(), Vec::new(), 0)
    }

    /// Applies the addon's manifest.
    pub fn install_metallb(&mut self, _now: u64) -> String {
        String::new()
    }

    /// One attempt at the pool.
    pub fn create_pool(&mut self, _now: u64, ranges: &str) -> Result<String, String> {
        Ok(format!("pool of {ranges} created\n"))
    }

    /// Applies the addon's manifest.
    pub fn install_hostpath_storage(&mut self, _now: u64) -> String {
        String::new()
    }

    /// Switches a fault on or off.
    pub fn set_fault(&mut self, _fault: Fault, _on: bool) {}

    /// One object.
    pub fn object(&self, _resource: &str, _namespace: &str, _name: &str) -> Option<Value> {
        Some(json!({"status": {"availableReplicas": 1}}))
    }

    /// What is announced.
    pub fn routes(&self) -> Vec<super::Route> {
        Vec::new()
    }

    /// What is announced.
    pub fn announcements(&self) -> Vec<Announcement> {
        Vec::new()
    }

    /// The objects.
    pub fn describe(&self) -> Value {
        json!(self.nodes.keys().collect::<Vec<_>>())
    }
}
