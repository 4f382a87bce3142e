//! The files of the site: what Flux is told of it, and its own manifests.

use serde::Serialize;

use super::{Rendered, block};
use crate::inventory::model::{Access, Flux, Inventory, Mastodon};
use crate::inventory::storage::classes::{rwo_class, rwx_class};
use crate::mastodon::{ASSETS_CLAIM, SYSTEM_CLAIM, values};

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

pub(super) fn rendered(inventory: &Inventory, flux: &Flux, mastodon: &Mastodon) -> Vec<Rendered> {
    let site = Site {
        chart: &mastodon.chart.repository,
        commit: &mastodon.chart.commit,
        path: format!("./{}", mastodon.path),
        timeout: format!("{}m", (mastodon.startup_seconds + ALLOWANCE).div_ceil(60)),
        deployments: values::deployments(mastodon),
        disable_wait: mastodon.bundled_postgresql(),
        values: block(&values::text(inventory, mastodon), 4),
    };
    let shared = super::values(&site);
    let file = |folder: &str, name: &str, template: &'static str| Rendered {
        path: format!("{folder}/{name}.yaml"),
        template,
        values: shared.clone(),
    };
    let (cluster, own) = (&flux.path, &mastodon.path);
    let values = "configmap-mastodon-helm-chart-value-overrides";
    let mut files = vec![
        file(
            &format!("{cluster}/gitrepositories"),
            "gitrepository-mastodon",
            "gitrepositories/gitrepository-mastodon.yaml.hbs",
        ),
        file(&format!("{cluster}/namespaces"), "namespace-mastodon", "namespaces/namespace-mastodon.yaml.hbs"),
        file(
            &format!("{cluster}/kustomizations"),
            "kustomization-mastodon",
            "kustomizations/kustomization-mastodon.yaml.hbs",
        ),
        file(own, values, "mastodon/configmap-mastodon-helm-chart-value-overrides.yaml.hbs"),
        file(own, "helmrelease-mastodon", "mastodon/helmrelease-mastodon.yaml.hbs"),
    ];
    if mastodon.s3.is_none() {
        files.extend(claims(inventory, mastodon).map(|claim| Rendered {
            path: format!("{own}/persistentvolumeclaim-{}.yaml", claim.name),
            template: "mastodon/persistentvolumeclaim.yaml.hbs",
            values: super::values(&claim),
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
