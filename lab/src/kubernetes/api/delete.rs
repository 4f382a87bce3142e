//! Deleting objects: at once, gracefully, or when their finalizers are gone.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Answer, Ask, not_found};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::kinds::Kind;
use crate::kubernetes::options::Propagation;
use crate::kubernetes::status::{Failure, json_response};
use crate::kubernetes::store::Key;
use crate::kubernetes::value::{at, list, remove, set, text};

/// Namespaces an API server will not delete (k8s.io/apiserver `lifecycle` admission).
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

/// What became of an object that was to be deleted.
pub(in crate::kubernetes) enum Deleted {
    /// It is gone.
    Gone,
    /// It goes once its finalizers, its pod's containers or its namespace's content are gone.
    Leaving(Arc<Value>),
}

impl Kubernetes {
    pub(super) fn delete(&mut self, ask: &Ask<'_>) -> Answer {
        let key = ask.named()?;
        let old = self.store.get(&key).cloned().ok_or_else(|| not_found(&key))?;
        let wish = Wish::of(ask)?;
        wish.check(ask, &key, &old)?;
        if key.resource == "namespaces" && key.group.is_empty() && IMMORTAL.contains(&key.name.as_str()) {
            return Err(Failure::forbidden("", "namespaces", &key.name, "this namespace may not be deleted"));
        }
        let details =
            json!({"name": key.name, "group": key.group, "kind": key.resource, "uid": at(&old, "/metadata/uid")});
        let success =
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
        if wish.dry_run {
            return Ok(json_response(200, &success));
        }
        Ok(match self.discard(&key, wish.propagation, wish.grace) {
            Some(Deleted::Leaving(object)) => {
                let shown = self.show(&ask.kind, &object);
                json_response(200, &self.view(&ask.kind, &ask.options, shown))
            }
            Some(Deleted::Gone) | None => json_response(200, &success),
        })
    }

    pub(super) fn delete_collection(&mut self, ask: &Ask<'_>) -> Answer {
        if ask.kind.group.is_empty() && ask.kind.plural == "namespaces" {
            return Err(Failure::method_not_allowed());
        }
        let wish = Wish::of(ask)?;
        let objects = self.select(&ask.kind, &ask.target.namespace, &ask.options);
        for object in objects.iter().filter(|_| !wish.dry_run) {
            let (group, plural) = super::read::storage(&ask.kind);
            let key = Key::new(group, plural, text(object, "/metadata/namespace"), text(object, "/metadata/name"));
            self.discard(&key, wish.propagation, wish.grace);
        }
        let list = json!({"kind": format!("{}List", ask.kind.kind), "apiVersion": ask.kind.api_version(),
            "metadata": {"resourceVersion": self.store.version().to_string()}, "items": objects});
        Ok(json_response(200, &list))
    }

    /// Deletes an object the way its kind is deleted; none when there is no such object.
    pub(in crate::kubernetes) fn discard(
        &mut self,
        key: &Key,
        propagation: Propagation,
        grace: Option<i64>,
    ) -> Option<Deleted> {
        let old = self.store.get(key).cloned()?;
        match propagation {
            Propagation::Orphan => self.orphan_dependents(text(&old, "/metadata/uid")),
            Propagation::Foreground => self.add_finalizer(key, "foregroundDeletion"),
            Propagation::Background => {}
        }
        let old = self.store.get(key).cloned()?;
        if list(&old, "/metadata/finalizers").is_empty() && grace != Some(0) && Self::may_vanish(key, &old)
            || grace == Some(0) && list(&old, "/metadata/finalizers").is_empty() && !is_namespace(key)
        {
            return self.erase(key).map(|_| Deleted::Gone);
        }
        if !text(&old, "/metadata/deletionTimestamp").is_empty() {
            return Some(Deleted::Leaving(old));
        }
        let mut leaving = Value::clone(&old);
        let seconds = if key.resource == "pods" {
            grace.unwrap_or_else(|| at(&old, "/spec/terminationGracePeriodSeconds").as_i64().unwrap_or(30))
        } else {
            0
        };
        let deadline = self.now + u64::try_from(seconds).unwrap_or_default() * 1000;
        set(&mut leaving, "/metadata/deletionTimestamp", self.clock.stamp(deadline));
        set(&mut leaving, "/metadata/deletionGracePeriodSeconds", seconds);
        if is_namespace(key) {
            set(&mut leaving, "/status/phase", "Terminating");
        }
        Some(Deleted::Leaving(self.commit(key, leaving)))
    }

    /// Whether nothing but finalizers holds the object back: a running pod and a namespace take their time.
    pub(in crate::kubernetes) fn may_vanish(key: &Key, object: &Value) -> bool {
        if is_namespace(key) {
            return false;
        }
        let finished = ["Succeeded", "Failed"].contains(&text(object, "/status/phase"));
        !(key.group.is_empty() && key.resource == "pods") || text(object, "/spec/nodeName").is_empty() || finished
    }

    fn orphan_dependents(&mut self, uid: &str) {
        let owned = |object: &Value| list(object, "/metadata/ownerReferences").iter().any(|owner| owner["uid"] == uid);
        let dependents: Vec<Key> =
            self.store.all().filter(|(_, object)| owned(object)).map(|(key, _)| key.clone()).collect();
        for key in dependents {
            self.edit(&key, |object| {
                let left: Vec<Value> = list(object, "/metadata/ownerReferences")
                    .iter()
                    .filter(|owner| owner["uid"] != uid)
                    .cloned()
                    .collect();
                if left.is_empty() {
                    remove(object, "/metadata/ownerReferences");
                } else {
                    set(object, "/metadata/ownerReferences", left);
                }
            });
        }
    }

    fn add_finalizer(&mut self, key: &Key, finalizer: &str) {
        self.edit(key, |object| {
            let mut finalizers = list(object, "/metadata/finalizers").to_vec();
            if !finalizers.iter().any(|known| known == finalizer) {
                finalizers.push(finalizer.into());
            }
            set(object, "/metadata/finalizers", finalizers);
        });
    }
}

fn is_namespace(key: &Key) -> bool {
    key.group.is_empty() && key.resource == "namespaces"
}

/// How the client wants the deletion done, from the query or from the `DeleteOptions` in the body.
struct Wish {
    propagation: Propagation,
    grace: Option<i64>,
    dry_run: bool,
    uid: String,
    version: String,
}

impl Wish {
    fn of(ask: &Ask<'_>) -> Result<Self, Failure> {
        let body = ask.body()?;
        let orphan = at(&body, "/orphanDependents") == true;
        let stated = Propagation::parse(text(&body, "/propagationPolicy")).or(orphan.then_some(Propagation::Orphan));
        Ok(Self {
            propagation: ask.options.propagation.or(stated).unwrap_or_else(|| usual(&ask.kind)),
            grace: ask.options.grace.or_else(|| at(&body, "/gracePeriodSeconds").as_i64()),
            dry_run: ask.options.dry_run || list(&body, "/dryRun").iter().any(|value| value == "All"),
            uid: text(&body, "/preconditions/uid").to_owned(),
            version: text(&body, "/preconditions/resourceVersion").to_owned(),
        })
    }

    fn check(&self, ask: &Ask<'_>, key: &Key, object: &Value) -> Result<(), Failure> {
        for (wanted, path, word) in
            [(&self.uid, "/metadata/uid", "UID"), (&self.version, "/metadata/resourceVersion", "ResourceVersion")]
        {
            let actual = text(object, path);
            if !wanted.is_empty() && wanted != actual {
                let why =
                    format!("Precondition failed: {word} in precondition: {wanted}, {word} in object meta: {actual}");
                return Err(Failure::conflict(&ask.kind.group, &ask.kind.plural, &key.name, &why));
            }
        }
        Ok(())
    }
}

/// Jobs leave their pods behind unless told otherwise (`batch/v1` keeps the default of its first versions).
fn usual(kind: &Kind) -> Propagation {
    if kind.group == "batch" && kind.plural == "jobs" { Propagation::Orphan } else { Propagation::Background }
}
