//! The image of the proof's Jobs.

use crate::diagnostic::Problem;
use crate::document::{At, Report};
use crate::inventory::file::File;
use crate::inventory::storage::DEFAULT_IMAGE;

/// It is pinned: the same bytes tomorrow as today.
pub(super) fn pinned(file: &File, report: &mut Report) {
    if let Some(image) = file.storage.given().and_then(|table| table.image.given()) {
        report.check(check(image));
    }
}

fn check(image: &At<String>) -> Result<(), Problem> {
    let help = format!("such as image = \"{DEFAULT_IMAGE}\", or with a digest: …@sha256:…");
    let odd = |c: char| c.is_whitespace() || c.is_control() || "\"'`$;&|<>\\".contains(c);
    if image.value.is_empty() || image.value.contains(odd) {
        return Err(Problem::error("`image` is not an image").at(image.span.clone(), "no name of one").help(help));
    }
    let problem = |label: &str| {
        Problem::error("`image` is not pinned")
            .at(image.span.clone(), label)
            .why("what runs in a proof today must be what runs in it next year")
            .help(help.clone())
    };
    if let Some((_, digest)) = image.value.split_once('@') {
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        let whole = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        return if whole { Ok(()) } else { Err(problem("the digest is not whole")) };
    }
    // A colon before the last slash belongs to a registry's port.
    let name = image.value.rsplit('/').next().unwrap_or_default();
    match name.split_once(':') {
        None | Some((_, "")) => Err(problem("no tag and no digest")),
        Some((_, "latest")) => Err(problem("`latest` is another image every day")),
        Some(_) => Ok(()),
    }
}
