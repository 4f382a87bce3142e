//! The controllers of Flux 2.9: source-controller, kustomize-controller and helm-controller.
//!
//! They work while the pods of their Deployments are ready, and on nothing but the objects, like every other controller
//! here. What they cannot do by themselves is to reach a Git server: they say what they want fetched
//! ([`Kubernetes::wanted_fetches`]) and go on once it was answered ([`Kubernetes::fetched`]).

mod charts;
mod conditions;
mod duration;
mod fetch;
mod git;
mod health;
mod helm;
mod known;
mod kustomize;
pub(super) mod manifest;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::Kubernetes;
use super::store::Key;
use super::types::Millis;
use super::value::{at, list, number, set, text};

pub use fetch::{Fetch, Reference, Tree};
pub use manifest::manifest;

use work::Works;

/// The groups of Flux's kinds.
pub(super) const SOURCE: &str = "source.toolkit.fluxcd.io";
pub(super) const KUSTOMIZE: &str = "kustomize.toolkit.fluxcd.io";
pub(super) const HELM: &str = "helm.toolkit.fluxcd.io";

/// What holds an object back until its controller has cleaned up after it.
const FINALIZER: &str = "finalizers.fluxcd.io";
/// How long kustomize-controller and helm-controller wait for what they depend on (their `--requeue-dependency`).
const DEPENDENCY: Millis = 30_000;

/// What the controllers keep to themselves: it is not in any object.
#[derive(Debug, Default)]
pub(super) struct Flux {
    git: Works<git::Stage>,
    charts: Works<()>,
    kustomizations: Works<kustomize::Stage>,
    releases: Works<helm::Stage>,
    /// What source-controller has in its storage, by object uid.
    trees: BTreeMap<String, Arc<Tree>>,
    fetches: fetch::Fetches,
    /// How many dry-runs the fault `flux-reconcile-fails` has spoilt.
    spoilt_dry_runs: u32,
    /// Whether the fault `helm-install-fails-once` has happened.
    spoilt_install: bool,
}

impl Kubernetes {
    pub(super) fn run_flux(&mut self) {
        if self.flux_controller("source-controller") {
            self.run_git_repositories();
            self.run_helm_charts();
        }
        if self.flux_controller("kustomize-controller") {
            self.run_kustomizations();
        }
        if self.flux_controller("helm-controller") {
            self.run_helm_releases();
        }
    }

    /// Whether a controller of Flux's works: a Deployment of its image has a ready pod, and its kinds are served.
    fn flux_controller(&self, name: &str) -> bool {
        let (group, plural) = match name {
            "source-controller" => (SOURCE, "gitrepositories"),
            "kustomize-controller" => (KUSTOMIZE, "kustomizations"),
            _ => (HELM, "helmreleases"),
        };
        if self.kinds.preferred(group, plural).is_none() {
            return false;
        }
        let image = format!("/{name}:");
        self.store.list("apps", "deployments", None).any(|(_, deployment)| {
            number(deployment, "/status/readyReplicas") > 0
                && list(deployment, "/spec/template/spec/containers")
                    .iter()
                    .any(|container| text(container, "/image").contains(&image))
        })
    }

    /// Adds Flux's finalizer to an object that lacks it; true when it did.
    fn add_flux_finalizer(&mut self, key: &Key, object: &Value) -> bool {
        if list(object, "/metadata/finalizers").iter().any(|known| known == FINALIZER) {
            return false;
        }
        self.edit(key, |object| {
            let mut finalizers = list(object, "/metadata/finalizers").to_vec();
            finalizers.push(FINALIZER.into());
            set(object, "/metadata/finalizers", finalizers);
        })
    }

    /// Takes Flux's finalizer from an object that is to go; with the last finalizer goes the object.
    fn remove_flux_finalizer(&mut self, key: &Key) {
        self.edit(key, |object| {
            let mut finalizers = list(object, "/metadata/finalizers").to_vec();
            finalizers.retain(|known| known != FINALIZER);
            set(object, "/metadata/finalizers", finalizers);
        });
        if self.store.get(key).is_some_and(|object| list(object, "/metadata/finalizers").is_empty()) {
            self.erase(key);
        }
    }
}

/// What an object is asked to be reconciled by: a new value is a new request.
const REQUESTED: &str = "/metadata/annotations/reconcile.fluxcd.io~1requestedAt";

/// The things an object's owner says: its generation and the latest request.
fn wish(object: &Value) -> String {
    format!("{} {}", number(object, "/metadata/generation"), text(object, REQUESTED))
}

/// The length of time in a field, or another one where the field is absent or no length.
fn length(object: &Value, path: &str, otherwise: Millis) -> Millis {
    duration::parse(text(object, path)).unwrap_or(otherwise)
}

/// The object at the end of a `sourceRef`, in the referrer's namespace where it names none.
fn source_key(reference: &Value, own_namespace: &str) -> Key {
    let namespace = match text(reference, "/namespace") {
        "" => own_namespace,
        other => other,
    };
    let plural = match text(reference, "/kind") {
        "GitRepository" => "gitrepositories",
        "HelmRepository" => "helmrepositories",
        "OCIRepository" => "ocirepositories",
        "HelmChart" => "helmcharts",
        "Bucket" => "buckets",
        _ => "externalartifacts",
    };
    Key::new(SOURCE, plural, namespace, text(reference, "/name"))
}

/// The revision of an object's artifact, empty when it has none.
fn revision(object: &Value) -> &str {
    text(object, "/status/artifact/revision")
}

/// Whether an object is to be left alone.
fn suspended(object: &Value) -> bool {
    *at(object, "/spec/suspend") == true
}
