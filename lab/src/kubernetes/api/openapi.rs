//! As much of the schema documents as `kubectl` needs: which patches exist and what they take.
//!
//! `kubectl` 1.20 wants version 2 as a protocol buffer and skips its validation for kinds the document does not
//! describe; an empty buffer describes none. Newer ones ask version 3 whether the server validates fields itself.

use serde_json::{Map, Value, json};

use super::Answer;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::kinds::Kind;
use crate::kubernetes::status::{Failure, json_response};
use crate::kubernetes::types::Response;

impl Kubernetes {
    pub(super) fn openapi(&self, rest: &[&str]) -> Answer {
        match rest {
            ["v2"] => Ok(Response {
                status: 200,
                content_type: "application/com.github.proto-openapi.spec.v2.v1.0+protobuf".to_owned(),
                body: Vec::new(),
                watch: None,
            }),
            ["v3"] => Ok(json_response(200, &self.index())),
            ["v3", "api", version] => self.document("", version),
            ["v3", "apis", group, version] => self.document(group, version),
            _ => Err(Failure::no_resource()),
        }
    }

    fn index(&self) -> Value {
        let mut paths = Map::new();
        for (group, versions) in self.kinds.groups() {
            for version in versions {
                let path = if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
                paths.insert(path.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{path}")}));
            }
        }
        json!({"paths": paths})
    }

    fn document(&self, group: &str, version: &str) -> Answer {
        let kinds = self.kinds.all().iter().filter(|kind| kind.group == group && kind.version == version);
        let paths: Map<String, Value> = kinds.map(|kind| (path_of(kind), operations(kind))).collect();
        if paths.is_empty() {
            return Err(Failure::no_resource());
        }
        let info = json!({"title": "Kubernetes", "version": self.version});
        Ok(json_response(
            200,
            &json!({"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}}),
        ))
    }
}

fn path_of(kind: &Kind) -> String {
    let root = if kind.group.is_empty() { "/api" } else { "/apis" };
    let scope = if kind.namespaced { "/namespaces/{namespace}" } else { "" };
    format!("{root}/{}{scope}/{}/{{name}}", kind.api_version(), kind.plural)
}

fn operations(kind: &Kind) -> Value {
    let parameter =
        |name: &str, what: &str| json!({"name": name, "in": "query", "schema": {"type": what, "uniqueItems": true}});
    let operation = |action: &str| {
        json!({"x-kubernetes-action": action, "responses": {},
            "x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
            "parameters": [parameter("dryRun", "string"), parameter("fieldManager", "string"),
                parameter("fieldValidation", "string"), parameter("force", "boolean")]})
    };
    json!({"put": operation("put"), "patch": operation("patch")})
}
