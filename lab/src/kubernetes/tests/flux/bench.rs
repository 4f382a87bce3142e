//! A cluster with Flux, and a repository that is a map of files.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::bench::{APPLY, Bench, JSON};
use crate::kubernetes::flux::{Tree, manifest};
use crate::kubernetes::{Fault, Millis, Request};

pub(super) const URL: &str = "ssh://git@10.77.0.1/homelab/cluster.git";

/// The cluster, and what its Git server has.
pub(super) struct Site {
    pub(super) bench: Bench,
    /// The head of `main`: content by path; its number is its commit.
    pub(super) files: BTreeMap<String, String>,
    pub(super) commits: u32,
    /// What the Git server says instead of answering.
    pub(super) down: Option<String>,
}

impl Site {
    /// Flux is installed, and nothing more.
    pub(super) fn new(faults: &[Fault]) -> Self {
        let mut bench = Bench::settled(3);
        for fault in faults {
            bench.cluster.set_fault(*fault, true);
        }
        for object in manifest::objects() {
            let (out, err, status) = bench.cluster.kubectl_apply(bench.now, &[object]);
            assert_eq!(status, 0, "{out}{err}");
        }
        let mut site = Self { bench, files: BTreeMap::new(), commits: 0, down: None };
        site.pass(60_000);
        site
    }

    /// The Secret, the repository and the kustomization that `flux bootstrap git` makes; `files` is the first commit.
    pub(super) fn synced(faults: &[Fault], files: &[(&str, &str)]) -> Self {
        let mut site = Self::new(faults);
        site.secret();
        site.push(files);
        site.apply(&source());
        site.apply(&kustomization(&json!({})));
        site.pass(30_000);
        site
    }

    pub(super) fn secret(&mut self) {
        let encoded = |text: &str| STANDARD.encode(text);
        self.apply(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "flux-system", "namespace": "flux-system"},
            "data": {"identity": encoded("key"), "identity.pub": encoded("pub"), "known_hosts": encoded("10.77.0.1 ssh-ed25519 A")}}));
    }

    /// A new commit that changes these files; an empty text removes one.
    pub(super) fn push(&mut self, files: &[(&str, &str)]) {
        self.commits += 1;
        for (path, content) in files {
            if content.is_empty() {
                self.files.remove(*path);
            } else {
                self.files.insert((*path).to_owned(), (*content).to_owned());
            }
        }
    }

    pub(super) fn commit(&self) -> String {
        format!("{:040x}", self.commits)
    }

    pub(super) fn revision(&self) -> String {
        format!("main@sha1:{}", self.commit())
    }

    /// Server-side apply as a user.
    pub(super) fn apply(&mut self, object: &Value) {
        let kind = self
            .bench
            .cluster
            .kinds
            .of(object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap())
            .cloned()
            .expect("a served kind");
        let (namespace, name) = (
            object["metadata"]["namespace"].as_str().unwrap_or_default(),
            object["metadata"]["name"].as_str().unwrap(),
        );
        let path = crate::kubernetes::kubectl::object_path(&kind, namespace, name);
        let request = Request::new("PATCH", &format!("{path}?fieldManager=test&force=true")).with_body(APPLY, object);
        let response = self.bench.send(&request);
        assert!(response.status < 300, "{}", response.json());
    }

    /// Lets time pass; fetches are answered half a second after they were asked for.
    pub(super) fn pass(&mut self, length: Millis) {
        let end = self.bench.now + length;
        while self.bench.now < end {
            let step = (end - self.bench.now).min(500);
            self.bench.pass(step);
            let tickets: Vec<u64> = self.bench.cluster.wanted_fetches().map(|fetch| fetch.ticket).collect();
            for ticket in tickets {
                let tree = Tree {
                    commit: self.commit(),
                    subject: format!("Commit {}", self.commits),
                    files: self.files.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes())).collect(),
                };
                let answer = self.down.clone().map_or_else(|| Ok(Arc::new(tree)), Err);
                self.bench.cluster.fetched(self.bench.now, ticket, answer);
            }
        }
        self.bench.pass(0);
    }

    pub(super) fn object(&self, resource: &str, namespace: &str, name: &str) -> Value {
        self.bench.cluster.object(resource, namespace, name).unwrap_or_default()
    }

    /// The reason and message of a condition, after its status.
    pub(super) fn condition(&self, resource: &str, namespace: &str, name: &str, kind: &str) -> [String; 3] {
        let object = self.object(resource, namespace, name);
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let found = conditions.into_iter().find(|condition| condition["type"] == kind).unwrap_or_default();
        ["status", "reason", "message"].map(|field| found[field].as_str().unwrap_or_default().to_owned())
    }

    pub(super) fn annotate(&mut self, path: &str, annotation: &str, value: &str) {
        let patch = json!({"metadata": {"annotations": {annotation: value}}});
        let response = self.bench.send(&Request::new("PATCH", path).with_body("application/merge-patch+json", &patch));
        assert_eq!(response.status, 200, "{}", response.json());
    }

    pub(super) fn delete(&mut self, path: &str) {
        let response = self.bench.send(&Request::new("DELETE", path).with_body(JSON, &json!({})));
        assert_eq!(response.status, 200, "{}", response.json());
    }

    pub(super) fn events(&self, name: &str) -> Vec<String> {
        let events = self.bench.cluster.objects("events");
        let about = events.iter().filter(|event| event["involvedObject"]["name"] == name);
        about
            .map(|event| format!("{} {}", event["reason"].as_str().unwrap(), event["message"].as_str().unwrap()))
            .collect()
    }
}

pub(super) fn source() -> Value {
    json!({"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": {"name": "flux-system", "namespace": "flux-system"},
        "spec": {"interval": "1m0s", "ref": {"branch": "main"}, "secretRef": {"name": "flux-system"}, "url": URL}})
}

/// The kustomization of the whole cluster, with more in its spec.
pub(super) fn kustomization(more: &Value) -> Value {
    let mut object = json!({"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
        "metadata": {"name": "flux-system", "namespace": "flux-system"},
        "spec": {"interval": "10m0s", "retryInterval": "1m0s", "path": "./clusters/lab", "prune": true,
            "sourceRef": {"kind": "GitRepository", "name": "flux-system"}}});
    crate::kubernetes::merge_values(&mut object["spec"], more);
    object
}
