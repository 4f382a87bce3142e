//! From the host and path of a request to a Service: the Ingresses of a controller's classes and their rules.

use std::sync::Arc;

use serde_json::Value;

use super::IngressController;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::value::{at, list, text};

/// The annotation that named the class before there was a field for it.
const OLD_CLASS: &str = "/metadata/annotations/kubernetes.io~1ingress.class";

/// The backend of the rule that fits a request best, and the Ingress it is in.
#[derive(Debug)]
pub(super) struct Routed {
    pub(super) ingress: Arc<Value>,
    /// As in the Ingress: `{"service": {"name", "port"}}`.
    pub(super) backend: Value,
}

impl Kubernetes {
    /// The Ingresses a controller serves, ordered by namespace and name.
    pub(super) fn ingresses_of(&self, controller: IngressController) -> impl Iterator<Item = &Arc<Value>> {
        let all = self.store.list("networking.k8s.io", "ingresses", None).map(|(_, ingress)| ingress);
        all.filter(move |ingress| self.serves_class(controller, ingress))
    }

    /// ingress-nginx `internal/ingress/controller/store` and traefik `pkg/provider/kubernetes/ingress`: the named class has to
    /// be there and to name this controller; where none is named the old annotation decides.
    fn serves_class(&self, controller: IngressController, ingress: &Value) -> bool {
        let named = text(ingress, "/spec/ingressClassName");
        if named.is_empty() {
            let old = text(ingress, OLD_CLASS);
            return match controller {
                // The addon starts it with --ingress-class=public.
                IngressController::Nginx => old == "public",
                IngressController::Traefik => old.is_empty() || old == "traefik",
            };
        }
        let key = crate::kubernetes::store::Key::new("networking.k8s.io", "ingressclasses", "", named);
        self.store.get(&key).is_some_and(|class| text(class, "/spec/controller") == controller.class_controller())
    }

    /// The best rule for a request; without one a default backend.
    pub(super) fn routed(&self, controller: IngressController, host: &str, path: &str) -> Option<Routed> {
        let mut best: Option<(Rank, Routed)> = None;
        for ingress in self.ingresses_of(controller) {
            for rule in list(ingress, "/spec/rules") {
                let Some(hosts) = host_rank(text(rule, "/host"), host) else { continue };
                for entry in list(rule, "/http/paths") {
                    let Some(paths) = path_rank(controller, entry, path) else { continue };
                    let rank = (hosts, paths);
                    if best.as_ref().is_none_or(|(found, _)| rank > *found) {
                        let backend = at(entry, "/backend").clone();
                        best = Some((rank, Routed { ingress: Arc::clone(ingress), backend }));
                    }
                }
            }
        }
        let fallback = || {
            let mut all = self.ingresses_of(controller);
            let ingress = all.find(|ingress| at(ingress, "/spec/defaultBackend").is_object())?;
            Some(Routed { ingress: Arc::clone(ingress), backend: at(ingress, "/spec/defaultBackend").clone() })
        };
        best.map(|(_, routed)| routed).or_else(fallback)
    }
}

/// How well a rule fits: an exact host before a wildcard before none, an exact path before a prefix, the longer path first.
type Rank = (u8, (usize, bool));

fn host_rank(rule: &str, host: &str) -> Option<u8> {
    if rule.is_empty() {
        return Some(0);
    }
    if let Some(domain) = rule.strip_prefix("*.") {
        let fits =
            host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(domain));
        return fits.then_some(1);
    }
    rule.eq_ignore_ascii_case(host).then_some(2)
}

fn path_rank(controller: IngressController, entry: &Value, path: &str) -> Option<(usize, bool)> {
    let wanted = match text(entry, "/path") {
        "" => "/",
        given => given,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let exact = text(entry, "/pathType") == "Exact";
    let fits = match text(entry, "/pathType") {
        "Exact" => path == wanted,
        "Prefix" => by_elements(wanted, path),
        // ingress-nginx makes a location of it, which fits by its letters; Traefik takes it for a prefix.
        _ if controller == IngressController::Nginx => path.starts_with(wanted),
        _ => by_elements(wanted, path),
    };
    fits.then_some((wanted.trim_end_matches('/').len(), exact))
}

/// Whether a path is or is below another, element by element.
fn by_elements(above: &str, path: &str) -> bool {
    let above = above.trim_end_matches('/');
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hosts_and_paths_fit_as_the_api_says() {
        assert_eq!(host_rank("social.example.org", "Social.example.org"), Some(2));
        assert_eq!(host_rank("*.example.org", "social.example.org"), Some(1));
        assert_eq!(host_rank("*.example.org", "a.social.example.org"), None);
        assert_eq!(host_rank("*.example.org", "example.org"), None);
        assert_eq!(host_rank("", "anything"), Some(0));
        let rank = |kind: &str, wanted: &str, path: &str| {
            path_rank(IngressController::Nginx, &json!({"pathType": kind, "path": wanted}), path)
        };
        assert!(rank("Prefix", "/api", "/api/v1?x=/y").is_some());
        assert!(rank("Prefix", "/api", "/apis").is_none());
        assert!(rank("Exact", "/api", "/api/").is_none());
        assert!(rank("ImplementationSpecific", "/api", "/apis").is_some());
        assert!(rank("Exact", "/api", "/api") > rank("Prefix", "/api", "/api"));
        assert!(rank("Prefix", "/api/v1", "/api/v1/x") > rank("Prefix", "/", "/api/v1/x"));
    }
}
