//! Events: written by controllers, gone after five minutes.

use serde_json::{Value, json};

use crate::kubernetes::Kubernetes;
use crate::kubernetes::types::Millis;
use crate::kubernetes::value::{number, set, text};

/// The API server's `--event-ttl=5m` (canonical/microk8s `microk8s-resources/default-args/kube-apiserver`).
const LIFE: Millis = 300_000;

/// What a controller has to say about an object.
pub(in crate::kubernetes) struct Note<'a> {
    pub(in crate::kubernetes) kind: &'a str,
    pub(in crate::kubernetes) reason: &'a str,
    pub(in crate::kubernetes) message: &'a str,
    pub(in crate::kubernetes) component: &'a str,
}

impl Kubernetes {
    /// Records an event; the same one again only counts up.
    pub(in crate::kubernetes) fn note(&mut self, about: &Value, note: &Note<'_>) {
        let name = text(about, "/metadata/name");
        let namespace = match text(about, "/metadata/namespace") {
            "" => "default",
            namespace => namespace,
        };
        let stamp = self.stamp();
        let uid = &about["metadata"]["uid"];
        let same = |event: &Value| {
            event["involvedObject"]["uid"] == *uid && event["reason"] == note.reason && event["message"] == note.message
        };
        let known =
            self.store.list("", "events", Some(namespace)).find(|(_, event)| same(event)).map(|(key, _)| key.clone());
        if let Some(key) = known {
            self.edit(&key, |event| {
                let count = number(event, "/count");
                set(event, "/count", count + 1);
                set(event, "/lastTimestamp", stamp);
            });
            return;
        }
        let id = crate::kubernetes::names::digest_hex(&[
            uid.to_string().as_bytes(),
            note.reason.as_bytes(),
            note.message.as_bytes(),
            stamp.as_bytes(),
        ]);
        let event = json!({"metadata": {"name": format!("{name}.{}", &id[..16]), "namespace": namespace},
            "involvedObject": {"kind": about["kind"], "apiVersion": about["apiVersion"], "name": name, "namespace": about["metadata"]["namespace"], "uid": uid},
            "type": note.kind, "reason": note.reason, "message": note.message, "source": {"component": note.component},
            "reportingComponent": note.component, "reportingInstance": "", "count": 1, "firstTimestamp": stamp, "lastTimestamp": stamp, "eventTime": null});
        self.make("", "events", event);
    }

    /// Records an event unless it is there: for what a controller finds again at each look.
    pub(in crate::kubernetes) fn note_once(&mut self, about: &Value, note: &Note<'_>) {
        let uid = &about["metadata"]["uid"];
        let namespace = text(about, "/metadata/namespace");
        let known = self.store.list("", "events", Some(namespace)).any(|(_, event)| {
            event["involvedObject"]["uid"] == *uid && event["reason"] == note.reason && event["message"] == note.message
        });
        if !known {
            self.note(about, note);
        }
    }

    pub(super) fn run_events(&mut self) {
        for (key, event) in self.all_of("", "events") {
            if self.due(text(&event, "/metadata/uid"), "expiry", LIFE) {
                self.erase(&key);
            }
        }
    }
}
