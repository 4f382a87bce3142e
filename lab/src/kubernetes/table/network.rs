//! Rows of Services and what is around them.

use serde_json::Value;

use super::{labels, name, or_none};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::value::{at, list, number, text};

impl Kubernetes {
    pub(super) fn service_cells(&self, service: &Value) -> Vec<Value> {
        let ports: Vec<String> = list(service, "/spec/ports")
            .iter()
            .map(|port| {
                let node = match number(port, "/nodePort") {
                    0 => String::new(),
                    node => format!(":{node}"),
                };
                format!("{}{node}/{}", number(port, "/port"), text(port, "/protocol"))
            })
            .collect();
        vec![
            name(service),
            at(service, "/spec/type").clone(),
            or_none(text(service, "/spec/clusterIP")),
            external(service),
            or_none(&ports.join(",")),
            self.age(service),
            labels(at(service, "/spec/selector")),
        ]
    }

    pub(super) fn endpoints_cells(&self, object: &Value) -> Vec<Value> {
        let mut all = Vec::new();
        for subset in list(object, "/subsets") {
            for port in list(subset, "/ports") {
                all.extend(
                    list(subset, "/addresses")
                        .iter()
                        .map(|address| format!("{}:{}", text(address, "/ip"), number(port, "/port"))),
                );
            }
        }
        vec![name(object), shortened(&all, 3), self.age(object)]
    }

    pub(super) fn slice_cells(&self, object: &Value) -> Vec<Value> {
        let ports: Vec<String> = list(object, "/ports").iter().map(|port| number(port, "/port").to_string()).collect();
        let addresses: Vec<String> = list(object, "/endpoints")
            .iter()
            .flat_map(|endpoint| list(endpoint, "/addresses"))
            .filter_map(|address| address.as_str().map(str::to_owned))
            .collect();
        let unset = |value: Value| if value == "<none>" { "<unset>".into() } else { value };
        vec![
            name(object),
            at(object, "/addressType").clone(),
            unset(shortened(&ports, 3)),
            unset(shortened(&addresses, 3)),
            self.age(object),
        ]
    }

    pub(super) fn ingress_cells(&self, object: &Value) -> Vec<Value> {
        let hosts: Vec<String> = list(object, "/spec/rules")
            .iter()
            .map(|rule| text(rule, "/host").to_owned())
            .filter(|host| !host.is_empty())
            .collect();
        let hosts = if hosts.is_empty() { "*".into() } else { shortened(&hosts, 3) };
        let addresses: Vec<&str> =
            list(object, "/status/loadBalancer/ingress").iter().map(|ingress| text(ingress, "/ip")).collect();
        let ports = if list(object, "/spec/tls").is_empty() { "80" } else { "80, 443" };
        vec![
            name(object),
            or_none(text(object, "/spec/ingressClassName")),
            hosts,
            addresses.join(",").into(),
            ports.into(),
            self.age(object),
        ]
    }

    pub(super) fn ingress_class_cells(&self, object: &Value) -> Vec<Value> {
        let parameters = match text(object, "/spec/parameters/kind") {
            "" => "<none>".to_owned(),
            kind => format!("{kind}/{}", text(object, "/spec/parameters/name")),
        };
        vec![name(object), at(object, "/spec/controller").clone(), parameters.into(), self.age(object)]
    }
}

fn external(service: &Value) -> Value {
    let balanced: Vec<&str> =
        list(service, "/status/loadBalancer/ingress").iter().map(|ingress| text(ingress, "/ip")).collect();
    match text(service, "/spec/type") {
        "LoadBalancer" if balanced.is_empty() => "<pending>".into(),
        "LoadBalancer" => balanced.join(",").into(),
        "ExternalName" => at(service, "/spec/externalName").clone(),
        _ => "<none>".into(),
    }
}

/// The first few, and how many more there are.
fn shortened(all: &[String], most: usize) -> Value {
    if all.len() <= most {
        return or_none(&all.join(","));
    }
    format!("{} + {} more...", all[..most].join(","), all.len() - most).into()
}
