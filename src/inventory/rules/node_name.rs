//! A node's name is its host name and the name of its Kubernetes Node object.

use std::net::IpAddr;

use crate::diagnostic::Problem;
use crate::document::At;
use crate::document::Report;
use crate::inventory::file::File;

/// Longest host name Linux takes is 64; the value of the label `kubernetes.io/hostname` ends at 63.
const LONGEST: usize = 63;

/// The name is a host name by RFC 1123 in lower case.
pub(super) fn valid(file: &File, report: &mut Report) {
    for name in file.nodes().iter().filter_map(|node| node.name.given()) {
        report.check(check(name));
    }
}

fn check(name: &At<String>) -> Result<(), Problem> {
    let text = name.value.as_str();
    let whole = || name.span.clone();
    let rename = |to: &str| format!("write name = \"{to}\"; the machine's host name is set to it");
    if text.is_empty() {
        return Err(Problem::error("a node's name is empty").at(whole(), "empty").help(rename("nuc1")));
    }
    let (span, label, help) = if text == "localhost" {
        (whole(), "every machine calls itself that".to_owned(), rename("nuc1"))
    } else if text.parse::<IpAddr>().is_ok() {
        let help = "give it a name of its own and write the address as address = \"...\"";
        (whole(), "this is an address".to_owned(), help.to_owned())
    } else if let Some((at, other)) = text.char_indices().find(|(_, c)| !allowed(*c)) {
        return Err(not_allowed(name, at, other));
    } else if !ends_well(text) {
        let help = "begin and end every part with a letter or a digit";
        (whole(), "`-` and `.` stand only between letters and digits".to_owned(), help.to_owned())
    } else if text.len() > LONGEST {
        (whole(), format!("{} characters", text.len()), format!("use at most {LONGEST} characters"))
    } else {
        return Ok(());
    };
    Err(Problem::error(format!("`{text}` cannot be a node's name"))
        .at(span, label)
        .why("the machine's host name is its name in Kubernetes, which takes lower-case host names by RFC 1123 only")
        .help(help))
}

fn not_allowed(name: &At<String>, at: usize, other: char) -> Problem {
    let text = name.value.as_str();
    let label = match other {
        '_' => "`_` is not allowed in host names",
        _ if other.is_ascii_uppercase() => "upper case is not allowed",
        _ => "this character is not allowed",
    };
    let repaired = text.to_ascii_lowercase().replace(['_', ' '], "-");
    let help = if repaired.chars().all(allowed) && ends_well(&repaired) {
        format!("write name = \"{repaired}\"; the machine's host name is set to it")
    } else {
        "use lower-case letters, digits and `-`, such as name = \"nuc1\"".to_owned()
    };
    Problem::error(format!("`{}` cannot be a node's name", text.escape_debug()))
        .at(name.part(at..at + other.len_utf8()), label)
        .why(
            "the machine's host name is its name in Kubernetes, which takes lower-case host names by RFC 1123 only; \
             on upper case and `_` MicroK8s' own inspection warns of trouble (canonical/microk8s scripts/inspect.sh)",
        )
        .help(help)
}

fn allowed(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.'
}

/// Every part between dots begins and ends with a letter or a digit.
fn ends_well(text: &str) -> bool {
    text.split('.').all(|part| !part.is_empty() && !part.starts_with('-') && !part.ends_with('-'))
}
