//! Rows of nodes, events and bindings.

use serde_json::Value;

use super::{name, or_none};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::value::{at, condition, entries, list, number, text};

impl Kubernetes {
    pub(super) fn node_cells(&self, node: &Value) -> Vec<Value> {
        let mut status = match condition(node, "Ready") {
            "True" => "Ready",
            "" => "Unknown",
            _ => "NotReady",
        }
        .to_owned();
        if at(node, "/spec/unschedulable") == true {
            status.push_str(",SchedulingDisabled");
        }
        let address = |kind: &str| {
            let found = list(node, "/status/addresses").iter().find(|address| address["type"] == kind);
            or_none(found.map_or("", |address| text(address, "/address")))
        };
        let info = |field: &str| match text(node, &format!("/status/nodeInfo/{field}")) {
            "" => "<unknown>".to_owned(),
            known => known.to_owned(),
        };
        let kernel = match text(node, "/status/nodeInfo/architecture") {
            "" => info("kernelVersion"),
            architecture => format!("{} ({architecture})", info("kernelVersion")),
        };
        vec![
            name(node),
            status.into(),
            or_none(&roles(node)),
            self.age(node),
            at(node, "/status/nodeInfo/kubeletVersion").clone(),
            address("InternalIP"),
            address("ExternalIP"),
            info("osImage").into(),
            kernel.into(),
            info("containerRuntimeVersion").into(),
        ]
    }

    pub(super) fn event_cells(&self, event: &Value) -> Vec<Value> {
        let age = |field: &str| self.clock.age(self.now, text(event, field));
        let count = number(event, "/count");
        let last = if count > 1 {
            format!("{} (x{count} over {})", age("/lastTimestamp"), age("/firstTimestamp"))
        } else {
            age("/lastTimestamp")
        };
        let object =
            format!("{}/{}", text(event, "/involvedObject/kind").to_lowercase(), text(event, "/involvedObject/name"));
        vec![
            last.into(),
            at(event, "/type").clone(),
            at(event, "/reason").clone(),
            object.into(),
            text(event, "/involvedObject/fieldPath").into(),
            text(event, "/source/component").into(),
            text(event, "/message").trim().into(),
            age("/firstTimestamp").into(),
            count.into(),
            name(event),
        ]
    }

    pub(super) fn binding_cells(&self, binding: &Value) -> Vec<Value> {
        let role = format!("{}/{}", text(binding, "/roleRef/kind"), text(binding, "/roleRef/name"));
        let subjects = |kind: &str| {
            let named = list(binding, "/subjects").iter().filter(|subject| subject["kind"] == kind);
            let names: Vec<String> = named
                .map(|subject| match text(subject, "/namespace") {
                    "" => text(subject, "/name").to_owned(),
                    namespace => format!("{namespace}/{}", text(subject, "/name")),
                })
                .collect();
            Value::from(names.join(", "))
        };
        vec![
            name(binding),
            role.into(),
            self.age(binding),
            subjects("User"),
            subjects("Group"),
            subjects("ServiceAccount"),
        ]
    }
}

/// The roles of a node, by its labels; `MicroK8s` sets none of them.
fn roles(node: &Value) -> String {
    let roles = entries(node, "/metadata/labels").filter_map(|(key, value)| {
        let named = key.strip_prefix("node-role.kubernetes.io/").filter(|role| !role.is_empty());
        named.or_else(|| (key == "kubernetes.io/role").then(|| value.as_str().unwrap_or_default()))
    });
    roles.collect::<Vec<_>>().join(",")
}
