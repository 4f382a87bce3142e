//! The `Status` objects an API server answers errors with.
//!
//! Reasons, codes and texts are the ones of k8s.io/apimachinery `pkg/api/errors`.

use serde_json::{Value, json};

use super::types::Response;

/// A refused request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failure {
    pub(super) code: u16,
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) details: Value,
}

impl Failure {
    pub(super) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Value::Null }
    }

    /// The path names no resource of this server.
    pub(super) fn no_resource() -> Self {
        let mut failure = Self::new(404, "NotFound", "the server could not find the requested resource");
        failure.details = json!({});
        failure
    }

    /// No object of that name.
    pub(super) fn not_found(group: &str, plural: &str, name: &str) -> Self {
        Self::about(404, "NotFound", group, plural, name, &format!("{} \"{name}\" not found", qualified(group, plural)))
    }

    pub(super) fn already_exists(group: &str, plural: &str, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", qualified(group, plural));
        Self::about(409, "AlreadyExists", group, plural, name, &message)
    }

    pub(super) fn conflict(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", qualified(group, plural));
        Self::about(409, "Conflict", group, plural, name, &message)
    }

    pub(super) fn forbidden(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", qualified(group, plural));
        Self::about(403, "Forbidden", group, plural, name, &message)
    }

    /// A field has a value it must not have; `causes` are pairs of a field and what is wrong with it.
    pub(super) fn invalid(group: &str, kind: &str, name: &str, causes: &[(String, String)]) -> Self {
        let texts: Vec<String> = causes.iter().map(|(field, why)| format!("{field}: {why}")).collect();
        let text = if let [one] = texts.as_slice() { one.clone() } else { format!("[{}]", texts.join(", ")) };
        let message = format!("{} \"{name}\" is invalid: {text}", qualified(group, kind));
        let mut failure = Self::about(422, "Invalid", group, kind, name, &message);
        failure.details["causes"] = causes
            .iter()
            .map(|(field, why)| {
                let reason = if why.starts_with("Required") { "FieldValueRequired" } else { "FieldValueInvalid" };
                json!({"reason": reason, "message": why, "field": field})
            })
            .collect();
        failure
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(super) fn internal(message: &str) -> Self {
        let mut failure = Self::new(500, "InternalError", format!("Internal error occurred: {message}"));
        failure.details = json!({"causes": [{"message": message}]});
        failure
    }

    /// The change log no longer reaches back to `asked`.
    pub(super) fn expired(asked: u64, oldest: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {asked} ({oldest})"))
    }

    pub(super) fn method_not_allowed() -> Self {
        let mut failure =
            Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");
        failure.details = json!({});
        failure
    }

    pub(super) fn unsupported_media_type(accepted: &str) -> Self {
        Self::new(
            415,
            "UnsupportedMediaType",
            format!("the body of the request was in an unknown format - accepted media types include: {accepted}"),
        )
    }

    pub(super) fn not_acceptable() -> Self {
        Self::new(
            406,
            "NotAcceptable",
            "only the following media types are accepted: application/json, application/yaml",
        )
    }

    fn about(code: u16, reason: &'static str, group: &str, kind: &str, name: &str, message: &str) -> Self {
        let mut details = json!({"name": name, "kind": kind});
        if !group.is_empty() {
            details["group"] = group.into();
        }
        Self { code, reason, message: message.to_owned(), details }
    }

    /// The object sent to the client.
    pub(super) fn object(&self) -> Value {
        let mut status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code});
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }
}

impl From<Failure> for Response {
    fn from(failure: Failure) -> Self {
        json_response(failure.code, &failure.object())
    }
}

/// A JSON answer.
pub(super) fn json_response(status: u16, body: &Value) -> Response {
    Response { status, content_type: "application/json".to_owned(), body: body.to_string().into_bytes(), watch: None }
}

/// A plain text answer.
pub(super) fn text_response(status: u16, body: &str) -> Response {
    Response {
        status,
        content_type: "text/plain; charset=utf-8".to_owned(),
        body: body.as_bytes().to_vec(),
        watch: None,
    }
}

/// `deployments.apps`, or `pods` of the core group.
pub(super) fn qualified(group: &str, plural: &str) -> String {
    if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") }
}
