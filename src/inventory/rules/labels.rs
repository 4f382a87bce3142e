//! Labels on the Node object, by the syntax of
//! <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/>.

use crate::diagnostic::Problem;
use crate::document::At;
use crate::document::Report;
use crate::inventory::file::File;

const LONGEST_NAME: usize = 63;
const LONGEST_PREFIX: usize = 253;

/// Keys only the kubelet sets on its own node, and the reason for each.
const RESERVED: [(&str, &str); 10] = [
    ("kubernetes.io/hostname", KUBELET),
    ("kubernetes.io/os", KUBELET),
    ("kubernetes.io/arch", KUBELET),
    ("node.kubernetes.io/instance-type", KUBELET),
    ("beta.kubernetes.io/os", KUBELET),
    ("beta.kubernetes.io/arch", KUBELET),
    ("beta.kubernetes.io/instance-type", KUBELET),
    ("microk8s.io/cluster", MICROK8S),
    ("node.kubernetes.io/microk8s-controlplane", MICROK8S),
    ("node.kubernetes.io/microk8s-worker", MICROK8S),
];
const KUBELET: &str = "the kubelet sets this label from what the machine is and puts its own value back at every start (https://kubernetes.io/docs/reference/labels-annotations-taints/)";
const MICROK8S: &str = "MicroK8s has the kubelet set this label to mark what the node is (canonical/microk8s microk8s-resources/default-args/kubelet)";

fn labels(file: &File) -> impl Iterator<Item = &(At<String>, At<String>)> {
    file.nodes().iter().flat_map(|node| &node.labels)
}

/// Keys are `name` or `prefix/name`.
pub(super) fn keys(file: &File, report: &mut Report) {
    for (key, _) in labels(file) {
        let (prefix, name) = match key.value.split_once('/') {
            Some((prefix, name)) => (Some(prefix), name),
            None => (None, key.value.as_str()),
        };
        let label = if let Some(fault) = word_fault(name) {
            format!("the name {fault}")
        } else if let Some(fault) = prefix.and_then(prefix_fault) {
            format!("the prefix {fault}")
        } else {
            continue;
        };
        report.push(
            Problem::error(format!("`{}` is not a label's key", key.value.escape_debug()))
                .at(key.span.clone(), label)
                .help("such as disk = \"ssd\" or \"example.org/disk\" = \"ssd\", the key in quotes when it holds a `/` or a dot"),
        );
    }
}

/// Values are empty or one short word.
pub(super) fn values(file: &File, report: &mut Report) {
    for (key, value) in labels(file) {
        if value.value.is_empty() {
            continue;
        }
        if let Some(fault) = word_fault(&value.value) {
            report.push(
                Problem::error(format!("the value of the label `{}` is not allowed", key.value.escape_debug()))
                    .at(value.span.clone(), format!("the value {fault}"))
                    .help(
                        "labels sort nodes into groups; a sentence belongs into an annotation or into a comment here",
                    ),
            );
        }
    }
}

/// Nobody sets what belongs to the kubelet.
pub(super) fn not_reserved(file: &File, report: &mut Report) {
    for (key, _) in labels(file) {
        let Some((_, why)) = RESERVED.iter().find(|(reserved, _)| *reserved == key.value) else {
            continue;
        };
        report.push(
            Problem::error(format!("the label `{}` is not yours to set", key.value))
                .at(key.span.clone(), "reserved")
                .why(*why)
                .help("use a key of your own, such as \"example.org/kind\""),
        );
    }
}

fn word_fault(word: &str) -> Option<String> {
    let end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let other = |c: &char| !(c.is_ascii_alphanumeric() || "-_.".contains(*c));
    if word.is_empty() {
        Some("is empty".to_owned())
    } else if let Some(other) = word.chars().find(other) {
        Some(format!("holds `{}`: letters, digits, `-`, `_` and `.` are allowed", other.escape_debug()))
    } else if !end(word.chars().next()) || !end(word.chars().last()) {
        Some("must begin and end with a letter or a digit".to_owned())
    } else if word.len() > LONGEST_NAME {
        Some(format!("has {} characters, and {LONGEST_NAME} are allowed", word.len()))
    } else {
        None
    }
}

fn prefix_fault(prefix: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let part_is_sane =
        |part: &str| !part.is_empty() && part.chars().all(allowed) && !part.starts_with('-') && !part.ends_with('-');
    if prefix.len() > LONGEST_PREFIX {
        Some(format!("has {} characters, and {LONGEST_PREFIX} are allowed", prefix.len()))
    } else if prefix.split('.').all(part_is_sane) {
        None
    } else {
        Some("must be a domain in lower case, such as example.org".to_owned())
    }
}
