//! What a controller answers, and where it can be reached.

use serde_json::Value;

use super::{IngressController, IngressPort, pages};
use crate::kubernetes::controllers::is_ready;
use crate::kubernetes::store::Key;
use crate::kubernetes::types::{Backend, ServicePort};
use crate::kubernetes::value::{at, list, number, text};
use crate::kubernetes::{HttpAnswer, Kubernetes};

impl Kubernetes {
    /// What a client gets that asks the cluster's ingress controller for `path` of `host` (a name with or without a port),
    /// over TLS or in clear. Without a controller that runs nobody listens, which a caller has to see to; here it is a 503.
    pub fn site(&self, host: &str, path: &str, https: bool) -> HttpAnswer {
        let running = self.store.list("", "pods", None).filter(|(_, pod)| is_ready(pod));
        let controller = running.filter_map(|(_, pod)| IngressController::of_pod(pod)).min();
        match controller {
            Some(controller) => self.site_of(controller, host, path, https),
            None => pages::page(IngressController::Nginx, 503),
        }
    }

    /// The same through one of the controllers.
    pub fn site_of(&self, controller: IngressController, host: &str, path: &str, https: bool) -> HttpAnswer {
        let name = host.split(':').next().unwrap_or_default();
        // Both answer `/healthz` or `/ping` on ports of their own only.
        let Some(routed) = self.routed(controller, name, path) else { return pages::page(controller, 404) };
        if controller == IngressController::Nginx && !https && redirects(&routed.ingress, name) {
            return pages::to_https(name, path);
        }
        let namespace = text(&routed.ingress, "/metadata/namespace");
        let (service, port) = (text(&routed.backend, "/service/name"), at(&routed.backend, "/service/port"));
        match self.backend_of(namespace, service, port) {
            Err(NoBackend::Unknown) if controller == IngressController::Traefik => pages::page(controller, 404),
            Err(_) => pages::page(controller, 503),
            Ok(backend) => {
                self.web_answer(&format!("{}/{}", backend.namespace, backend.pod), backend.port, host, path, https)
            }
        }
    }

    /// The first ready pod behind a port of a Service, named or numbered.
    fn backend_of(&self, namespace: &str, service: &str, port: &Value) -> Result<Backend, NoBackend> {
        let service = self.store.get(&Key::core("services", namespace, service)).ok_or(NoBackend::Unknown)?;
        let wanted = |known: &&Value| {
            let (name, wanted) = (text(port, "/name"), number(port, "/number"));
            if name.is_empty() { number(known, "/port") == wanted } else { text(known, "/name") == name }
        };
        let known = list(service, "/spec/ports").iter().find(wanted).ok_or(NoBackend::Unknown)?;
        let known = number(known, "/port");
        let mut ports = self.ports_of(service).into_iter();
        let found = ports.find(|found| i64::from(found.port) == known);
        found.and_then(|found| found.backends.into_iter().next()).ok_or(NoBackend::NotReady)
    }

    /// The ports of the host on `node` that lead to an ingress controller.
    pub fn ingress_host_ports(&self, node: &str) -> Vec<(u16, IngressPort)> {
        let here = |pod: &Value| text(pod, "/spec/nodeName") == node && is_ready(pod);
        let pods = self.store.list("", "pods", None).map(|(_, pod)| pod).filter(|pod| here(pod));
        let mut found = Vec::new();
        for pod in pods {
            let Some(controller) = IngressController::of_pod(pod) else { continue };
            for port in list(pod, "/spec/containers").iter().flat_map(|container| list(container, "/ports")) {
                let number = |path: &str| u16::try_from(number(port, path)).unwrap_or_default();
                if let Some(serves) = serves(controller, number("/containerPort")).filter(|_| number("/hostPort") > 0) {
                    found.push((number("/hostPort"), serves));
                }
            }
        }
        found
    }

    /// The certificate and key, PEM, of the Secret that the Ingresses of a controller name for a host, or of its default one;
    /// none where the controller shows a certificate of its own making.
    pub fn site_certificate(&self, controller: IngressController, host: &str) -> Option<(String, String)> {
        let named = |ingress: &Value| {
            let mut all = list(ingress, "/spec/tls").iter();
            let found = all
                .find(|tls| list(tls, "/hosts").iter().any(|known| covers(known.as_str().unwrap_or_default(), host)));
            found.map(|tls| (text(ingress, "/metadata/namespace").to_owned(), text(tls, "/secretName").to_owned()))
        };
        let of_ingress = self.ingresses_of(controller).find_map(|ingress| self.pair(&named(ingress)?));
        of_ingress.or_else(|| self.pair(&self.default_certificate(controller)?))
    }

    /// `--default-ssl-certificate` of ingress-nginx, the `TLSStore` `default` of Traefik.
    fn default_certificate(&self, controller: IngressController) -> Option<(String, String)> {
        if controller == IngressController::Traefik {
            let stores = self.store.list("traefik.io", "tlsstores", None).map(|(_, store)| store);
            let store = stores.into_iter().find(|store| text(store, "/metadata/name") == "default")?;
            let secret = text(store, "/spec/defaultCertificate/secretName");
            return Some((text(store, "/metadata/namespace").to_owned(), secret.to_owned()));
        }
        let mut pods = self.store.list("", "pods", None).map(|(_, pod)| pod);
        let pod = pods.find(|pod| IngressController::of_pod(pod) == Some(controller))?;
        let mut arguments = list(pod, "/spec/containers/0/args").iter().filter_map(Value::as_str);
        let given = arguments.find_map(|argument| argument.strip_prefix("--default-ssl-certificate="))?;
        given.split_once('/').map(|(namespace, name)| (namespace.to_owned(), name.to_owned()))
    }

    fn pair(&self, (namespace, name): &(String, String)) -> Option<(String, String)> {
        use base64::Engine as _;
        let secret = self.store.get(&Key::core("secrets", namespace, name))?;
        let read = |path: &str| {
            let bytes = base64::engine::general_purpose::STANDARD.decode(text(secret, path)).ok()?;
            String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
        };
        Some((read("/data/tls.crt")?, read("/data/tls.key")?))
    }
}

impl ServicePort {
    /// What the port leads to where its backends are pods of an ingress controller.
    pub fn ingress(&self) -> Option<IngressPort> {
        let backend = self.backends.first()?;
        serves(IngressController::of_image(&backend.image)?, backend.port)
    }
}

/// Why a request finds no pod.
enum NoBackend {
    /// There is no such Service, or it has no such port.
    Unknown,
    /// No pod behind it is ready.
    NotReady,
}

fn serves(controller: IngressController, port: u16) -> Option<IngressPort> {
    let at = controller.ports().iter().position(|known| *known == port)?;
    Some(IngressPort { controller, https: at == 1 })
}

fn redirects(ingress: &Value, host: &str) -> bool {
    let annotation = |name: &str| text(ingress, &format!("/metadata/annotations/nginx.ingress.kubernetes.io~1{name}"));
    let tls = list(ingress, "/spec/tls").iter().flat_map(|tls| list(tls, "/hosts"));
    let has_certificate = tls.filter_map(Value::as_str).any(|known| covers(known, host));
    annotation("force-ssl-redirect") == "true" || (has_certificate && annotation("ssl-redirect") != "false")
}

/// Whether a name of a certificate, maybe a wildcard, is for a host.
fn covers(name: &str, host: &str) -> bool {
    let below = |domain: &str| host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain));
    name.strip_prefix("*.").map_or_else(|| name.eq_ignore_ascii_case(host), below)
}
