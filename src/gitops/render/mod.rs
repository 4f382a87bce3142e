//! The files homeprov wants in the repository, from the inventory alone: `playbooks/gitops/` with its values put in.

mod flux;
mod site;
mod templates;

pub use templates::{FOLDER as TEMPLATES_FOLDER, TemplateError, Templates};

use serde_json::Value;

use super::header::{of_cluster, with_header};
use crate::inventory::model::Inventory;

/// What a file is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// This text, header included.
    Text(String),
    /// `install.yaml` of a Flux release under homeprov's header.
    Components {
        /// The release, such as `2.9.4`.
        version: String,
    },
    /// The secrets, sealed ([`crate::mastodon::seal`]). Each sealing gives another text, so the fingerprint is what counts.
    Sealed {
        /// The fingerprint of the secrets ([`crate::mastodon::secrets::fingerprint`]).
        fingerprint: String,
    },
}

/// A file in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where it is in the repository.
    pub path: String,
    /// What it is to hold.
    pub content: Content,
}

/// All files, in the order of their paths; none without `[flux]`. The sealed secrets are among them once there are
/// secrets, whose fingerprint is given.
pub fn files(inventory: &Inventory, secrets_fingerprint: Option<&str>) -> Vec<File> {
    files_of(&Templates::default(), inventory, secrets_fingerprint)
}

/// Each template with the values it is rendered with for an inventory: one for all files, or one for each file of a kind.
fn sets(inventory: &Inventory) -> Vec<(&'static str, Value)> {
    let Some(flux) = &inventory.flux else { return Vec::new() };
    let mut sets: Vec<_> = flux::rendered(flux).into_iter().map(|one| (one.template, one.values)).collect();
    if let Some(mastodon) = &inventory.mastodon {
        sets.extend(site::rendered(inventory, flux, mastodon).into_iter().map(|one| (one.template, one.values)));
    }
    sets
}

/// A file that comes of a template.
struct Rendered {
    path: String,
    template: &'static str,
    values: Value,
}

fn files_of(templates: &Templates, inventory: &Inventory, secrets_fingerprint: Option<&str>) -> Vec<File> {
    let Some(flux) = &inventory.flux else { return Vec::new() };
    let text = |one: Rendered| text(inventory, one.path, &templates.render(one.template, &one.values));
    let mut files = vec![flux::components(flux)];
    files.extend(flux::rendered(flux).into_iter().map(text));
    if let Some(mastodon) = &inventory.mastodon {
        files.extend(site::rendered(inventory, flux, mastodon).into_iter().map(text));
        files.extend(secrets_fingerprint.map(|fingerprint| File {
            path: sealed_path(&mastodon.path),
            content: Content::Sealed { fingerprint: fingerprint.to_owned() },
        }));
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

/// Where the sealed secrets are, in the folder of the site's manifests. Its name does not end as YAML does, so
/// kustomize-controller leaves it alone when it gathers the manifests of a folder (fluxcd/pkg `kustomize/kustomize_generator.go`).
pub fn sealed_path(folder: &str) -> String {
    format!("{folder}/secrets-mastodon.age")
}

/// Values for a template; what homeprov puts there always has a form in JSON.
fn values(values: &impl serde::Serialize) -> Value {
    serde_json::to_value(values).unwrap_or_default()
}

/// A text as the lines of a block text in YAML, `indent` blanks deep and without the end of the last line; the template
/// has the `|` before it.
fn block(text: &str, indent: usize) -> String {
    let blanks = " ".repeat(indent);
    let lines = text.lines().map(|line| if line.is_empty() { String::new() } else { format!("{blanks}{line}") });
    lines.collect::<Vec<_>>().join("\n")
}

fn text(inventory: &Inventory, path: String, body: &str) -> File {
    File { path, content: Content::Text(with_header(&of_cluster(&inventory.cluster.name, body))) }
}
