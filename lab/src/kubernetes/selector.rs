//! Label and field selectors.

use serde_json::Value;

use super::status::Failure;
use super::value::{at, text};

/// One condition of a label selector.
#[derive(Debug, Clone, PartialEq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

/// What labels must look like; the default accepts everything.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Labels(Vec<Requirement>);

impl Labels {
    /// As in a query: `app=t,tier!=db,env in (a, b),!old`.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let mut requirements = Vec::new();
        for part in split(text) {
            let part = part.trim();
            if part.is_empty() {
                continue;
            }
            requirements.push(
                requirement(part)
                    .ok_or_else(|| Failure::bad_request(format!("unable to parse requirement: found '{part}'")))?,
            );
        }
        Ok(Self(requirements))
    }

    /// As in an object: `matchLabels` and `matchExpressions`, or a bare map for `spec.selector` of a Service.
    pub(super) fn of(selector: &Value) -> Self {
        let structured = selector.get("matchLabels").is_some() || selector.get("matchExpressions").is_some();
        let labels = if structured { at(selector, "/matchLabels") } else { selector };
        let equal = labels
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some(Requirement::In(key.clone(), vec![value.as_str()?.to_owned()])));
        let mut requirements: Vec<Requirement> = equal.collect();
        for expression in super::value::list(selector, "/matchExpressions") {
            let key = text(expression, "/key").to_owned();
            let values =
                super::value::list(expression, "/values").iter().filter_map(Value::as_str).map(str::to_owned).collect();
            requirements.push(match text(expression, "/operator") {
                "NotIn" => Requirement::NotIn(key, values),
                "Exists" => Requirement::Exists(key),
                "DoesNotExist" => Requirement::Absent(key),
                _ => Requirement::In(key, values),
            });
        }
        Self(requirements)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the labels of `object` fit.
    pub(super) fn accept(&self, object: &Value) -> bool {
        self.accept_labels(at(object, "/metadata/labels"))
    }

    /// Whether a map of labels fits.
    pub(super) fn accept_labels(&self, labels: &Value) -> bool {
        let label = |key: &str| labels.get(key).and_then(Value::as_str);
        self.0.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => label(key).is_some_and(|value| values.iter().any(|wanted| wanted == value)),
            Requirement::NotIn(key, values) => {
                label(key).is_none_or(|value| !values.iter().any(|wanted| wanted == value))
            }
            Requirement::Exists(key) => label(key).is_some(),
            Requirement::Absent(key) => label(key).is_none(),
        })
    }
}

/// Splits at the commas outside parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    text.split(|letter: char| {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        letter == ',' && depth == 0
    })
    .collect()
}

fn requirement(part: &str) -> Option<Requirement> {
    if let Some(key) = part.strip_prefix('!') {
        return label_key(key).map(Requirement::Absent);
    }
    for (operator, negative) in [(" notin ", true), (" in ", false)] {
        if let Some((key, set)) = part.split_once(operator) {
            let set = set.trim().strip_prefix('(')?.strip_suffix(')')?;
            let values = set.split(',').map(|value| value.trim().to_owned()).collect();
            let key = label_key(key)?;
            return Some(if negative { Requirement::NotIn(key, values) } else { Requirement::In(key, values) });
        }
    }
    for (operator, negative) in [("!=", true), ("==", false), ("=", false)] {
        if let Some((key, value)) = part.split_once(operator) {
            let (key, values) = (label_key(key)?, vec![value.trim().to_owned()]);
            return Some(if negative { Requirement::NotIn(key, values) } else { Requirement::In(key, values) });
        }
    }
    label_key(part).map(Requirement::Exists)
}

fn label_key(text: &str) -> Option<String> {
    let key = text.trim();
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    (!key.is_empty() && key.chars().all(fits)).then(|| key.to_owned())
}

/// What fields must look like; the default accepts everything.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Fields(Vec<(String, String, bool)>);

/// The fields one may select by, besides name and namespace, by plural.
const FIELDS: [(&str, &[&str]); 5] = [
    (
        "pods",
        &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
    ),
    (
        "events",
        &[
            "involvedObject.kind",
            "involvedObject.name",
            "involvedObject.namespace",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
    ),
    ("nodes", &["spec.unschedulable"]),
    ("secrets", &["type"]),
    ("namespaces", &["status.phase"]),
];

impl Fields {
    /// As in a query: `metadata.name=a,status.phase!=Running`.
    pub(super) fn parse(plural: &str, text: &str) -> Result<Self, Failure> {
        let mut terms = Vec::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (field, value, equal) = if let Some((field, value)) = part.split_once("!=") {
                (field, value, false)
            } else if let Some((field, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (field, value, true)
            } else {
                return Err(Failure::bad_request(format!("invalid selector: '{text}'; can't understand '{part}'")));
            };
            let known = ["metadata.name", "metadata.namespace"].contains(&field)
                || FIELDS.iter().any(|(of, fields)| *of == plural && fields.contains(&field));
            if !known {
                return Err(Failure::bad_request(format!("field label not supported: {field}")));
            }
            terms.push((format!("/{}", field.replace('.', "/")), value.to_owned(), equal));
        }
        Ok(Self(terms))
    }

    pub(super) fn accept(&self, object: &Value) -> bool {
        self.0.iter().all(|(path, value, equal)| {
            let actual = at(object, path);
            let same = actual.as_str().map_or_else(
                || if actual.is_null() { value.is_empty() || value == "false" } else { &actual.to_string() == value },
                |actual| actual == value,
            );
            same == *equal
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Fields, Labels};

    #[test]
    fn label_selectors_select() {
        let object = json!({"metadata": {"labels": {"app": "t", "env": "home", "microk8s.io/cluster": "true"}}});
        let cases = [
            ("app=t", true),
            ("app==t", true),
            ("app=u", false),
            ("app!=u", true),
            ("gone!=u", true),
            ("app!=t", false),
            ("env in (home, work)", true),
            ("env notin (home)", false),
            ("app", true),
            ("gone", false),
            ("!gone", true),
            ("!app", false),
            ("app=t,env in (a,home),microk8s.io/cluster=true", true),
            ("", true),
        ];
        for (text, expected) in cases {
            assert_eq!(Labels::parse(text).unwrap().accept(&object), expected, "{text}");
        }
        assert_eq!(Labels::parse("a b c").unwrap_err().code, 400);
    }

    #[test]
    fn structured_selectors_select() {
        let selector = json!({"matchLabels": {"app": "t"}, "matchExpressions": [
            {"key": "env", "operator": "In", "values": ["home"]}, {"key": "old", "operator": "DoesNotExist"}]});
        let labels = Labels::of(&selector);
        assert!(labels.accept_labels(&json!({"app": "t", "env": "home"})));
        assert!(!labels.accept_labels(&json!({"app": "t", "env": "home", "old": "1"})));
        assert!(Labels::of(&json!({"app": "t"})).accept_labels(&json!({"app": "t", "x": "y"})));
    }

    #[test]
    fn field_selectors_select() {
        let pod = json!({"metadata": {"name": "a"}, "spec": {"nodeName": "nuc1"}, "status": {"phase": "Running"}});
        for (text, expected) in [
            ("spec.nodeName=nuc1,status.phase=Running", true),
            ("status.phase!=Running", false),
            ("metadata.name=b", false),
        ] {
            assert_eq!(Fields::parse("pods", text).unwrap().accept(&pod), expected, "{text}");
        }
        assert_eq!(
            Fields::parse("nodes", "spec.nodeName=a").unwrap_err().message,
            "field label not supported: spec.nodeName"
        );
    }
}
