//! Events: written by controllers, gone after five minutes.

use serde_json::{Value, json};

use crate::kubernetes::Kubernetes;
use crate::kubernetes::store::Key;
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
        let key = event_key(about, note);
        let stamp = self.stamp();
        let counted = self.edit(&key, |event| {
            let count = number(event, "/count");
            set(event, "/count", count + 1);
            set(event, "/lastTimestamp", stamp.as_str());
        });
        if counted {
            return;
        }
        let meta = &about["metadata"];
        let event = json!({"metadata": {"name": key.name, "namespace": key.namespace},
            "involvedObject": {"kind": about["kind"], "apiVersion": about["apiVersion"], "name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]},
            "type": note.kind, "reason": note.reason, "message": note.message, "source": {"component": note.component},
            "reportingComponent": note.component, "reportingInstance": "", "count": 1, "firstTimestamp": stamp, "lastTimestamp": stamp, "eventTime": null});
        self.make("", "events", event);
    }

    /// Records an event unless it is there: for what a controller finds again at each look.
    pub(in crate::kubernetes) fn note_once(&mut self, about: &Value, note: &Note<'_>) {
        if self.store.get(&event_key(about, note)).is_none() {
            self.note(about, note);
        }
    }

    /// A new event is there for so long.
    pub(in crate::kubernetes) fn let_expire(&mut self, event: &Key) {
        self.expiring.push_back((self.now + LIFE, event.clone()));
    }

    pub(super) fn run_events(&mut self) {
        while let Some((_, event)) = self.expiring.pop_front_if(|(at, _)| *at <= self.now) {
            self.erase(&event);
        }
        if let Some((next, _)) = self.expiring.front() {
            let next = *next;
            self.wake_at(next);
        }
    }
}

/// Where the event is that says this of that object: the same one again is found there.
fn event_key(about: &Value, note: &Note<'_>) -> Key {
    let namespace = match text(about, "/metadata/namespace") {
        "" => "default",
        namespace => namespace,
    };
    let id = crate::kubernetes::names::digest_hex(&[
        text(about, "/metadata/uid").as_bytes(),
        note.reason.as_bytes(),
        note.message.as_bytes(),
    ]);
    Key::core("events", namespace, &format!("{}.{}", text(about, "/metadata/name"), &id[..16]))
}
