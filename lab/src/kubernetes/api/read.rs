//! Getting and listing, and the shapes objects are shown in.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Answer, Ask, not_found};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::kinds::Kind;
use crate::kubernetes::options::{Options, View};
use crate::kubernetes::status::json_response;
use crate::kubernetes::types::Response;
use crate::kubernetes::value::{remove, set, text};

impl Kubernetes {
    pub(super) fn get(&self, ask: &Ask<'_>) -> Answer {
        let key = ask.named()?;
        let object = self.store.get(&key).ok_or_else(|| not_found(&key))?;
        let shown = self.show(&ask.kind, object);
        Ok(json_response(200, &self.view(&ask.kind, &ask.options, shown)))
    }

    pub(super) fn list(&self, ask: &Ask<'_>) -> Response {
        let objects = self.select(&ask.kind, &ask.target.namespace, &ask.options);
        let version = self.store.version().to_string();
        let api_version = ask.kind.api_version();
        let list = match ask.options.view {
            View::Table => {
                let mut table = self.table(&ask.kind, &objects, &ask.options.include);
                set(&mut table, "/metadata/resourceVersion", version);
                table
            }
            View::Metadata => json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
                "metadata": {"resourceVersion": version}, "items": objects.iter().map(metadata_only).collect::<Vec<_>>()}),
            View::Object => {
                let mut objects = objects;
                if ask.kind.custom.is_none() {
                    // The items of a typed list carry no type of their own.
                    for object in &mut objects {
                        remove(object, "/apiVersion");
                        remove(object, "/kind");
                    }
                }
                json!({"kind": format!("{}List", ask.kind.kind), "apiVersion": api_version,
                    "metadata": {"resourceVersion": version}, "items": objects})
            }
        };
        json_response(200, &list)
    }

    /// The objects of a kind that fit the selectors, as shown.
    pub(in crate::kubernetes) fn select(&self, kind: &Kind, namespace: &str, options: &Options) -> Vec<Value> {
        let namespace = (!namespace.is_empty()).then_some(namespace);
        let (group, plural) = storage(kind);
        self.store
            .list(group, plural, namespace)
            .filter(|(_, object)| options.labels.accept(object) && options.fields.accept(object))
            .map(|(_, object)| self.show(kind, object))
            .collect()
    }

    /// An object as the API shows it in one of its versions.
    pub(in crate::kubernetes) fn show(&self, kind: &Kind, object: &Arc<Value>) -> Value {
        let mut shown = Value::clone(object);
        set(&mut shown, "/apiVersion", kind.api_version());
        set(&mut shown, "/kind", kind.kind.as_str());
        if kind.plural == "leases" && text(&shown, "/metadata/namespace") == "kube-node-lease" {
            // Kubelets renew their leases every ten seconds; nobody keeps a version for each of those.
            if let Some(renewed) = self.last_heartbeat(text(&shown, "/metadata/name")) {
                set(&mut shown, "/spec/renewTime", self.clock.micro(renewed));
            }
        }
        shown
    }

    /// One object in the shape the client asked for.
    pub(super) fn view(&self, kind: &Kind, options: &Options, object: Value) -> Value {
        match options.view {
            View::Object => object,
            View::Metadata => metadata_only(&object),
            View::Table => {
                let version = text(&object, "/metadata/resourceVersion").to_owned();
                let mut table = self.table(kind, &[object], &options.include);
                set(&mut table, "/metadata/resourceVersion", version);
                table
            }
        }
    }
}

/// Where the objects of a kind are stored: both groups of events show the same objects.
pub(in crate::kubernetes) fn storage(kind: &Kind) -> (&str, &str) {
    let group = if kind.group == "events.k8s.io" { "" } else { &kind.group };
    (group, &kind.plural)
}

pub(in crate::kubernetes) fn metadata_only(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}
