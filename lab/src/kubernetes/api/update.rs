//! Replacing objects and their status.

use std::sync::Arc;

use serde_json::Value;

use super::create::{check_namespace, check_type};
use super::{Answer, Ask, not_found};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::kinds::Kind;
use crate::kubernetes::patch::{differs, track};
use crate::kubernetes::status::{Failure, json_response};
use crate::kubernetes::store::Key;
use crate::kubernetes::value::{at, list, number, remove, set, text};

impl Kubernetes {
    pub(super) fn update(&mut self, ask: &Ask<'_>) -> Answer {
        let key = ask.named()?;
        let new = ask.body()?;
        check_type(&ask.kind, &new)?;
        check_namespace(ask, &new)?;
        let old = self.store.get(&key).cloned().ok_or_else(|| not_found(&key))?;
        let (name, named) = (text(&new, "/metadata/name"), &key.name);
        if name != named {
            return Err(Failure::bad_request(format!(
                "the name of the object ({name}) does not match the name on the URL ({named})"
            )));
        }
        if ask.kind.custom.is_some() && text(&new, "/metadata/resourceVersion").is_empty() {
            let why = "Invalid value: 0: must be specified for an update".to_owned();
            let causes = [("metadata.resourceVersion".to_owned(), why)];
            return Err(Failure::invalid(&ask.kind.group, &ask.kind.plural, named, &causes));
        }
        let manager = self.manager(ask);
        let lists = ask.lists();
        let written = self.replace(ask, &key, &old, new, |new| track(Some(&old), new, &manager, &lists))?;
        let shown = self.show(&ask.kind, &written);
        Ok(json_response(200, &self.view(&ask.kind, &ask.options, shown)))
    }

    /// Puts `new` in the place of `old` after all checks; `manage` records who owns its fields.
    pub(super) fn replace(
        &mut self,
        ask: &Ask<'_>,
        key: &Key,
        old: &Arc<Value>,
        mut new: Value,
        manage: impl FnOnce(&mut Value),
    ) -> Result<Arc<Value>, Failure> {
        let kind = &ask.kind;
        let version = text(&new, "/metadata/resourceVersion");
        if !version.is_empty() && version != text(old, "/metadata/resourceVersion") {
            let why = "the object has been modified; please apply your changes to the latest version and try again";
            return Err(Failure::conflict(&kind.group, &kind.plural, &key.name, why));
        }
        let (uid, own) = (text(&new, "/metadata/uid"), text(old, "/metadata/uid"));
        if !uid.is_empty() && uid != own {
            let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {own}");
            return Err(Failure::conflict(&kind.group, &kind.plural, &key.name, &why));
        }
        confine(kind, old, &mut new, ask.target.subresource.as_deref());
        manage(&mut new);
        self.admit(kind, key, Some(old), &mut new)?;
        if changes_spec(old, &new) && number(old, "/metadata/generation") > 0 {
            set(&mut new, "/metadata/generation", number(old, "/metadata/generation") + 1);
        }
        if !differs(old, &new) {
            return Ok(Arc::clone(old));
        }
        if ask.options.dry_run {
            return Ok(Arc::new(new));
        }
        let leaving = !text(&new, "/metadata/deletionTimestamp").is_empty();
        let written = self.commit(key, new);
        if leaving && list(&written, "/metadata/finalizers").is_empty() && Self::may_vanish(key, &written) {
            return Ok(self.erase(key).unwrap_or(written));
        }
        Ok(written)
    }
}

/// Takes from `old` what this write must not touch.
fn confine(kind: &Kind, old: &Value, new: &mut Value, subresource: Option<&str>) {
    if subresource == Some("status") {
        let status = at(new, "/status").clone();
        let managed = at(new, "/metadata/managedFields").clone();
        *new = old.clone();
        set(new, "/status", status);
        if !managed.is_null() {
            set(new, "/metadata/managedFields", managed);
        }
    } else if kind.status {
        keep(old, new, "/status");
    }
    for field in [
        "uid",
        "creationTimestamp",
        "generation",
        "resourceVersion",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "namespace",
        "selfLink",
    ] {
        keep(old, new, &format!("/metadata/{field}"));
    }
    for field in ["/apiVersion", "/kind"] {
        keep(old, new, field);
    }
    if kind.custom.is_some() {
        set(new, "/apiVersion", kind.api_version());
    }
}

fn keep(old: &Value, new: &mut Value, path: &str) {
    match old.pointer(path) {
        Some(value) => set(new, path, value.clone()),
        None => drop(remove(new, path)),
    }
}

/// Whether anything but metadata and status differs: that is a new generation.
fn changes_spec(old: &Value, new: &Value) -> bool {
    let bare = |object: &Value| {
        let mut object = object.clone();
        for field in ["/metadata", "/status", "/apiVersion"] {
            remove(&mut object, field);
        }
        object
    };
    bare(old) != bare(new)
}
