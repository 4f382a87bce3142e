//! The cluster's name becomes the name of files, of systemd units and of contexts.

use crate::diagnostic::Problem;
use crate::document::Report;
use crate::inventory::file::File;

const LONGEST: usize = 40;

/// The name is made of lower-case letters, digits and `-`.
pub(super) fn sane(file: &File, report: &mut Report) {
    let Some(name) = file.cluster.given().and_then(|table| table.name.given()) else {
        return;
    };
    let text = name.value.as_str();
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let label = if text.is_empty() {
        "empty".to_owned()
    } else if let Some(other) = text.chars().find(|c| !allowed(*c)) {
        format!("`{}` is not allowed", other.escape_debug())
    } else if text.starts_with('-') || text.ends_with('-') {
        "`-` stands only between others".to_owned()
    } else if text.len() > LONGEST {
        format!("{} characters", text.len())
    } else {
        return;
    };
    report.push(
        Problem::error("the cluster's name cannot be used")
            .at(name.span.clone(), label)
            .why("files, systemd units and contexts are named after it")
            .help(format!("use lower-case letters, digits and `-`, at most {LONGEST} characters: name = \"home\"")),
    );
}
