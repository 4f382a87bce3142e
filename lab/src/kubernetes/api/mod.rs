//! The API server: paths, verbs, objects in and out.

mod create;
mod defaults;
mod delete;
mod discovery;
mod openapi;
mod patch;
mod read;
mod review;
mod schema;
mod subresource;
mod update;
mod validate;
mod watch;
mod webhook;

use std::sync::Arc;

use serde_json::Value;

use super::Kubernetes;
use super::kinds::Kind;
use super::options::{Options, Target};
use super::patch::{Lists, Manager};
use super::status::Failure;
use super::store::Key;
use super::types::{Millis, Request, Response};

pub(super) use read::metadata_only;
pub(super) use watch::Watches;

type Answer = Result<Response, Failure>;

/// One request on its way: what it is about, and how.
struct Ask<'a> {
    kind: Arc<Kind>,
    target: Target,
    options: Options,
    request: &'a Request,
}

impl Ask<'_> {
    fn key(&self, name: &str) -> Key {
        let (group, plural) = read::storage(&self.kind);
        Key::new(group, plural, &self.target.namespace, name)
    }

    /// The key of the object the path names.
    fn named(&self) -> Result<Key, Failure> {
        self.target.name.as_deref().map(|name| self.key(name)).ok_or_else(Failure::method_not_allowed)
    }

    fn lists(&self) -> Lists {
        lists_of(&self.kind)
    }

    fn body(&self) -> Result<Value, Failure> {
        parse_body(&self.request.body)
    }
}

fn not_found(key: &Key) -> Failure {
    Failure::not_found(&key.group, &key.resource, &key.name)
}

/// JSON, or YAML where a client sends that.
fn parse_body(body: &[u8]) -> Result<Value, Failure> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    if let Ok(value) = serde_json::from_slice(body) {
        return Ok(value);
    }
    let text = std::str::from_utf8(body).map_err(|error| Failure::bad_request(error.to_string()))?;
    let documents = super::kubectl::yaml::documents(text)
        .map_err(|error| Failure::bad_request(format!("error decoding the body of the request: {error}")))?;
    Ok(documents.into_iter().next().unwrap_or_default())
}

pub(super) fn lists_of(kind: &Kind) -> Lists {
    kind.custom.as_ref().map_or(Lists::BuiltIn, |version| Lists::Custom(Arc::clone(version)))
}

impl Kubernetes {
    /// Answers one request.
    pub fn request(&mut self, now: Millis, request: &Request) -> Response {
        self.now = self.now.max(now);
        self.serve(request).unwrap_or_else(Response::from)
    }

    fn serve(&mut self, request: &Request) -> Answer {
        let path = request.path.trim_end_matches('/');
        if let Some(answer) = self.discovery(path, &request.query) {
            return answer;
        }
        if request.content_type.as_deref().is_some_and(|sent| sent.contains("protobuf")) {
            return Err(Failure::unsupported_media_type("application/json, application/yaml"));
        }
        if let Some(answer) = review::review(request) {
            return answer;
        }
        let target = Target::parse(path).ok_or_else(Failure::no_resource)?;
        let kind = self.kinds.find(&target.group, &target.version, &target.plural).cloned();
        let kind = kind.ok_or_else(Failure::no_resource)?;
        if !kind.namespaced && !target.namespace.is_empty()
            || kind.namespaced && target.namespace.is_empty() && target.name.is_some()
        {
            return Err(Failure::no_resource());
        }
        let options = Options::parse(&target.plural, request)?;
        let ask = Ask { kind, target, options, request };
        match (ask.target.subresource.as_deref(), request.method.as_str(), ask.target.name.is_some()) {
            (Some("status"), ..) if !ask.kind.status => Err(Failure::no_resource()),
            (None | Some("status"), "GET", true) if !ask.options.watch => self.get(&ask),
            (None, "GET", _) if ask.options.watch => Ok(self.open_watch(&ask)),
            (None, "GET", false) => Ok(self.list(&ask)),
            (None, "POST", false) => self.create(&ask),
            (None | Some("status"), "PUT", true) => self.update(&ask),
            (None | Some("status"), "PATCH", true) => self.patch(&ask),
            (None, "DELETE", true) => self.delete(&ask),
            (None, "DELETE", false) => self.delete_collection(&ask),
            (Some(_), _, true) => self.subresource(&ask),
            _ => Err(Failure::method_not_allowed()),
        }
    }

    fn manager(&self, ask: &Ask<'_>) -> Manager {
        Manager {
            name: ask.options.manager.clone(),
            api_version: ask.kind.api_version(),
            subresource: ask.target.subresource.clone().unwrap_or_default(),
            time: self.clock.stamp(self.now),
        }
    }
}

/// Fills in the defaults of an object that a controller makes.
pub(super) fn complete(plural: &str, object: &mut Value) {
    defaults::complete(plural, None, object);
}
