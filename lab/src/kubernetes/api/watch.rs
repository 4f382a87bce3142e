//! Watches: what changed after a version, for one client at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Ask;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::kinds::Kind;
use crate::kubernetes::options::Options;
use crate::kubernetes::status::Failure;
use crate::kubernetes::store::{Act, Change};
use crate::kubernetes::types::{Millis, Response, WatchId};

/// How often a quiet watch that allows it is told the current version.
const BOOKMARK_EVERY: Millis = 60_000;

/// The open watches.
#[derive(Debug, Default)]
pub(in crate::kubernetes) struct Watches {
    next: u64,
    open: BTreeMap<WatchId, Watch>,
}

#[derive(Debug)]
struct Watch {
    kind: Arc<Kind>,
    namespace: String,
    name: Option<String>,
    options: Options,
    /// Everything up to this version has been told.
    seen: u64,
    /// Said at the next poll, before anything else.
    pending: Vec<u8>,
    ends: Option<Millis>,
    bookmarked: Millis,
}

impl Watch {
    fn concerns(&self, change: &Change) -> bool {
        let (group, plural) = super::read::storage(&self.kind);
        change.key.group == group
            && change.key.resource == plural
            && (self.namespace.is_empty() || change.key.namespace == self.namespace)
            && self.name.as_ref().is_none_or(|name| change.key.name == *name)
    }

    fn accepts(&self, object: &Value) -> bool {
        self.options.labels.accept(object) && self.options.fields.accept(object)
    }

    /// What the change is to this watcher: an object that leaves its selection is deleted for it.
    fn act(&self, change: &Change) -> Option<Act> {
        let after = self.accepts(&change.object);
        let before = change.previous.as_ref().is_some_and(|previous| self.accepts(previous));
        match change.act {
            Act::Deleted | Act::Added => after.then_some(change.act),
            Act::Modified => match (before, after) {
                (true, true) => Some(Act::Modified),
                (false, true) => Some(Act::Added),
                (true, false) => Some(Act::Deleted),
                (false, false) => None,
            },
        }
    }
}

fn line(kind: &str, object: &Value) -> Vec<u8> {
    let mut line = json!({"type": kind, "object": object}).to_string().into_bytes();
    line.push(b'\n');
    line
}

impl Kubernetes {
    pub(super) fn open_watch(&mut self, ask: &Ask<'_>) -> Response {
        let current = self.store.version();
        let mut watch = Watch {
            kind: Arc::clone(&ask.kind),
            namespace: ask.target.namespace.clone(),
            name: ask.target.name.clone(),
            options: ask.options.clone(),
            seen: current,
            pending: Vec::new(),
            ends: ask.options.timeout_seconds.map(|seconds| self.now + seconds * 1000),
            bookmarked: self.now,
        };
        let asked = ask.options.resource_version.unwrap_or_default();
        if asked == 0 || ask.options.initial_events {
            for object in self.select(&ask.kind, &ask.target.namespace, &ask.options) {
                if watch.name.as_ref().is_none_or(|name| object["metadata"]["name"] == name.as_str()) {
                    watch.pending.extend(line("ADDED", &self.view(&ask.kind, &ask.options, object)));
                }
            }
            if ask.options.initial_events && ask.options.bookmarks {
                let annotations = json!({"k8s.io/initial-events-end": "true"});
                watch.pending.extend(line("BOOKMARK", &bookmark(&ask.kind, current, &annotations)));
            }
        } else {
            watch.seen = asked;
        }
        self.watches.next += 1;
        let id = WatchId(self.watches.next);
        self.watches.open.insert(id, watch);
        Response { status: 200, content_type: "application/json".to_owned(), body: Vec::new(), watch: Some(id) }
    }

    /// Newline-separated watch events since the last call; empty when there is nothing new.
    pub fn watch(&mut self, now: Millis, id: WatchId) -> Vec<u8> {
        self.now = self.now.max(now);
        let Some(mut watch) = self.watches.open.remove(&id) else { return Vec::new() };
        let mut out = std::mem::take(&mut watch.pending);
        let current = self.store.version();
        // A version of the future is one of another data store.
        let changes = if watch.seen > current { Err(current) } else { self.store.since(watch.seen) };
        match changes {
            Err(oldest) => {
                out.extend(line("ERROR", &Failure::expired(watch.seen, oldest).object()));
                return out;
            }
            Ok(changes) => {
                for change in changes.filter(|change| watch.concerns(change)) {
                    let word = match watch.act(change) {
                        None => continue,
                        Some(Act::Added) => "ADDED",
                        Some(Act::Modified) => "MODIFIED",
                        Some(Act::Deleted) => "DELETED",
                    };
                    let shown = self.show(&watch.kind, &change.object);
                    out.extend(line(word, &self.view(&watch.kind, &watch.options, shown)));
                }
            }
        }
        watch.seen = current;
        if watch.options.bookmarks && self.now >= watch.bookmarked + BOOKMARK_EVERY {
            watch.bookmarked = self.now;
            out.extend(line("BOOKMARK", &bookmark(&watch.kind, current, &Value::Null)));
        }
        if watch.ends.is_none_or(|ends| self.now < ends) {
            self.watches.open.insert(id, watch);
        }
        out
    }

    /// Whether the watch is still open; a closed one has nothing more to say.
    pub fn watching(&self, id: WatchId) -> bool {
        self.watches.open.contains_key(&id)
    }

    /// Forgets a watch whose client has gone.
    pub fn close_watch(&mut self, id: WatchId) {
        self.watches.open.remove(&id);
    }
}

fn bookmark(kind: &Kind, version: u64, annotations: &Value) -> Value {
    let mut bookmark = json!({"kind": kind.kind, "apiVersion": kind.api_version(),
        "metadata": {"resourceVersion": version.to_string(), "creationTimestamp": null}});
    if annotations.is_object() {
        bookmark["metadata"]["annotations"] = annotations.clone();
    }
    bookmark
}
