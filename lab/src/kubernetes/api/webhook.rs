//! `MetalLB`'s validating webhooks, which the addon's script meets before the controller serves them.

use serde_json::Value;

use crate::kubernetes::Kubernetes;
use crate::kubernetes::controllers::metallb;
use crate::kubernetes::kinds::Kind;
use crate::kubernetes::status::Failure;
use crate::kubernetes::store::Key;
use crate::kubernetes::types::Fault;
use crate::kubernetes::value::{list, text};

impl Kubernetes {
    /// Asks every webhook that a configuration names for the kind. An unreachable one refuses: `failurePolicy: Fail`.
    pub(super) fn call_webhooks(&self, kind: &Kind, key: &Key, object: &Value) -> Result<(), Failure> {
        let configurations = self.store.list("admissionregistration.k8s.io", "validatingwebhookconfigurations", None);
        let hooks = configurations.flat_map(|(_, configuration)| list(configuration, "/webhooks"));
        for hook in hooks.filter(|hook| concerns(hook, kind)) {
            let name = text(hook, "/name");
            let (service, namespace) =
                (text(hook, "/clientConfig/service/name"), text(hook, "/clientConfig/service/namespace"));
            if let Err(why) = self.dial(namespace, service, text(hook, "/clientConfig/service/path")) {
                if text(hook, "/failurePolicy") == "Ignore" {
                    continue;
                }
                return Err(Failure::internal(&format!(
                    "failed calling webhook \"{name}\": failed to call webhook: {why}"
                )));
            }
            if kind.plural == "ipaddresspools" {
                let pools: Vec<&Value> = self
                    .store
                    .list(&kind.group, &kind.plural, None)
                    .filter(|(other, _)| *other != key)
                    .map(|(_, pool)| &**pool)
                    .collect();
                metallb::check_pool(object, &pools).map_err(|why| {
                    Failure::new(403, "Forbidden", format!("admission webhook \"{name}\" denied the request: {why}"))
                })?;
            }
        }
        Ok(())
    }

    /// A call from the API server to a webhook's Service: refused while nothing ready is behind it.
    fn dial(&self, namespace: &str, service: &str, path: &str) -> Result<(), String> {
        let url = format!("Post \"https://{service}.{namespace}.svc:443{path}?timeout=10s\"");
        let Some(found) = self.store.get(&Key::core("services", namespace, service)) else {
            return Err(format!("{url}: service \"{service}\" not found"));
        };
        let broken = self.faults.contains(&Fault::MetallbEndlessLoop) && namespace == metallb::NAMESPACE;
        if broken || self.backends_ready(namespace, service) == 0 {
            let address = text(found, "/spec/clusterIP");
            return Err(format!("{url}: dial tcp {address}:443: connect: connection refused"));
        }
        Ok(())
    }
}

fn concerns(hook: &Value, kind: &Kind) -> bool {
    let has =
        |rule: &Value, field: &str, wanted: &str| list(rule, field).iter().any(|value| value == wanted || value == "*");
    list(hook, "/rules")
        .iter()
        .any(|rule| has(rule, "/apiGroups", &kind.group) && has(rule, "/resources", &kind.plural))
}
