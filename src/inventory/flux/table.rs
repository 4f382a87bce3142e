//! `[flux]` as the user writes it.

use schemars::JsonSchema;

use super::DEFAULT_BRANCH;
use super::DEFAULT_VERSION;
use crate::document::{At, Field, Report, Table};
use crate::inventory::belonging::belonging;

type Text = Field<At<String>>;

/// The Git repository that says what runs in the cluster, and Flux, which reads it.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename = "Flux", deny_unknown_fields)]
pub struct FluxTable {
    /// The header's place.
    #[schemars(skip)]
    pub header: std::ops::Range<usize>,
    /// The repository, as Flux reads it: `ssh://git@host/path`, `git@host:path` or `https://host/path`. It may be empty.
    #[schemars(length(min = 1), example = &"ssh://git@github.com/alice/home")]
    pub repository: Text,
    /// Where homeprov pushes, when that is another URL. Your own credentials are used.
    #[schemars(default, length(min = 1), example = &"git@github.com:alice/home.git")]
    pub push: Text,
    /// The branch that Flux follows and homeprov pushes to.
    #[schemars(default, extend("default" = DEFAULT_BRANCH), length(min = 1))]
    pub branch: Text,
    /// The folder in the repository that Flux applies. Without it `clusters/` and the cluster's name.
    #[schemars(default, length(min = 1), example = &"clusters/home")]
    pub path: Text,
    /// The Flux release.
    #[schemars(default, extend("default" = DEFAULT_VERSION), regex(pattern = r"^[0-9]+\.[0-9]+\.[0-9]+$"))]
    pub version: Text,
    /// The release's `install.yaml`: a file here or a URL. Without it that of the release on GitHub.
    #[schemars(default, length(min = 1), example = &"./flux-2.9.4.yaml")]
    pub components: Text,
    /// The SHA-256 of `install.yaml`, 64 hexadecimal digits.
    #[schemars(default, regex(pattern = r"^[0-9a-fA-F]{64}$"))]
    pub checksum: Text,
    /// The private SSH key that the cluster reads the repository with; reading is all it needs to be allowed. Without it
    /// homeprov makes one and shows its public half.
    #[schemars(default, length(min = 1), example = &"~/.ssh/home-flux")]
    pub deploy_key: Text,
    /// The file of the Git server's known host keys. Without it that of `[ssh]`, else your own.
    #[schemars(default, length(min = 1), example = &"./known_hosts")]
    pub known_hosts: Text,
    /// The user name that the cluster reads an https repository with.
    #[schemars(default, length(min = 1), example = &"alice")]
    pub username: Text,
    /// The file with the password or token that goes with it.
    #[schemars(default, length(min = 1), example = &"~/.config/homeprov/git-token")]
    pub password_file: Text,
    /// The name in homeprov's commits. Without it what git is configured with.
    #[schemars(default, length(min = 1), example = &"homeprov")]
    pub author_name: Text,
    /// The e-mail address in homeprov's commits. Without it what git is configured with.
    #[schemars(default, length(min = 1), example = &"alice@example.org")]
    pub author_email: Text,
}

/// Reads the table.
pub fn flux(mut table: Table<'_>, report: &mut Report) -> FluxTable {
    let mut flux = FluxTable {
        header: table.span.clone(),
        repository: table.text("repository", report),
        push: table.text("push", report),
        branch: table.text("branch", report),
        path: table.text("path", report),
        version: table.text("version", report),
        components: table.text("components", report),
        checksum: table.text("checksum", report),
        deploy_key: table.text("deploy_key", report),
        known_hosts: table.text("known_hosts", report),
        username: table.text("username", report),
        password_file: table.text("password_file", report),
        author_name: table.text("author_name", report),
        author_email: table.text("author_email", report),
    };
    table.require(&flux.repository, "repository", r#"repository = "ssh://git@github.com/alice/home""#, report);
    // Rules draw conclusions from the absence of these.
    table.settle(&mut flux.username, "username");
    table.settle(&mut flux.password_file, "password_file");
    table.settle(&mut flux.path, "path");
    table.finish_with(report, belonging);
    flux
}
