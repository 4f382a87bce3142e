//! Repositories outside that the lab knows by heart, since it has no way out: Mastodon's chart.

use super::fetch::{Reference, Tree};

/// Where Mastodon's chart is developed (mastodon/chart).
const CHART: [&str; 2] = ["https://github.com/mastodon/chart", "https://github.com/mastodon/chart.git"];
/// The latest commits of its branch `main` with the versions of chart and Mastodon, the newest first. It has no tags.
const COMMITS: [(&str, &str, &str); 2] = [
    ("3c8d76d0351f491f4a06cf76f1664d7b74fee375", "6.9.3", "v4.6.3"),
    ("4900860f63aa40ebdb12c203cc65df4d5c30d53f", "6.9.2", "v4.6.2"),
];

/// Whether a URL is one of these repositories.
pub(super) fn knows(url: &str) -> bool {
    CHART.contains(&url.trim_end_matches('/'))
}

/// What a Git client gets of it.
pub(super) fn checkout(url: &str, reference: &Reference) -> Result<Tree, String> {
    let failed = |why: String| format!("failed to checkout and determine revision: {why}");
    let found = if let Some(commit) = &reference.commit {
        let found = COMMITS.iter().find(|(known, ..)| known == commit);
        found.ok_or_else(|| failed(format!("unable to resolve commit object for '{commit}': object not found")))
    } else if let Some(tag) = &reference.tag {
        Err(failed(format!("unable to clone '{url}': couldn't find remote ref \"refs/tags/{tag}\"")))
    } else if let Some(range) = &reference.semver {
        Err(failed(format!("no match found for semver: {range}")))
    } else {
        let full = reference.name.clone().unwrap_or_else(|| format!("refs/heads/{}", reference.branch()));
        let found = COMMITS.first().filter(|_| full == "refs/heads/main");
        found.ok_or_else(|| failed(format!("unable to clone '{url}': couldn't find remote ref \"{full}\"")))
    };
    let (commit, version, app) = found?;
    let chart = format!("apiVersion: v2\nname: mastodon\nversion: {version}\nappVersion: {app}\n");
    Ok(Tree {
        commit: (*commit).to_owned(),
        subject: format!("Update Mastodon to {app}"),
        files: [("Chart.yaml".to_owned(), chart.into_bytes())].into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pinned_commit_is_there_and_nothing_else_is() {
        let at = |reference: Reference| checkout(CHART[0], &reference);
        let tree = at(Reference { commit: Some(COMMITS[0].0.to_owned()), ..Reference::default() }).unwrap();
        assert!(String::from_utf8_lossy(&tree.files["Chart.yaml"]).contains("version: 6.9.3\n"));
        assert!(at(Reference { branch: Some("main".to_owned()), ..Reference::default() }).is_ok());
        let wrong = at(Reference { commit: Some("0".repeat(40)), ..Reference::default() }).unwrap_err();
        assert!(wrong.ends_with("object not found"), "{wrong}");
        let master = at(Reference::default()).unwrap_err();
        assert!(master.ends_with("couldn't find remote ref \"refs/heads/master\""), "{master}");
    }
}
