//! Creating objects.

use std::sync::Arc;

use serde_json::Value;

use super::{Answer, Ask, defaults, schema, validate};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::kinds::Kind;
use crate::kubernetes::names;
use crate::kubernetes::patch::track;
use crate::kubernetes::status::{Failure, json_response};
use crate::kubernetes::store::Key;
use crate::kubernetes::value::{remove, set, text};

impl Kubernetes {
    pub(super) fn create(&mut self, ask: &Ask<'_>) -> Answer {
        let mut object = ask.body()?;
        self.complete_name(ask, &mut object)?;
        let manager = self.manager(ask);
        check_namespace(ask, &object)?;
        let key = ask.key(text(&object, "/metadata/name"));
        let created = self.insert(&ask.kind, &key, object, ask.options.dry_run, |new| {
            track(None, new, &manager, &ask.lists());
        })?;
        let shown = self.show(&ask.kind, &created);
        Ok(json_response(201, &self.view(&ask.kind, &ask.options, shown)))
    }

    /// Checks what the object says of itself against the path, and generates its name.
    fn complete_name(&mut self, ask: &Ask<'_>, object: &mut Value) -> Result<(), Failure> {
        check_type(&ask.kind, object)?;
        if text(object, "/metadata/name").is_empty() {
            let prefix = text(object, "/metadata/generateName").to_owned();
            if prefix.is_empty() {
                let why = "Required value: name or generateName is required".to_owned();
                return Err(Failure::invalid(
                    &ask.kind.group,
                    &ask.kind.kind,
                    "",
                    &[("metadata.name".to_owned(), why)],
                ));
            }
            let name = format!("{prefix}{}", names::suffix(&mut self.rng, 5));
            set(object, "/metadata/name", name);
        }
        Ok(())
    }

    /// Admits and stores a new object; `manage` records who owns its fields.
    pub(super) fn insert(
        &mut self,
        kind: &Kind,
        key: &Key,
        mut object: Value,
        dry_run: bool,
        manage: impl FnOnce(&mut Value),
    ) -> Result<Arc<Value>, Failure> {
        self.namespace_open(kind, key)?;
        if self.store.get(key).is_some() {
            return Err(Failure::already_exists(&kind.group, &kind.plural, &key.name));
        }
        set(&mut object, "/apiVersion", kind.api_version());
        set(&mut object, "/kind", kind.kind.as_str());
        set(&mut object, "/metadata/name", key.name.as_str());
        if kind.namespaced {
            set(&mut object, "/metadata/namespace", key.namespace.as_str());
        }
        for field in ["resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields"]
        {
            remove(&mut object, &format!("/metadata/{field}"));
        }
        // A kubelet registers its node together with its status; everything else starts without one.
        if kind.status && kind.plural != "nodes" {
            remove(&mut object, "/status");
        }
        manage(&mut object);
        set(&mut object, "/metadata/uid", names::uuid(&mut self.rng));
        set(&mut object, "/metadata/creationTimestamp", self.clock.stamp(self.now));
        if kind.custom.is_some() || !kind.group.is_empty() || kind.plural == "pods" {
            set(&mut object, "/metadata/generation", 1);
        }
        self.admit(kind, key, None, &mut object)?;
        if dry_run {
            return Ok(Arc::new(object));
        }
        Ok(self.commit(key, object))
    }

    /// Defaults, checks and webhooks, for a new or changed object.
    pub(super) fn admit(
        &mut self,
        kind: &Kind,
        key: &Key,
        old: Option<&Value>,
        object: &mut Value,
    ) -> Result<(), Failure> {
        if let Some(version) = &kind.custom {
            schema::complete(version, object);
            schema::check(kind, version, object)?;
        } else {
            if old.is_none() && kind.plural == "ingresses" {
                self.default_class(object);
            }
            defaults::complete(&kind.plural, old, object);
            self.allocate(kind, key, old, object)?;
        }
        validate::check(kind, old, object)?;
        self.call_webhooks(kind, key, object)
    }

    /// Objects live in namespaces that exist and are not on their way out.
    fn namespace_open(&self, kind: &Kind, key: &Key) -> Result<(), Failure> {
        if !kind.namespaced {
            return Ok(());
        }
        let namespace = self.store.get(&Key::core("namespaces", "", &key.namespace));
        let namespace = namespace.ok_or_else(|| Failure::not_found("", "namespaces", &key.namespace))?;
        if text(namespace, "/metadata/deletionTimestamp").is_empty() {
            return Ok(());
        }
        let why = format!("unable to create new content in namespace {} because it is being terminated", key.namespace);
        Err(Failure::forbidden(&kind.group, &kind.plural, &key.name, &why))
    }
}

/// The object must be of the kind the path is for.
pub(super) fn check_type(kind: &Kind, object: &Value) -> Result<(), Failure> {
    if !object.is_object() {
        return Err(Failure::bad_request("the body of the request is no object"));
    }
    let (api_version, name) = (text(object, "/apiVersion"), text(object, "/kind"));
    let fits = (api_version.is_empty() || api_version == kind.api_version()) && (name.is_empty() || name == kind.kind);
    if fits {
        return Ok(());
    }
    Err(Failure::bad_request(format!(
        "{name} in version \"{api_version}\" cannot be handled as a {}: the API version or kind of the object does not match the request ({}, {})",
        kind.kind,
        kind.kind,
        kind.api_version()
    )))
}

pub(super) fn check_namespace(ask: &Ask<'_>, object: &Value) -> Result<(), Failure> {
    let own = text(object, "/metadata/namespace");
    if own.is_empty() || own == ask.target.namespace {
        return Ok(());
    }
    Err(Failure::bad_request("the namespace of the provided object does not match the namespace sent on the request"))
}
