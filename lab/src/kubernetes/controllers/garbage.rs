//! The garbage collector: objects whose owners are gone, and owners that wait for theirs.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::is_leaving;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::options::Propagation;
use crate::kubernetes::store::Key;
use crate::kubernetes::value::{list, remove, set, text};

const FOREGROUND: &str = "foregroundDeletion";

impl Kubernetes {
    pub(super) fn run_garbage(&mut self) {
        let living: BTreeSet<&str> = self.store.all().map(|(_, object)| text(object, "/metadata/uid")).collect();
        let abandoned = |object: &Value| {
            let owners = list(object, "/metadata/ownerReferences");
            !owners.is_empty() && owners.iter().all(|owner| !living.contains(text(owner, "/uid")))
        };
        let gone: Vec<Key> = self
            .store
            .all()
            .filter(|(_, object)| !is_leaving(object) && abandoned(object))
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            self.discard(&key, Propagation::Background, None);
        }
        let waiting: Vec<(Key, Arc<Value>)> = self
            .store
            .all()
            .filter(|(_, object)| {
                is_leaving(object) && list(object, "/metadata/finalizers").iter().any(|name| name == FOREGROUND)
            })
            .map(|(key, object)| (key.clone(), Arc::clone(object)))
            .collect();
        for (key, owner) in waiting {
            self.collect_first(&key, &owner);
        }
    }

    /// Foreground deletion: the dependents go first, the owner when the last of them is gone.
    fn collect_first(&mut self, key: &Key, owner: &Value) {
        let uid = &owner["metadata"]["uid"];
        let owned =
            |object: &Value| list(object, "/metadata/ownerReferences").iter().any(|reference| reference["uid"] == *uid);
        let dependents: Vec<(Key, bool)> = self
            .store
            .all()
            .filter(|(_, object)| owned(object))
            .map(|(key, object)| (key.clone(), is_leaving(object)))
            .collect();
        for (dependent, leaving) in &dependents {
            if !leaving {
                self.discard(dependent, Propagation::Background, None);
            }
        }
        if self.store.all().any(|(_, object)| owned(object)) {
            return;
        }
        self.edit(key, |object| {
            let left: Vec<Value> =
                list(object, "/metadata/finalizers").iter().filter(|name| *name != FOREGROUND).cloned().collect();
            if left.is_empty() {
                remove(object, "/metadata/finalizers");
            } else {
                set(object, "/metadata/finalizers", left);
            }
        });
        let object = self.store.get(key).cloned();
        if object.is_some_and(|object| list(&object, "/metadata/finalizers").is_empty()) {
            self.erase(key);
        }
    }
}
