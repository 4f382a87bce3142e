//! The default class: the API server writes it into a new Ingress that names none (the `DefaultIngressClass` admission).

use serde_json::Value;

use crate::kubernetes::Kubernetes;
use crate::kubernetes::value::{set, text};

const DEFAULT: &str = "/metadata/annotations/ingressclass.kubernetes.io~1is-default-class";

impl Kubernetes {
    pub(in crate::kubernetes) fn default_class(&self, ingress: &mut Value) {
        let named = !text(ingress, "/spec/ingressClassName").is_empty();
        if named || !text(ingress, "/metadata/annotations/kubernetes.io~1ingress.class").is_empty() {
            return;
        }
        let mut classes: Vec<&Value> =
            self.store.list("networking.k8s.io", "ingressclasses", None).map(|(_, class)| &**class).collect();
        classes.retain(|class| text(class, DEFAULT) == "true");
        // Of several the newest counts, and of those of one moment the first by name.
        classes.sort_by(|one, other| {
            let born = |class: &Value| text(class, "/metadata/creationTimestamp").to_owned();
            born(other).cmp(&born(one)).then_with(|| text(one, "/metadata/name").cmp(text(other, "/metadata/name")))
        });
        if let Some(class) = classes.first() {
            let name = text(class, "/metadata/name").to_owned();
            set(ingress, "/spec/ingressClassName", name);
        }
    }
}
