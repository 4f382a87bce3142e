//! What the API server refuses for the built-in kinds.

use serde_json::Value;

use crate::kubernetes::kinds::Kind;
use crate::kubernetes::selector::Labels;
use crate::kubernetes::status::Failure;
use crate::kubernetes::value::{at, list, text};

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/// Checks a new object, or a changed one against what it was.
pub(super) fn check(kind: &Kind, old: Option<&Value>, object: &Value) -> Result<(), Failure> {
    let mut causes = Vec::new();
    if old.is_none() {
        name(kind, object, &mut causes);
    }
    labels(object, &mut causes);
    match kind.plural.as_str() {
        "services" if kind.group.is_empty() => service(old, object, &mut causes),
        "deployments" | "daemonsets" | "statefulsets" | "replicasets" if kind.group == "apps" => {
            workload(old, object, &mut causes);
        }
        "pods" => containers(object, "/spec", "spec", &mut causes),
        "jobs" => containers(object, "/spec/template/spec", "spec.template.spec", &mut causes),
        "storageclasses" => storage_class(old, object, &mut causes),
        "customresourcedefinitions" => definition(object, &mut causes),
        _ => {}
    }
    if causes.is_empty() {
        return Ok(());
    }
    Err(Failure::invalid(&kind.group, &kind.kind, text(object, "/metadata/name"), &causes))
}

type Causes = Vec<(String, String)>;

fn required(field: &str, causes: &mut Causes) {
    causes.push((field.to_owned(), "Required value".to_owned()));
}

fn name(kind: &Kind, object: &Value, causes: &mut Causes) {
    let name = text(object, "/metadata/name");
    if kind.group == "rbac.authorization.k8s.io" {
        return;
    }
    let strict = ["namespaces", "services"].contains(&kind.plural.as_str());
    let fits = if strict { is_label(name) } else { name.len() <= 253 && name.split('.').all(is_label) };
    if !fits {
        let rule = if strict { LABEL } else { SUBDOMAIN };
        causes.push(("metadata.name".to_owned(), format!("Invalid value: \"{name}\": {rule}")));
    }
}

/// An RFC 1123 label. Subdomains are checked label by label, so their parts may be as long as they like.
fn is_label(text: &str) -> bool {
    let fits = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    text.len() <= 253
        && text.bytes().all(|letter| fits(letter) || letter == b'-')
        && text.bytes().next().is_some_and(fits)
        && text.bytes().last().is_some_and(fits)
}

fn labels(object: &Value, causes: &mut Causes) {
    for (key, value) in crate::kubernetes::value::entries(object, "/metadata/labels") {
        let fits = value.as_str().is_some_and(|value| {
            let ends = |letter: Option<char>| letter.is_none_or(|letter| letter.is_ascii_alphanumeric());
            value.len() <= 63
                && value.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
                && ends(value.chars().next())
                && ends(value.chars().last())
        });
        if !fits {
            let why = format!(
                "Invalid value: {value}: a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character ({key})"
            );
            causes.push(("metadata.labels".to_owned(), why));
        }
    }
}

fn service(old: Option<&Value>, object: &Value, causes: &mut Causes) {
    let headless = text(object, "/spec/clusterIP") == "None";
    let kind = text(object, "/spec/type");
    let ports = list(object, "/spec/ports");
    if ports.is_empty() && !headless && kind != "ExternalName" {
        required("spec.ports", causes);
    }
    for (index, port) in ports.iter().enumerate() {
        let number = crate::kubernetes::value::number(port, "/port");
        if !(1..=65_535).contains(&number) {
            let why = format!("Invalid value: {number}: must be between 1 and 65535, inclusive");
            causes.push((format!("spec.ports[{index}].port"), why));
        }
        if ports.len() > 1 && text(port, "/name").is_empty() {
            required(&format!("spec.ports[{index}].name"), causes);
        }
    }
    if !["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"].contains(&kind) {
        let why = format!(
            "Unsupported value: \"{kind}\": supported values: \"ClusterIP\", \"ExternalName\", \"LoadBalancer\", \"NodePort\""
        );
        causes.push(("spec.type".to_owned(), why));
    }
    if let Some(old) = old {
        let (before, now) = (text(old, "/spec/clusterIP"), at(object, "/spec/clusterIP"));
        if !before.is_empty() && *now != *before && text(old, "/spec/type") != "ExternalName" && kind != "ExternalName"
        {
            let why = format!("Invalid value: [{now}]: may not change once set");
            causes.push(("spec.clusterIPs[0]".to_owned(), why));
        }
    }
}

fn workload(old: Option<&Value>, object: &Value, causes: &mut Causes) {
    let selector = at(object, "/spec/selector");
    if selector.is_null() {
        required("spec.selector", causes);
    } else if !Labels::of(selector).accept_labels(at(object, "/spec/template/metadata/labels")) {
        let labels = at(object, "/spec/template/metadata/labels");
        let why = format!("Invalid value: {labels}: `selector` does not match template `labels`");
        causes.push(("spec.template.metadata.labels".to_owned(), why));
    }
    if old.is_some_and(|old| at(old, "/spec/selector") != selector) {
        causes.push(("spec.selector".to_owned(), format!("Invalid value: {selector}: field is immutable")));
    }
    containers(object, "/spec/template/spec", "spec.template.spec", causes);
}

fn containers(object: &Value, path: &str, field: &str, causes: &mut Causes) {
    let containers = list(object, &format!("{path}/containers"));
    if containers.is_empty() {
        required(&format!("{field}.containers"), causes);
    }
    for (index, container) in containers.iter().enumerate() {
        for part in ["name", "image"] {
            if text(container, &format!("/{part}")).is_empty() {
                required(&format!("{field}.containers[{index}].{part}"), causes);
            }
        }
    }
}

/// Classes cannot be changed where volumes made by them would no longer fit (k8s.io/kubernetes
/// `pkg/apis/storage/validation`).
fn storage_class(old: Option<&Value>, object: &Value, causes: &mut Causes) {
    if text(object, "/provisioner").is_empty() {
        required("provisioner", causes);
    }
    let Some(old) = old else { return };
    for field in ["parameters", "provisioner", "reclaimPolicy"] {
        if old[field] != object[field] {
            causes.push((field.to_owned(), format!("Forbidden: updates to {field} are forbidden.")));
        }
    }
    if old["volumeBindingMode"] != object["volumeBindingMode"] {
        let why = format!("Invalid value: {}: field is immutable", object["volumeBindingMode"]);
        causes.push(("volumeBindingMode".to_owned(), why));
    }
}

fn definition(object: &Value, causes: &mut Causes) {
    let wanted = format!("{}.{}", text(object, "/spec/names/plural"), text(object, "/spec/group"));
    let name = text(object, "/metadata/name");
    if name != wanted {
        causes.push((
            "metadata.name".to_owned(),
            format!("Invalid value: \"{name}\": must be spec.names.plural+\".\"+spec.group"),
        ));
    }
    if list(object, "/spec/versions").is_empty() {
        required("spec.versions", causes);
    }
}
