//! From the file's `[flux]` to the model, defaults filled in.

use std::path::Path;

use super::{DEFAULT_BRANCH, DEFAULT_VERSION, Flux, FluxTable, url};
use crate::inventory::build::{path, place, text};

/// What the file says; none when a rule has refused a part of it.
pub(in crate::inventory) fn of(table: &FluxTable, cluster: &str, folder: &Path) -> Option<Flux> {
    let or = |value: Option<String>, default: &str| value.unwrap_or_else(|| default.to_owned());
    Some(Flux {
        repository: url::normal(&table.repository.given()?.value).ok()?,
        push: text(&table.push),
        branch: or(text(&table.branch), DEFAULT_BRANCH),
        path: match text(&table.path) {
            Some(path) => plain(&path),
            None => format!("clusters/{cluster}"),
        },
        version: or(text(&table.version), DEFAULT_VERSION),
        components: text(&table.components).map(|components| place(&components, folder)),
        checksum: text(&table.checksum).map(|sum| sum.to_lowercase()),
        deploy_key: path(&table.deploy_key, folder),
        known_hosts: path(&table.known_hosts, folder),
        username: text(&table.username),
        password_file: path(&table.password_file, folder),
        author_name: text(&table.author_name),
        author_email: text(&table.author_email),
    })
}

/// A folder in the repository without what does not matter: `./clusters/home/` is `clusters/home`.
pub(in crate::inventory) fn plain(path: &str) -> String {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").collect::<Vec<_>>().join("/")
}
