//! Flux's own files: what it is, and what it follows.

use serde::Serialize;

use super::{Content, File, Rendered, values};
use crate::inventory::model::Flux;

#[derive(Serialize)]
struct Sync<'a> {
    repository: &'a str,
    branch: &'a str,
    path: String,
    secret: bool,
}

fn folder(flux: &Flux) -> String {
    format!("{}/flux-system", flux.path)
}

/// Flux's own manifest, which is no template.
pub(super) fn components(flux: &Flux) -> File {
    let content = Content::Components { version: flux.version.clone() };
    File { path: format!("{}/gotk-components.yaml", folder(flux)), content }
}

pub(super) fn rendered(flux: &Flux) -> Vec<Rendered> {
    let sync = Sync {
        repository: &flux.repository,
        branch: &flux.branch,
        path: format!("./{}", flux.path),
        secret: flux.over_ssh() || flux.password_file.is_some(),
    };
    let file = |name: &str, template, values| Rendered { path: format!("{}/{name}", folder(flux)), template, values };
    vec![
        file("gotk-sync.yaml", "flux-system/gotk-sync.yaml.hbs", values(&sync)),
        file("kustomization.yaml", "flux-system/kustomization.yaml.hbs", values(&())),
    ]
}
