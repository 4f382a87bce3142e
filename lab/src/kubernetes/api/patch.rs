//! The four kinds of patch.

use std::sync::Arc;

use serde_json::Value;

use super::create::{check_namespace, check_type};
use super::schema::undeclared;
use super::{Answer, Ask, not_found, parse_body};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::kinds::Kind;
use crate::kubernetes::patch::{apply, strategic, track};
use crate::kubernetes::status::{Failure, json_response};
use crate::kubernetes::store::Key;
use crate::kubernetes::value::{at, remove, set, text};

const JSON: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

impl Kubernetes {
    pub(super) fn patch(&mut self, ask: &Ask<'_>) -> Answer {
        let key = ask.named()?;
        let sent = ask.request.content_type.as_deref().unwrap_or_default();
        let essence = sent.split(';').next().unwrap_or_default().trim();
        if essence == APPLY {
            return self.apply(ask, &key);
        }
        let old = self.store.get(&key).cloned().ok_or_else(|| not_found(&key))?;
        let patch = parse_body(&ask.request.body)?;
        let mut new = self.show(&ask.kind, &old);
        match essence {
            JSON => json_patch(&mut new, patch)?,
            MERGE => json_patch::merge(&mut new, &patch),
            STRATEGIC if ask.kind.custom.is_none() => strategic(&mut new, &patch),
            _ => {
                let accepted = match ask.kind.custom {
                    None => [JSON, MERGE, STRATEGIC, APPLY].join(", "),
                    Some(_) => [JSON, MERGE, APPLY].join(", "),
                };
                return Err(Failure::unsupported_media_type(&accepted));
            }
        }
        check_type(&ask.kind, &new)?;
        let manager = self.manager(ask);
        let lists = ask.lists();
        let written = self.replace(ask, &key, &old, new, |new| track(Some(&old), new, &manager, &lists))?;
        let shown = self.show(&ask.kind, &written);
        Ok(json_response(200, &self.view(&ask.kind, &ask.options, shown)))
    }

    /// Server-side apply: creates what is not there.
    fn apply(&mut self, ask: &Ask<'_>, key: &Key) -> Answer {
        let mut config = ask.body()?;
        if text(&config, "/apiVersion").is_empty() || text(&config, "/kind").is_empty() {
            return Err(Failure::bad_request("invalid object type: /, Kind="));
        }
        check_type(&ask.kind, &config)?;
        check_namespace(ask, &config)?;
        let name = text(&config, "/metadata/name").to_owned();
        if !name.is_empty() && name != key.name {
            return Err(Failure::bad_request(format!(
                "the name of the object ({name}) does not match the name on the URL ({})",
                key.name
            )));
        }
        if !at(&config, "/metadata/managedFields").is_null() {
            return Err(Failure::bad_request("metadata.managedFields must be nil"));
        }
        set(&mut config, "/metadata/name", key.name.as_str());
        declared(&ask.kind, &config)?;
        let wanted_version = remove(&mut config, "/metadata/resourceVersion");
        let manager = self.manager(ask);
        let lists = ask.lists();
        let force = ask.options.force;
        let Some(old) = self.store.get(key).cloned() else {
            if ask.target.subresource.is_some() {
                return Err(not_found(key));
            }
            let created = self.insert(&ask.kind, key, config, ask.options.dry_run, |new| {
                // Nobody owns anything of an object that is not there, so nothing can conflict.
                if let Ok(applied) = apply(None, new, &manager, force, &lists) {
                    *new = applied;
                }
            })?;
            let shown = self.show(&ask.kind, &created);
            return Ok(json_response(201, &self.view(&ask.kind, &ask.options, shown)));
        };
        if ask.target.subresource.is_none() && ask.kind.status {
            remove(&mut config, "/status");
        }
        let shown = Arc::new(self.show(&ask.kind, &old));
        let mut new = apply(Some(&shown), &config, &manager, force, &lists)?;
        if let Some(version) = wanted_version {
            set(&mut new, "/metadata/resourceVersion", version);
        }
        let written = self.replace(ask, key, &old, new, |_| {})?;
        let shown = self.show(&ask.kind, &written);
        Ok(json_response(200, &self.view(&ask.kind, &ask.options, shown)))
    }
}

/// Server-side apply knows the fields it merges from the schema: others it refuses (k8s.io/apimachinery
/// `pkg/util/managedfields/internal/structuredmerge.go`).
fn declared(kind: &Kind, config: &Value) -> Result<(), Failure> {
    let Some(version) = &kind.custom else { return Ok(()) };
    let unknown = undeclared(version, config);
    if unknown.is_empty() {
        return Ok(());
    }
    let which =
        if let [one] = unknown.as_slice() { one.clone() } else { format!("errors:\n  {}", unknown.join("\n  ")) };
    let object = format!(
        "{}/{}; {}, Kind={}",
        text(config, "/metadata/namespace"),
        text(config, "/metadata/name"),
        kind.api_version(),
        kind.kind
    );
    let mut failure = Failure::new(500, "", format!("failed to create typed patch object ({object}): {which}"));
    failure.details = serde_json::json!({});
    Err(failure)
}

fn json_patch(object: &mut Value, patch: Value) -> Result<(), Failure> {
    let patch: json_patch::Patch = serde_json::from_value(patch)
        .map_err(|error| Failure::bad_request(format!("error decoding patch: {error}")))?;
    json_patch::patch(object, &patch).map_err(|error| {
        Failure::new(422, "Invalid", format!("the server rejected our request due to an error in our request: {error}"))
    })
}
