//! The chart `mastodon` 6.9.3 (mastodon/chart @ 3c8d76d) and its dependencies, as far as their objects matter here.

mod claims;
mod defaults;
mod elasticsearch;
mod environment;
mod failures;
mod jobs;
mod network;
mod postgresql;
mod rails;
mod redis;
mod secrets;
mod sidekiq;
mod streaming;
mod subchart;
mod templates;
mod web;

use serde_json::Value;

use crate::kubernetes::addons::{Release, merge_values, truth};
use crate::kubernetes::value::{at, remove, set, text};

pub use defaults::defaults;
use templates::Templates;

/// What helm makes of the chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The objects of the release, in the order in which helm installs kinds, with the labels and annotations helm sets.
    pub objects: Vec<Value>,
    /// What runs around an installation or an upgrade, in the order of the files; sort by weight, then by kind and name.
    pub hooks: Vec<Hook>,
}

/// An object that is no part of the release: it is created at its moment, and deleted before the next and when it succeeded
/// (`before-hook-creation,hook-succeeded` in all of this chart's).
#[derive(Debug, Clone, PartialEq)]
pub struct Hook {
    /// A Job, or a Secret a Job needs.
    pub object: Value,
    /// `pre-install`, `post-install`, `pre-upgrade`, `post-upgrade`.
    pub events: Vec<&'static str>,
    /// Smaller ones come first.
    pub weight: i64,
}

/// Renders the chart with the user's values, which need not contain the chart's own: those are merged in below them.
///
/// # Errors
/// What helm prints where a template fails: a `required` value that is missing, a combination it refuses.
pub fn render(release: Release<'_>, values: &Value, revision: u32) -> Result<Rendered, String> {
    let mut merged = defaults();
    merge_values(&mut merged, values);
    let templates = Templates::new(release, &merged, revision);
    failures::check(&templates)?;
    let mut objects = secrets::objects(&templates);
    objects.push(environment::config_map(&templates));
    objects.extend(claims::objects(&templates));
    objects.extend(network::objects(&templates));
    objects.push(web::deployment(&templates));
    objects.push(streaming::deployment(&templates));
    objects.extend(sidekiq::deployments(&templates));
    objects.extend(jobs::media_remove(&templates));
    if truth(&merged, "/postgresql/enabled") {
        objects.extend(postgresql::objects(&templates));
    }
    if truth(&merged, "/redis/enabled") {
        objects.extend(redis::objects(&templates));
    }
    if truth(&merged, "/elasticsearch/enabled") {
        objects.extend(elasticsearch::objects(&templates));
    }
    let mut hooks = secrets::hooks(&templates);
    hooks.extend(jobs::hooks(&templates));
    for object in &mut objects {
        set(object, "/metadata/labels/app.kubernetes.io~1managed-by", "Helm");
        set(object, "/metadata/annotations/meta.helm.sh~1release-name", release.name);
        set(object, "/metadata/annotations/meta.helm.sh~1release-namespace", release.namespace);
    }
    for object in objects.iter_mut().chain(hooks.iter_mut().map(|hook| &mut hook.object)) {
        set(object, "/metadata/namespace", release.namespace);
        prune(object);
    }
    objects.sort_by_key(|object| (place(object), text(object, "/metadata/name").to_owned()));
    Ok(Rendered { objects, hooks })
}

/// helm's `pkg/releaseutil/kind_sorter.go`, the kinds that occur here.
const ORDER: [&str; 10] = [
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "ConfigMap",
    "PersistentVolumeClaim",
    "Service",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "Ingress",
];

fn place(object: &Value) -> usize {
    ORDER.iter().position(|kind| *kind == text(object, "/kind")).unwrap_or(ORDER.len())
}

/// Templates leave out what has no value; here it was written as null.
fn prune(object: &mut Value) {
    match object {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(prune);
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
    if at(object, "/metadata/annotations").as_object().is_some_and(serde_json::Map::is_empty) {
        remove(object, "/metadata/annotations");
    }
}
