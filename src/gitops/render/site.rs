//! The files of the site: what Flux is told of it, and its own manifests.

use serde::Serialize;

use super::template::{block, render};
use super::{File, text};
use crate::inventory::model::{Access, Flux, Inventory, Mastodon};
use crate::inventory::storage::classes::{rwo_class, rwx_class};
use crate::mastodon::{ASSETS_CLAIM, SYSTEM_CLAIM, values};

const SOURCE: &str = include_str!("../../../playbooks/gitops/gitrepositories/gitrepository-mastodon.yaml.hbs");
const NAMESPACE: &str = include_str!("../../../playbooks/gitops/namespaces/namespace-mastodon.yaml.hbs");
const KUSTOMIZATION: &str = include_str!("../../../playbooks/gitops/kustomizations/kustomization-mastodon.yaml.hbs");
const VALUES: &str =
    include_str!("../../../playbooks/gitops/mastodon/configmap-mastodon-helm-chart-value-overrides.yaml.hbs");
const RELEASE: &str = include_str!("../../../playbooks/gitops/mastodon/helmrelease-mastodon.yaml.hbs");
const CLAIM: &str = include_str!("../../../playbooks/gitops/mastodon/persistentvolumeclaim.yaml.hbs");

/// What an installation takes besides the start of the databases, in seconds: images on slow lines, migrations.
const ALLOWANCE: u32 = 900;

#[derive(Serialize)]
struct Site<'a> {
    chart: &'a str,
    commit: &'a str,
    path: String,
    timeout: String,
    deployments: Vec<String>,
    /// The chart's migrations run after the installation, and its pods are not ready before: waiting for them first would
    /// never end (mastodon/chart issues 18 and 32). With a database outside they run before.
    disable_wait: bool,
    values: String,
}

#[derive(Serialize)]
struct Claim<'a> {
    name: &'a str,
    mode: &'a str,
    class: Option<&'a str>,
    size: String,
}

pub(super) fn files(inventory: &Inventory, flux: &Flux, mastodon: &Mastodon) -> Vec<File> {
    let site = Site {
        chart: &mastodon.chart.repository,
        commit: &mastodon.chart.commit,
        path: format!("./{}", mastodon.path),
        timeout: format!("{}m", (mastodon.startup_seconds + ALLOWANCE).div_ceil(60)),
        deployments: values::deployments(mastodon),
        disable_wait: mastodon.bundled_postgresql(),
        values: block(&values::text(inventory, mastodon), 4),
    };
    let file = |folder: &str, name: &str, template: &str| {
        text(inventory, format!("{folder}/{name}.yaml"), &render(template, &site))
    };
    let (cluster, own) = (&flux.path, &mastodon.path);
    let mut files = vec![
        file(&format!("{cluster}/gitrepositories"), "gitrepository-mastodon", SOURCE),
        file(&format!("{cluster}/namespaces"), "namespace-mastodon", NAMESPACE),
        file(&format!("{cluster}/kustomizations"), "kustomization-mastodon", KUSTOMIZATION),
        file(own, "configmap-mastodon-helm-chart-value-overrides", VALUES),
        file(own, "helmrelease-mastodon", RELEASE),
    ];
    if mastodon.s3.is_none() {
        files.extend(claims(inventory, mastodon).map(|claim| {
            let path = format!("{own}/persistentvolumeclaim-{}.yaml", claim.name);
            text(inventory, path, &render(CLAIM, &claim))
        }));
    }
    files
}

fn claims<'a>(inventory: &'a Inventory, mastodon: &'a Mastodon) -> impl Iterator<Item = Claim<'a>> {
    let class = match mastodon.access {
        Access::Rwx => rwx_class(&inventory.storage),
        Access::Rwo => rwo_class(&inventory.storage),
    };
    let sizes = [(ASSETS_CLAIM, mastodon.assets_size), (SYSTEM_CLAIM, mastodon.system_size)];
    sizes.into_iter().map(move |(name, size)| Claim {
        name,
        mode: mastodon.access.mode(),
        class,
        size: values::quantity(size),
    })
}
