//! What helm does to objects: create, change by a three-way merge, delete; by its own requests, without `kubectl`'s
//! annotation (helm.sh/helm `pkg/kube/client.go`).

use serde_json::Value;

use crate::kubernetes::Kubernetes;
use crate::kubernetes::kubectl::{collection, object_path, three_way};
use crate::kubernetes::types::{Millis, Request, Response};
use crate::kubernetes::value::text;

/// What became of one object.
pub type Applied = Result<(), String>;

impl Kubernetes {
    /// Where an object is: the path of its collection and its own.
    fn release_paths(&self, object: &Value) -> Result<(String, String), String> {
        let (version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
        let (name, namespace) = (text(object, "/metadata/name"), text(object, "/metadata/namespace"));
        let known = self.kinds.of(version, kind).ok_or_else(|| {
            format!(
                "resource mapping not found for name: \"{name}\" namespace: \"{namespace}\" from \"\": no matches for kind \"{kind}\" in version \"{version}\"\nensure CRDs are installed first"
            )
        })?;
        Ok((collection(known, Some(namespace)), object_path(known, namespace, name)))
    }

    fn helm_asks(&mut self, now: Millis, method: &str, path: &str, body: Option<&Value>) -> Response {
        let mut request = Request::new(method, path);
        if let Some(body) = body {
            request = request.with_body("application/json", body);
        }
        request.user_agent = Some("helm/v3.20.2".to_owned());
        self.request(now, &request)
    }

    /// The object as it is in the cluster, if it is.
    pub fn released(&mut self, now: Millis, object: &Value) -> Option<Value> {
        let (_, path) = self.release_paths(object).ok()?;
        let response = self.helm_asks(now, "GET", &path, None);
        (response.status == 200).then(|| response.json())
    }

    /// Whether the kinds of all these objects are served.
    ///
    /// # Errors
    /// What helm says of the first that is not.
    pub fn release_builds(&self, objects: &[Value]) -> Applied {
        objects.iter().try_for_each(|object| self.release_paths(object).map(drop))
    }

    /// Creates an object.
    ///
    /// # Errors
    /// What the API server says against it.
    pub fn release_create(&mut self, now: Millis, object: &Value) -> Applied {
        let (collection, _) = self.release_paths(object)?;
        said(&self.helm_asks(now, "POST", &collection, Some(object)))
    }

    /// Changes an object from what a release said before to what it says now; what others changed stays where the release
    /// says nothing.
    ///
    /// # Errors
    /// What the API server says against it.
    pub fn release_update(&mut self, now: Millis, last: &Value, new: &Value) -> Applied {
        let (_, path) = self.release_paths(new)?;
        let Some(live) = self.released(now, new) else { return self.release_create(now, new) };
        let Some(kind) = self.kinds.of(text(new, "/apiVersion"), text(new, "/kind")).cloned() else { return Ok(()) };
        let merged = three_way(&kind, &live, last, new);
        if merged == live {
            return Ok(());
        }
        said(&self.helm_asks(now, "PUT", &path, Some(&merged)))
    }

    /// Deletes an object; one that is gone already is fine.
    pub fn release_delete(&mut self, now: Millis, object: &Value) {
        if let Ok((_, path)) = self.release_paths(object) {
            self.helm_asks(now, "DELETE", &path, None);
        }
    }
}

fn said(response: &Response) -> Applied {
    if response.status < 300 {
        return Ok(());
    }
    Err(response.json()["message"].as_str().unwrap_or("the server could not answer").to_owned())
}
