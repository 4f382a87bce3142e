//! Flux's own files: what it is, and what it follows.

use serde::Serialize;

use super::template::render;
use super::{Content, File, text};
use crate::inventory::model::{Flux, Inventory};

const SYNC: &str = include_str!("../../../playbooks/gitops/flux-system/gotk-sync.yaml.hbs");
const KUSTOMIZATION: &str = include_str!("../../../playbooks/gitops/flux-system/kustomization.yaml.hbs");

#[derive(Serialize)]
struct Sync<'a> {
    repository: &'a str,
    branch: &'a str,
    path: String,
    secret: bool,
}

pub(super) fn files(inventory: &Inventory, flux: &Flux) -> Vec<File> {
    let folder = format!("{}/flux-system", flux.path);
    let sync = Sync {
        repository: &flux.repository,
        branch: &flux.branch,
        path: format!("./{}", flux.path),
        secret: flux.over_ssh() || flux.password_file.is_some(),
    };
    let components = Content::Components { version: flux.version.clone() };
    vec![
        File { path: format!("{folder}/gotk-components.yaml"), content: components },
        text(inventory, format!("{folder}/gotk-sync.yaml"), &render(SYNC, &sync)),
        text(inventory, format!("{folder}/kustomization.yaml"), &render(KUSTOMIZATION, &())),
    ]
}
