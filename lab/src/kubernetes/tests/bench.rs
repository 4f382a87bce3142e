//! A cluster to try things on.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use crate::kubernetes::{Kubernetes, Millis, NodeView, Request, Response};

pub(super) const MERGE: &str = "application/merge-patch+json";
pub(super) const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub(super) const APPLY: &str = "application/apply-patch+yaml";
pub(super) const JSON: &str = "application/json";

/// A cluster, its machines and the time.
pub(super) struct Bench {
    pub(super) cluster: Kubernetes,
    pub(super) views: Vec<NodeView>,
    pub(super) now: Millis,
}

impl Bench {
    /// A cluster of so many machines, at rest.
    pub(super) fn settled(nodes: u8) -> Self {
        let mut bench = Self::fresh(nodes);
        bench.pass(60_000);
        bench
    }

    /// A cluster whose machines have just started.
    pub(super) fn fresh(nodes: u8) -> Self {
        let epoch = "2026-11-21T01:46:00Z".parse().expect("a time");
        let views = (1..=nodes)
            .map(|number| NodeView::new(&format!("nuc{number}"), Ipv4Addr::new(10, 77, 0, 10 + number)))
            .collect();
        Self { cluster: Kubernetes::new(0, epoch, 7, "v1.36.2"), views, now: 0 }
    }

    /// Lets time pass, event by event.
    pub(super) fn pass(&mut self, length: Millis) {
        let end = self.now + length;
        self.cluster.tick(self.now, &self.views);
        while let Some(next) = self.cluster.next_event().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            self.cluster.tick(self.now, &self.views);
        }
        self.now = end;
        self.cluster.tick(self.now, &self.views);
    }

    pub(super) fn view(&mut self, name: &str) -> &mut NodeView {
        self.views.iter_mut().find(|view| view.name == name).expect("a machine of that name")
    }

    pub(super) fn send(&mut self, request: &Request) -> Response {
        self.cluster.request(self.now, request)
    }

    pub(super) fn get(&mut self, target: &str) -> Value {
        let response = self.send(&Request::new("GET", target));
        assert_eq!(response.status, 200, "{target}: {}", response.json());
        response.json()
    }

    pub(super) fn status(&mut self, target: &str) -> u16 {
        self.send(&Request::new("GET", target)).status
    }

    pub(super) fn write(&mut self, method: &str, target: &str, content_type: &str, body: &Value) -> (u16, Value) {
        let response = self.send(&Request::new(method, target).with_body(content_type, body));
        (response.status, response.json())
    }

    pub(super) fn post(&mut self, target: &str, body: &Value) -> Value {
        let (status, answer) = self.write("POST", target, JSON, body);
        assert_eq!(status, 201, "{answer}");
        answer
    }

    pub(super) fn delete(&mut self, target: &str) -> Value {
        self.send(&Request::new("DELETE", target)).json()
    }

    /// Runs `kubectl`: stdout, stderr, exit status.
    pub(super) fn kubectl(&mut self, line: &str, stdin: &str) -> (String, String, i32) {
        let argv: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let (out, err, status) = self.cluster.kubectl(self.now, &argv, stdin.as_bytes());
        (String::from_utf8(out).expect("text"), String::from_utf8(err).expect("text"), status)
    }
}

pub(super) fn config_map(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

pub(super) fn deployment(name: &str, replicas: u32, image: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "main", "image": image, "ports": [{"containerPort": 8080, "name": "http"}]}]}}}})
}

pub(super) fn balanced(name: &str, app: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"type": "LoadBalancer", "selector": {"app": app},
        "ports": [{"port": 80, "targetPort": "http"}]}})
}
