//! What the controllers write into the status of the Ingresses they serve.

use serde_json::{Value, json};

use super::{IngressController, traefik};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::controllers::is_ready;
use crate::kubernetes::store::Key;
use crate::kubernetes::types::Millis;
use crate::kubernetes::value::{at, list, set, text};

/// ingress-nginx writes statuses at its leisure (it looks every minute), Traefik with its next configuration.
const NGINX_WRITES_AFTER: Millis = 15_000;
const TRAEFIK_WRITES_AFTER: Millis = 2_000;

impl Kubernetes {
    pub(in crate::kubernetes) fn run_ingresses(&mut self) {
        let pods: Vec<Value> = self
            .store
            .list("", "pods", None)
            .filter(|(_, pod)| is_ready(pod) && IngressController::of_pod(pod).is_some())
            .map(|(_, pod)| Value::clone(pod))
            .collect();
        for controller in [IngressController::Nginx, IngressController::Traefik] {
            let Some(pod) = pods.iter().find(|pod| IngressController::of_pod(pod) == Some(controller)) else {
                continue;
            };
            let Some(wanted) = self.published(controller, pod) else { continue };
            let delay = if controller == IngressController::Nginx { NGINX_WRITES_AFTER } else { TRAEFIK_WRITES_AFTER };
            let stale: Vec<(Key, String)> = self
                .ingresses_of(controller)
                .filter(|ingress| *at(ingress, "/status/loadBalancer") != wanted)
                .map(|ingress| {
                    let key = Key::new(
                        "networking.k8s.io",
                        "ingresses",
                        text(ingress, "/metadata/namespace"),
                        text(ingress, "/metadata/name"),
                    );
                    (key, text(ingress, "/metadata/uid").to_owned())
                })
                .collect();
            for (key, uid) in stale {
                if self.due(&uid, "ingress-status", delay) {
                    self.reset(&uid, "ingress-status");
                    self.edit(&key, |ingress| set(ingress, "/status/loadBalancer", wanted.clone()));
                }
            }
        }
    }

    /// `--publish-status-address` of ingress-nginx; the addresses of the Service Traefik publishes, once it has some.
    fn published(&self, controller: IngressController, pod: &Value) -> Option<Value> {
        let given = |flag: &str| {
            let containers = list(pod, "/spec/containers").iter();
            let mut arguments = containers.flat_map(|container| list(container, "/args")).filter_map(Value::as_str);
            arguments.find_map(|argument| argument.strip_prefix(flag).map(str::to_owned))
        };
        if controller == IngressController::Nginx {
            return Some(json!({"ingress": [{"ip": given("--publish-status-address=")?}]}));
        }
        let place = given(traefik::PUBLISHED)?;
        let (namespace, name) = place.split_once('/')?;
        let service = self.store.get(&Key::core("services", namespace, name))?;
        let addresses: Vec<Value> = list(service, "/status/loadBalancer/ingress")
            .iter()
            .filter(|address| address["ip"].is_string())
            .map(|address| json!({"ip": address["ip"]}))
            .collect();
        (!addresses.is_empty()).then(|| json!({"ingress": addresses}))
    }
}
