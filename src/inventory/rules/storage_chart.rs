//! Charts from elsewhere than their repository.

use std::path::Path;

use crate::diagnostic::Problem;
use crate::document::{At, Report};
use crate::inventory::file::File;

/// A chart is an archive in a file on this machine, or at a URL.
pub(super) fn archives(file: &File, report: &mut Report) {
    let Some(table) = file.storage.given() else { return };
    for (key, chart) in [("chart", &table.chart), ("nfs_chart", &table.nfs_chart)] {
        if let Some(chart) = chart.given() {
            report.check(archive(key, chart));
        }
    }
}

fn archive(key: &str, chart: &At<String>) -> Result<(), Problem> {
    let value = &chart.value;
    let label = match value.split_once("://") {
        Some(("http" | "https", rest)) if rest.contains(char::is_whitespace) || !rest.contains('/') => {
            "not the whole URL of a file"
        }
        Some(("http" | "https", _)) => return Ok(()),
        Some(_) => "only http:// and https:// are understood",
        None if value.trim().is_empty() => "empty",
        None if value.strip_prefix('~').is_some_and(|rest| !rest.starts_with('/')) => {
            "another user's home is not looked up"
        }
        None if Path::new(value).extension().is_none_or(|ending| ending != "tgz") => {
            "not a packed chart: its name ends in .tgz"
        }
        None => return Ok(()),
    };
    Err(Problem::error(format!("`{key}` is not a chart that can be used")).at(chart.span.clone(), label).help(format!(
        "a packed chart in a file here or at a URL, such as {key} = \"./openebs-3.3.1.tgz\"; `helm pull` fetches one, `helm package` makes one"
    )))
}
