//! Who am I, and may I? Everybody who got in may do everything, as with `MicroK8s`' `AlwaysAllow`.

use serde_json::{Value, json};

use super::{Answer, parse_body};
use crate::kubernetes::status::json_response;
use crate::kubernetes::types::Request;
use crate::kubernetes::value::set;

/// Paths and what the review says.
const REVIEWS: [(&str, &str); 5] = [
    ("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "access"),
    ("/apis/authorization.k8s.io/v1/subjectaccessreviews", "access"),
    ("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", "rules"),
    ("/apis/authentication.k8s.io/v1/selfsubjectreviews", "user"),
    ("/apis/authentication.k8s.io/v1/tokenreviews", "user"),
];

/// None when the path is no review.
pub(super) fn review(request: &Request) -> Option<Answer> {
    let path = request.path.trim_end_matches('/');
    let (_, about) = REVIEWS.iter().find(|(known, _)| *known == path)?;
    if request.method != "POST" {
        return Some(Err(super::Failure::method_not_allowed()));
    }
    Some(parse_body(&request.body).map(|mut review| {
        set(&mut review, "/status", verdict(about));
        json_response(201, &review)
    }))
}

fn verdict(about: &str) -> Value {
    match about {
        "access" => json!({"allowed": true}),
        "rules" => json!({"resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}], "incomplete": false}),
        _ => {
            json!({"authenticated": true, "userInfo": {"username": "admin", "groups": ["system:masters", "system:authenticated"]}})
        }
    }
}
