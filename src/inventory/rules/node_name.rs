//! A node's name is its host name and the name of its Kubernetes Node object.

use std::net::IpAddr;

use crate::diagnostic::Problem;
use crate::inventory::file::File;
use crate::inventory::reader::{At, Report};

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
    let problem = |span, label: &str| {
        Err(Problem::error(format!("`{}` cannot be a node's name", text.escape_debug())).at(span, label).why(
            "the machine's host name is its name in Kubernetes, which takes lower-case host names (RFC 1123) only",
        ))
    };
    let help = |problem: Result<(), Problem>, help: String| problem.map_err(|p| p.help(help));
    let rename = |to: &str| format!("write name = \"{to}\"; the machine's host name is set to it");
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if text.is_empty() {
        return help(problem(name.span.clone(), "empty"), rename("nuc1"));
    }
    if text == "localhost" {
        let label = "every machine calls itself that";
        return help(problem(name.span.clone(), label), rename("nuc1"));
    }
    if text.parse::<IpAddr>().is_ok() {
        return help(
            problem(name.span.clone(), "this is an address"),
            "give it a name of its own and write the address as address = \"…\"".to_owned(),
        );
    }
    if let Some((at, other)) = text.char_indices().find(|(_, c)| !allowed(*c)) {
        let label = match other {
            '_' => "`_` is not allowed in host names",
            _ if other.is_ascii_uppercase() => "upper case is not allowed",
            _ => "this character is not allowed",
        };
        let repaired = text.to_ascii_lowercase().replace(['_', ' '], "-");
        let repairable = repaired.chars().all(allowed) && ends_well(&repaired);
        return help(
            problem(name.part(at..at + other.len_utf8()), label),
            if repairable {
                rename(&repaired)
            } else {
                "use lower-case letters, digits and `-`, such as name = \"nuc1\"".to_owned()
            },
        );
    }
    if !ends_well(text) {
        return help(
            problem(name.span.clone(), "`-` and `.` stand only between letters and digits"),
            "begin and end every part with a letter or a digit".to_owned(),
        );
    }
    if text.len() > LONGEST {
        let label = format!("{} characters", text.len());
        return help(problem(name.span.clone(), &label), format!("use at most {LONGEST} characters"));
    }
    Ok(())
}

/// Every part between dots begins and ends with a letter or a digit.
fn ends_well(text: &str) -> bool {
    text.split('.').all(|part| !part.is_empty() && !part.starts_with('-') && !part.ends_with('-'))
}
