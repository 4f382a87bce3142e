//! The addon `ingress`: what it installs, and what its controller answers.
//!
//! Up to `MicroK8s` 1.35 it is ingress-nginx, from 1.36 on Traefik (canonical/microk8s-core-addons commit ce8e8d1). Whatever
//! pod runs an image of the one or the other is taken for such a controller, so that one's own installation works too.

mod classes;
pub(super) mod definitions;
pub(super) mod nginx;
mod pages;
mod routing;
mod serving;
mod status;
pub(super) mod traefik;

use serde_json::Value;

use super::Kubernetes;
use super::types::Millis;
use super::value::{list, text};

/// The addon's namespace.
const NAMESPACE: &str = "ingress";
const INGRESS_NGINX: &str = "registry.k8s.io/ingress-nginx/controller";
const TRAEFIK: &str = "docker.io/traefik";

/// What answers requests for Ingresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IngressController {
    /// ingress-nginx.
    Nginx,
    /// Traefik.
    Traefik,
}

impl IngressController {
    /// The controller in an image.
    fn of_image(image: &str) -> Option<Self> {
        let name = image.split(['@', ':']).next().unwrap_or_default();
        if name.ends_with("ingress-nginx/controller") {
            return Some(Self::Nginx);
        }
        (name == "traefik" || name.ends_with("/traefik")).then_some(Self::Traefik)
    }

    /// The controller a pod runs.
    fn of_pod(pod: &Value) -> Option<Self> {
        list(pod, "/spec/containers").iter().find_map(|container| Self::of_image(text(container, "/image")))
    }

    /// The `spec.controller` of the classes it serves.
    fn class_controller(self) -> &'static str {
        match self {
            Self::Nginx => nginx::CLASS_CONTROLLER,
            Self::Traefik => traefik::CLASS_CONTROLLER,
        }
    }

    /// The ports of its container for requests in clear and over TLS.
    fn ports(self) -> [u16; 2] {
        match self {
            Self::Nginx => [80, 443],
            Self::Traefik => [8000, 8443],
        }
    }
}

/// What a port leads to where it leads to an ingress controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IngressPort {
    /// Who answers.
    pub controller: IngressController,
    /// Whether it speaks TLS.
    pub https: bool,
}

impl Kubernetes {
    /// Applies the manifest of ingress-nginx, with a default certificate (`NAMESPACE/SECRET`) if one is given; the lines
    /// `kubectl apply` prints.
    pub fn install_ingress_nginx(&mut self, now: Millis, certificate: Option<&str>) -> String {
        self.apply_all(now, &nginx::manifest(certificate))
    }

    /// Applies the definitions of the Gateway API; the lines `kubectl apply` prints.
    pub fn install_gateway_api(&mut self, now: Millis) -> String {
        self.apply_all(now, &definitions::gateway())
    }

    /// Applies Traefik's definitions on the server; the lines `kubectl apply --server-side` prints.
    pub fn install_traefik_definitions(&mut self, now: Millis) -> String {
        let plain = self.apply_all(now, &definitions::traefik());
        let applied = |line: &str| {
            let shown = line.rsplit_once(' ').map_or(line, |(shown, _)| shown);
            format!("{shown} serverside-applied\n")
        };
        plain.lines().map(applied).collect()
    }

    /// Deletes the objects of ingress-nginx as `kubectl delete -f` does; the lines it prints.
    pub fn remove_ingress_nginx(&mut self, now: Millis) -> String {
        let mut said = String::new();
        for object in nginx::manifest(None) {
            if self.released(now, &object).is_some() {
                self.release_delete(now, &object);
                said += &gone(&object);
            }
        }
        said
    }

    /// Deletes the definitions that came with Traefik.
    pub fn remove_traefik_definitions(&mut self, now: Millis) {
        for object in definitions::gateway().iter().chain(&definitions::traefik()) {
            self.release_delete(now, object);
        }
    }
}

/// The line `kubectl delete` prints of an object.
fn gone(object: &Value) -> String {
    let group = text(object, "/apiVersion").rsplit_once('/').map_or("", |(group, _)| group);
    let kind = super::status::qualified(group, &text(object, "/kind").to_lowercase());
    let place = match text(object, "/metadata/namespace") {
        "" => String::new(),
        namespace => format!(" from {namespace} namespace"),
    };
    format!("{kind} \"{}\" deleted{place}\n", text(object, "/metadata/name"))
}

#[cfg(test)]
mod tests {
    use super::IngressController;

    #[test]
    fn images_tell_their_controller() {
        for (image, wanted) in [
            ("registry.k8s.io/ingress-nginx/controller:v1.14.0@sha256:00", Some(IngressController::Nginx)),
            ("docker.io/traefik:v3.6.13", Some(IngressController::Traefik)),
            ("traefik", Some(IngressController::Traefik)),
            ("docker.io/traefik/whoami:v1", None),
            ("nginx:1.27", None),
        ] {
            assert_eq!(IngressController::of_image(image), wanted, "{image}");
        }
    }
}
