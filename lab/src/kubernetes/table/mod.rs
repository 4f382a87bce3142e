//! Objects as the tables `kubectl get` prints.
//!
//! Columns and cells are the ones of k8s.io/kubernetes `pkg/printers/internalversion`; a column of priority 1 is shown
//! with `-o wide` only.

mod cluster;
mod columns;
mod config;
mod custom;
mod network;
mod pods;
mod storage;
mod workloads;

use serde_json::{Value, json};

use super::Kubernetes;
use super::kinds::Kind;
use super::value::{at, text};

use columns::{Column, columns};

impl Kubernetes {
    /// A `meta.k8s.io/v1` Table; `include` says what each row carries: `None`, `Metadata` or `Object`.
    pub(super) fn table(&self, kind: &Kind, objects: &[Value], include: &str) -> Value {
        let columns = columns(kind);
        let definitions: Vec<Value> = columns
            .iter()
            .map(|column| {
                json!({"name": column.name, "type": column.kind, "format": if column.name == "Name" { "name" } else { "" },
                    "description": "", "priority": column.priority})
            })
            .collect();
        let rows: Vec<Value> = objects
            .iter()
            .map(|object| {
                let mut row = json!({"cells": self.cells(kind, &columns, object)});
                match include {
                    "None" => {}
                    "Object" => row["object"] = object.clone(),
                    _ => row["object"] = super::api::metadata_only(object),
                }
                row
            })
            .collect();
        json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "columnDefinitions": definitions, "rows": rows})
    }

    fn cells(&self, kind: &Kind, columns: &[Column], object: &Value) -> Vec<Value> {
        if let Some(version) = &kind.custom {
            return self.custom_cells(version, object);
        }
        match (kind.group.as_str(), kind.plural.as_str()) {
            ("", "nodes") => self.node_cells(object),
            ("", "namespaces") => vec![name(object), at(object, "/status/phase").clone(), self.age(object)],
            ("apiextensions.k8s.io", "customresourcedefinitions")
            | ("rbac.authorization.k8s.io", "roles" | "clusterroles") => {
                vec![name(object), at(object, "/metadata/creationTimestamp").clone()]
            }
            ("", "pods") => self.pod_cells(object),
            ("apps", "deployments") => self.deployment_cells(object),
            ("apps", "replicasets") => self.replica_set_cells(object),
            ("apps", "daemonsets") => self.daemon_set_cells(object),
            ("apps", "statefulsets") => self.stateful_set_cells(object),
            ("batch", "jobs") => self.job_cells(object),
            ("batch", "cronjobs") => self.cron_job_cells(object),
            ("", "services") => self.service_cells(object),
            ("", "endpoints") => self.endpoints_cells(object),
            ("discovery.k8s.io", "endpointslices") => self.slice_cells(object),
            ("networking.k8s.io", "ingresses") => self.ingress_cells(object),
            ("networking.k8s.io", "ingressclasses") => self.ingress_class_cells(object),
            ("", "configmaps") => self.config_map_cells(object),
            ("", "secrets") => self.secret_cells(object),
            ("", "serviceaccounts") => self.service_account_cells(object),
            ("" | "events.k8s.io", "events") => self.event_cells(object),
            ("coordination.k8s.io", "leases") => {
                vec![name(object), at(object, "/spec/holderIdentity").clone(), self.age(object)]
            }
            ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => self.binding_cells(object),
            ("admissionregistration.k8s.io", _) => {
                vec![name(object), super::value::list(object, "/webhooks").len().into(), self.age(object)]
            }
            ("", "persistentvolumeclaims") => self.claim_cells(object),
            ("", "persistentvolumes") => self.volume_cells(object),
            ("storage.k8s.io", "storageclasses") => self.storage_class_cells(object),
            _ => vec![name(object), self.age(object)],
        }
        .into_iter()
        .take(columns.len())
        .collect()
    }

    fn age(&self, object: &Value) -> Value {
        self.clock.age(self.now, text(object, "/metadata/creationTimestamp")).into()
    }
}

fn name(object: &Value) -> Value {
    at(object, "/metadata/name").clone()
}

/// `<none>` for nothing.
fn or_none(text: &str) -> Value {
    if text.is_empty() { "<none>".into() } else { text.into() }
}

/// `a=b,c=d`, or `<none>`.
fn labels(map: &Value) -> Value {
    let pairs: Vec<String> = map
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    or_none(&pairs.join(","))
}
