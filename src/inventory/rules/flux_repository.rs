//! The repository that says what runs in the cluster.

use crate::diagnostic::Problem;
use crate::document::{At, Field, Report};
use crate::inventory::file::File;
use crate::inventory::flux::url::{self, UrlFault};

/// Flux can read the repository, and no password stands in a URL.
pub(super) fn urls(file: &File, report: &mut Report) {
    let Some(flux) = file.flux.given() else { return };
    if let Some(repository) = flux.repository.given()
        && let Err(fault) = url::normal(&repository.value)
    {
        let help = match fault {
            UrlFault::Password => {
                "leave it out and name a file instead: username = \"alice\" and password_file = \"~/.config/homeprov/git-token\""
            }
            UrlFault::User => "on nearly all servers the user is git: repository = \"ssh://git@github.com/alice/home\"",
            _ => {
                "such as repository = \"ssh://git@github.com/alice/home\", or https:// with username and password_file"
            }
        };
        report.push(
            Problem::error("Flux cannot read a repository at this URL")
                .at(repository.span.clone(), fault.label())
                .why("the cluster fetches the repository from a server, over SSH or HTTPS")
                .help(help),
        );
    }
    let Some(push) = flux.push.given() else { return };
    let password = push.value.split_once("://").and_then(|(_, rest)| rest.split('/').next()?.rsplit_once('@'));
    let label = match password {
        Some((user, _)) if user.contains(':') => "a password stands in it",
        _ if push.value.starts_with('-') || push.value.trim().is_empty() => "not a URL",
        _ if push.value.chars().any(char::is_control) => "characters that no URL holds",
        _ => return,
    };
    report.push(
        Problem::error("`push` is not a URL that can be used")
            .at(push.span.clone(), label)
            .help("such as push = \"git@github.com:alice/home.git\"; git's own credential helper or your SSH agent knows the password or key"),
    );
}

/// The branch is a name git takes (git-check-ref-format(1)).
pub(super) fn branch(file: &File, report: &mut Report) {
    let Some(branch) = file.flux.given().and_then(|flux| flux.branch.given()) else { return };
    let name = &branch.value;
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.to_lowercase().ends_with(".lock");
    let sane = name.chars().all(|c| !c.is_whitespace() && !c.is_control() && !"~^:?*[\\".contains(c));
    let whole = !name.starts_with('-') && !name.ends_with('.') && !name.contains("..") && !name.contains("@{");
    if !(sane && whole && name != "@" && name.split('/').all(part)) {
        report.push(
            Problem::error("this is not the name of a branch")
                .at(branch.span.clone(), "git takes no such name")
                .help("such as branch = \"main\""),
        );
    }
}

/// Folders in the repository stay in it.
pub(super) fn folders(file: &File, report: &mut Report) {
    if let Some(path) = file.flux.given().and_then(|flux| flux.path.given()) {
        report.check(folder(path, "clusters/home"));
    }
    if let Some(path) = file.mastodon.given().and_then(|mastodon| mastodon.path.given()) {
        report.check(folder(path, "mastodon"));
    }
}

fn folder(path: &At<String>, example: &str) -> Result<(), Problem> {
    let sane = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let label = match path.value.as_str() {
        text if text.starts_with('/') => "it begins at the repository's top, without a slash",
        text if text.split('/').any(|part| part == "..") => "it leaves the repository",
        text if text.split('/').any(|part| part == ".git") => "git's own folder",
        text if !text.chars().all(sane) => "letters, digits, `-`, `_`, `.` and `/`",
        text if text.split('/').all(|part| part.is_empty() || part == ".") => "not a folder of its own",
        _ => return Ok(()),
    };
    Err(Problem::error("`path` is not a folder in the repository")
        .at(path.span.clone(), label)
        .help(format!("such as path = \"{example}\"")))
}

/// Keys and passwords go with the way the repository is read, and a password with its user.
pub(super) fn login(file: &File, report: &mut Report) {
    let Some(flux) = file.flux.given() else { return };
    let Some(repository) = flux.repository.given() else { return };
    let Ok(url) = url::normal(&repository.value) else { return };
    let (ssh, https) = ("ssh://", "https://");
    for (key, field, scheme) in [
        ("deploy_key", &flux.deploy_key, ssh),
        ("known_hosts", &flux.known_hosts, ssh),
        ("username", &flux.username, https),
        ("password_file", &flux.password_file, https),
    ] {
        let Some(text) = field.given().filter(|_| !url.starts_with(scheme)) else { continue };
        report.push(
            Problem::error(format!("`{key}` goes with a repository at {scheme}"))
                .at(text.span.clone(), "nobody would look at it")
                .at(repository.span.clone(), "the repository")
                .help(format!("remove `{key}`, or name the repository by its {scheme} URL")),
        );
    }
    let lone = match (&flux.username, &flux.password_file) {
        (Field::Given(user), Field::Absent) => Some((user, "username", "password_file")),
        (Field::Absent, Field::Given(password)) => Some((password, "password_file", "username")),
        _ => None,
    };
    if let Some((text, there, missing)) = lone.filter(|_| url.starts_with(https)) {
        report.push(
            Problem::error(format!("`{there}` goes with `{missing}`"))
                .at(text.span.clone(), format!("`{missing}` is missing"))
                .help("a private repository needs both, a public one neither"),
        );
    }
}
