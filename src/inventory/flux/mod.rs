//! `[flux]`: the Git repository that says what runs in the cluster, and Flux, which reads it.

mod read;
mod table;
pub(super) mod url;

use std::path::PathBuf;

pub(super) use read::{of, plain};
pub use table::FluxTable;
pub(super) use table::flux as table;

/// The Flux release when the file names none. Its `source`, `kustomize` and `helm` controllers serve the API versions that
/// the rendered manifests use (fluxcd/flux2 v2.9.4).
pub(super) const DEFAULT_VERSION: &str = "2.9.4";
/// The branch when the file names none.
pub(super) const DEFAULT_BRANCH: &str = "main";

/// `[flux]`, with its defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flux {
    /// The repository as Flux takes it: `ssh://git@host[:port]/path` or `https://…`.
    pub repository: String,
    /// Where homeprov pushes, when that is another URL; anything `git` takes.
    pub push: Option<String>,
    /// The branch Flux follows and homeprov pushes to.
    pub branch: String,
    /// The folder in the repository that Flux applies, without slashes around it: `clusters/home`.
    pub path: String,
    /// The Flux release, without a `v`: `2.9.4`.
    pub version: String,
    /// `install.yaml` of that release: an absolute path here or a URL. Without it the release's own URL.
    pub components: Option<String>,
    /// The SHA-256 of `install.yaml`: 64 lower-case hexadecimal digits.
    pub checksum: Option<String>,
    /// The private SSH key the cluster reads the repository with. Without it homeprov makes one in its state folder.
    pub deploy_key: Option<PathBuf>,
    /// The known host keys of the Git server. Without it those of `[ssh]`, else the user's own.
    pub known_hosts: Option<PathBuf>,
    /// The user name the cluster reads an https repository with.
    pub username: Option<String>,
    /// The file with the password or token that goes with it.
    pub password_file: Option<PathBuf>,
    /// The name in homeprov's commits. Without it what `git` is configured with.
    pub author_name: Option<String>,
    /// The e-mail address in homeprov's commits. Without it what `git` is configured with.
    pub author_email: Option<String>,
}

impl Flux {
    /// Whether the cluster reads the repository over SSH.
    pub fn over_ssh(&self) -> bool {
        self.repository.starts_with("ssh://")
    }

    /// The URL that homeprov pushes to.
    pub fn push_url(&self) -> &str {
        self.push.as_deref().unwrap_or(&self.repository)
    }
}
