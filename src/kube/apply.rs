//! Manifests of any kind, applied: what their kinds are called in paths is asked of the API server.

use std::collections::BTreeMap;
use std::time::Duration;

use kube::Client;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::request;

/// Why manifests could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The text is no YAML, or one of its documents no object.
    #[error("the manifest cannot be read: {0}")]
    Unreadable(String),
    /// The API server does not know a kind. In the server's own words.
    #[error("no matches for kind \"{kind}\" in version \"{version}\"")]
    UnknownKind {
        /// The kind.
        kind: String,
        /// Its group and version.
        version: String,
    },
    /// A definition was not served in time.
    #[error("the definition {0} is not established")]
    NotEstablished(String),
    /// The API server refused an object.
    #[error("{object}: {}", super::error::message(.source))]
    Refused {
        /// Its kind and name.
        object: String,
        /// The server's answer.
        source: kube::Error,
    },
}

/// The objects of a text of YAML documents; empty documents are none.
pub fn documents(text: &str) -> Result<Vec<Value>, ApplyError> {
    let read: Vec<Value> =
        serde_saphyr::from_multiple(text).map_err(|error| ApplyError::Unreadable(error.to_string()))?;
    let objects: Vec<Value> = read.into_iter().filter(|document| !document.is_null()).collect();
    match objects.iter().find(|object| field(object, "kind").is_empty() || field(object, "apiVersion").is_empty()) {
        Some(_) => Err(ApplyError::Unreadable("a document of it has no kind".to_owned())),
        None => Ok(objects),
    }
}

fn field<'a>(object: &'a Value, name: &str) -> &'a str {
    object[name].as_str().unwrap_or_default()
}

fn name(object: &Value) -> &str {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}

/// How a kind is served: its name in paths, and whether its objects are in namespaces.
type Served = BTreeMap<String, (String, bool)>;

/// Applies objects one after the other, and asks for each group of kinds once.
pub struct Applier<'a> {
    client: &'a Client,
    groups: BTreeMap<String, Served>,
}

impl<'a> Applier<'a> {
    /// For this API server.
    pub fn new(client: &'a Client) -> Self {
        Self { client, groups: BTreeMap::new() }
    }

    /// Server-side apply of an object, under the field manager `homeprov`.
    pub async fn apply(&mut self, object: &Value) -> Result<(), ApplyError> {
        let refused =
            |source| ApplyError::Refused { object: format!("{} {}", field(object, "kind"), name(object)), source };
        let path = self.path(object).await?;
        request::apply(self.client, &path, object).await.map(drop).map_err(refused)
    }

    async fn path(&mut self, object: &Value) -> Result<String, ApplyError> {
        let (version, kind) = (field(object, "apiVersion"), field(object, "kind"));
        let root = if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
        if !self.groups.get(version).is_some_and(|served| served.contains_key(kind)) {
            let list: Option<Value> = request::get(self.client, &root)
                .await
                .map_err(|source| ApplyError::Refused { object: version.to_owned(), source })?;
            self.groups.insert(version.to_owned(), served(&list.unwrap_or_default()));
        }
        let found = self.groups.get(version).and_then(|served| served.get(kind));
        let (plural, namespaced) =
            found.ok_or_else(|| ApplyError::UnknownKind { kind: kind.to_owned(), version: version.to_owned() })?;
        let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or("default");
        let name = name(object);
        Ok(match namespaced {
            true => format!("{root}/namespaces/{namespace}/{plural}/{name}"),
            false => format!("{root}/{plural}/{name}"),
        })
    }
}

/// The kinds of an `APIResourceList`; what has a slash in its name is a part of a kind.
fn served(list: &Value) -> Served {
    let resources = list["resources"].as_array().map(Vec::as_slice).unwrap_or_default();
    let kind = |resource: &Value| {
        let plural = resource["name"].as_str().filter(|name| !name.contains('/'))?;
        let namespaced = resource["namespaced"].as_bool().unwrap_or_default();
        Some((resource["kind"].as_str()?.to_owned(), (plural.to_owned(), namespaced)))
    };
    resources.iter().filter_map(kind).collect()
}

/// Waits until definitions are established: only then objects of their kinds are taken.
pub async fn established(client: &Client, names: &[&str], limit: Duration) -> Result<(), ApplyError> {
    let since = Instant::now();
    for name in names {
        let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
        loop {
            let definition: Option<Value> = request::get(client, &path)
                .await
                .map_err(|source| ApplyError::Refused { object: (*name).to_owned(), source })?;
            if definition.is_some_and(|definition| is_established(&definition)) {
                break;
            }
            if since.elapsed() > limit {
                return Err(ApplyError::NotEstablished((*name).to_owned()));
            }
            sleep(Duration::from_millis(500)).await;
        }
    }
    Ok(())
}

fn is_established(definition: &Value) -> bool {
    let conditions = definition.pointer("/status/conditions").and_then(Value::as_array);
    let holds = |condition: &Value| condition["type"] == "Established" && condition["status"] == "True";
    conditions.is_some_and(|conditions| conditions.iter().any(holds))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_documents_as_they_are_written() {
        let text = "# a comment\n---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n  labels: {on: \"yes\", number: \"1\"}\n---\n---\n\
                    apiVersion: apps/v1\nkind: Deployment\nspec:\n  replicas: 1\n  args: [--log-level=info, 0.5, true, null]\n";
        let objects = documents(text).unwrap();
        assert_eq!(objects[0]["metadata"]["labels"], json!({ "on": "yes", "number": "1" }));
        assert_eq!(objects[1]["spec"], json!({ "replicas": 1, "args": ["--log-level=info", 0.5, true, null] }));
        assert_eq!(objects.len(), 2);
        assert!(documents("kind: [").is_err());
        assert!(documents("a: 1").is_err());
    }

    #[test]
    fn knows_a_kind_from_a_part_of_it() {
        let list = json!({ "resources": [
            { "name": "deployments", "kind": "Deployment", "namespaced": true },
            { "name": "deployments/scale", "kind": "Scale", "namespaced": true },
            { "name": "namespaces", "kind": "Namespace", "namespaced": false },
        ] });
        let served = served(&list);
        assert_eq!(served["Deployment"], ("deployments".to_owned(), true));
        assert_eq!(served["Namespace"], ("namespaces".to_owned(), false));
        assert!(!served.contains_key("Scale"));
    }
}
