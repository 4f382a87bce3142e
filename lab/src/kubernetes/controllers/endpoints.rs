//! Who is behind a Service, and what kube-proxy makes of it.

use std::net::Ipv4Addr;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{is_leaving, is_ready};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::names;
use crate::kubernetes::selector::Labels;
use crate::kubernetes::store::Key;
use crate::kubernetes::types::{Backend, Route, ServicePort};
use crate::kubernetes::value::{at, entries, list, number, set, text};

/// The port of the API servers.
const API_PORT: u16 = 16443;

impl Kubernetes {
    pub(super) fn run_endpoints(&mut self) {
        self.publish_api_servers();
        for (key, service) in self.all_of("", "services") {
            if entries(&service, "/spec/selector").next().is_some() {
                self.publish(&key, &service);
            }
        }
        for (key, _) in self.all_of("", "endpoints") {
            if self.store.get(&Key::core("services", &key.namespace, &key.name)).is_none() {
                self.erase(&key);
            }
        }
    }

    /// The Service `kubernetes` leads to the machines that run an API server.
    fn publish_api_servers(&mut self) {
        let addresses: Vec<Value> = self.kubelets.control_planes().map(|view| json!({"ip": view.address})).collect();
        if addresses.is_empty() {
            return;
        }
        let endpoints: Vec<Value> = addresses
            .iter()
            .map(|address| json!({"addresses": [address["ip"]], "conditions": {"ready": true}}))
            .collect();
        let key = self.make(
            "",
            "endpoints",
            json!({"metadata": {"name": "kubernetes", "namespace": "default",
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}}),
        );
        self.edit(&key, |object| {
            object["subsets"] =
                json!([{"addresses": addresses, "ports": [{"name": "https", "port": API_PORT, "protocol": "TCP"}]}]);
        });
        let slice = self.make(
            "discovery.k8s.io",
            "endpointslices",
            json!({"metadata": {"name": "kubernetes", "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"}}, "addressType": "IPv4"}),
        );
        self.edit(&slice, |object| {
            object["endpoints"] = endpoints.into();
            object["ports"] = json!([{"name": "https", "port": API_PORT, "protocol": "TCP"}]);
        });
    }

    fn publish(&mut self, key: &Key, service: &Value) {
        let pods = self.pods_behind(service);
        let address = |pod: &Value| {
            json!({"ip": pod["status"]["podIP"], "nodeName": pod["spec"]["nodeName"], "targetRef": {"kind": "Pod",
                "namespace": pod["metadata"]["namespace"], "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}})
        };
        let pick = |ready: bool| -> Vec<Value> {
            pods.iter().filter(|pod| is_ready(pod) == ready).map(|pod| address(pod)).collect()
        };
        let (ready, unready) = (pick(true), pick(false));
        let ports: Vec<Value> = list(service, "/spec/ports")
            .iter()
            .map(|port| {
                let mut shown =
                    json!({"port": pods.iter().find_map(|pod| target_port(port, pod)), "protocol": port["protocol"]});
                if !text(port, "/name").is_empty() {
                    shown["name"] = port["name"].clone();
                }
                shown
            })
            .collect();
        let mut subset = json!({"ports": ports});
        if !ready.is_empty() {
            subset["addresses"] = ready.into();
        }
        if !unready.is_empty() {
            subset["notReadyAddresses"] = unready.into();
        }
        let made = self.make("", "endpoints", json!({"metadata": {"name": key.name, "namespace": key.namespace, "labels": service["metadata"]["labels"]}}));
        let empty = pods.is_empty();
        self.edit(&made, |object| {
            if empty {
                crate::kubernetes::value::remove(object, "/subsets");
            } else {
                object["subsets"] = json!([subset]);
            }
        });
        let endpoints: Vec<Value> = pods.iter().map(|pod| endpoint(pod)).collect();
        self.publish_slice(key, service, endpoints, if empty { Vec::new() } else { ports });
    }

    fn publish_slice(&mut self, key: &Key, service: &Value, endpoints: Vec<Value>, ports: Vec<Value>) {
        let id = names::digest_hex(&[text(service, "/metadata/uid").as_bytes()]);
        let mut owner = super::reference(service);
        set(&mut owner[0], "/apiVersion", "v1");
        let slice = self.make("discovery.k8s.io", "endpointslices", json!({"metadata": {"name": format!("{}-{}", key.name, &id[..5]),
            "namespace": key.namespace, "labels": {"kubernetes.io/service-name": key.name, "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"},
            "ownerReferences": owner}, "addressType": "IPv4"}));
        self.edit(&slice, |object| {
            object["endpoints"] = endpoints.into();
            object["ports"] = ports.into();
        });
    }

    /// The pods a Service selects that have an address, ordered by name.
    fn pods_behind(&self, service: &Value) -> Vec<Arc<Value>> {
        let selector = at(service, "/spec/selector");
        if !selector.is_object() {
            return Vec::new();
        }
        let selector = Labels::of(selector);
        let serves = |pod: &Value| {
            !text(pod, "/status/podIP").is_empty() && !is_leaving(pod) && text(pod, "/status/phase") == "Running"
        };
        let pods = self.store.list("", "pods", Some(text(service, "/metadata/namespace")));
        pods.filter(|(_, pod)| selector.accept(pod) && serves(pod)).map(|(_, pod)| Arc::clone(pod)).collect()
    }

    /// How many ready pods are behind a Service.
    pub(in crate::kubernetes) fn backends_ready(&self, namespace: &str, service: &str) -> usize {
        let service = self.store.get(&Key::core("services", namespace, service));
        service.map_or(0, |service| self.pods_behind(service).iter().filter(|pod| is_ready(pod)).count())
    }

    /// The ports of a Service with their ready backends.
    pub(in crate::kubernetes) fn ports_of(&self, service: &Value) -> Vec<ServicePort> {
        let pods = self.pods_behind(service);
        let api = text(service, "/metadata/name") == "kubernetes" && text(service, "/metadata/namespace") == "default";
        let port_of = |port: &Value| {
            let backends = if api {
                self.api_servers()
            } else {
                pods.iter().filter(|pod| is_ready(pod)).filter_map(|pod| backend(port, pod)).collect()
            };
            ServicePort {
                port: u16::try_from(number(port, "/port")).unwrap_or_default(),
                protocol: text(port, "/protocol").to_owned(),
                node_port: u16::try_from(number(port, "/nodePort")).ok().filter(|port| *port != 0),
                backends,
            }
        };
        list(service, "/spec/ports").iter().map(port_of).collect()
    }

    fn api_servers(&self) -> Vec<Backend> {
        let own = |address: Ipv4Addr, node: &str| Backend {
            namespace: "default".to_owned(),
            pod: String::new(),
            node: node.to_owned(),
            address,
            port: API_PORT,
            image: String::new(),
        };
        self.kubelets.control_planes().map(|view| own(view.address, &view.name)).collect()
    }

    /// What kube-proxy answers on every node at this moment.
    pub fn routes(&self) -> Vec<Route> {
        let parse = |address: &Value| address.as_str().and_then(|address| address.parse().ok());
        self.store
            .list("", "services", None)
            .map(|(key, service)| {
                let balanced = list(service, "/status/loadBalancer/ingress").iter().map(|ingress| &ingress["ip"]);
                Route {
                    namespace: key.namespace.clone(),
                    service: key.name.clone(),
                    addresses: std::iter::once(at(service, "/spec/clusterIP"))
                        .chain(balanced)
                        .filter_map(parse)
                        .collect(),
                    ports: self.ports_of(service),
                }
            })
            .filter(|route| !route.addresses.is_empty())
            .collect()
    }
}

fn endpoint(pod: &Value) -> Value {
    let ready = is_ready(pod);
    json!({"addresses": [pod["status"]["podIP"]], "conditions": {"ready": ready, "serving": ready, "terminating": false},
        "nodeName": pod["spec"]["nodeName"], "targetRef": {"kind": "Pod", "namespace": pod["metadata"]["namespace"],
            "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}})
}

/// The number a Service port leads to on a pod; a name is looked up among the pod's ports.
fn target_port(port: &Value, pod: &Value) -> Option<u16> {
    let target = at(port, "/targetPort");
    let number = match target.as_str() {
        None => target.as_i64().or_else(|| port["port"].as_i64()),
        Some(name) => list(pod, "/spec/containers")
            .iter()
            .flat_map(|container| list(container, "/ports"))
            .find(|declared| declared["name"] == name)
            .and_then(|declared| declared["containerPort"].as_i64()),
    };
    number.and_then(|number| u16::try_from(number).ok())
}

fn backend(port: &Value, pod: &Value) -> Option<Backend> {
    let number = target_port(port, pod)?;
    let containers = list(pod, "/spec/containers");
    let declares =
        |container: &&Value| list(container, "/ports").iter().any(|declared| declared["containerPort"] == number);
    let container = containers.iter().find(declares).or_else(|| containers.first())?;
    Some(Backend {
        namespace: text(pod, "/metadata/namespace").to_owned(),
        pod: text(pod, "/metadata/name").to_owned(),
        node: text(pod, "/spec/nodeName").to_owned(),
        address: text(pod, "/status/podIP").parse().ok()?,
        port: number,
        image: text(container, "/image").to_owned(),
    })
}
