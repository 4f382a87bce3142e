//! What there is of the user's Git repository, read on this machine beside the nodes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::OptionFuture;

use crate::gitops::access::{self, Access};
use crate::gitops::cause::{self, Problem};
use crate::gitops::components::{self, Source};
use crate::gitops::publish::{self, Found};
use crate::gitops::render::Templates;
use crate::gitops::repository::{Files, Repository};
use crate::gitops::wanted;
use crate::inventory::model::{Flux, Inventory};

/// The repository as it is on the server, and the way of the cluster to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepositoryFacts {
    /// Why it could not be read.
    pub problem: Option<Problem>,
    /// The branch's newest commit; none in a repository without commits, and when it could not be read.
    pub head: Option<String>,
    /// The wanted files that are there, by their path in the repository.
    pub files: Files,
    /// Flux's own manifest of the wanted release, verified.
    pub components: Option<Arc<str>>,
    /// Why there is none.
    pub components_problem: Option<Problem>,
    /// How far the cluster gets with what it is given; none while homeprov has still to make its key.
    pub access: Option<Access>,
    /// Why what the cluster is given cannot be used.
    pub access_problem: Option<Problem>,
    /// Whether files that a person edited are written anew.
    pub overwrite: bool,
    /// The templates of what is wanted there.
    pub templates: Templates,
}

/// How what is wanted comes about: what a user said beside the inventory.
#[derive(Debug, Clone, Default)]
pub struct Manner {
    /// Whether files that a person edited are written anew.
    pub overwrite: bool,
    /// The templates.
    pub templates: Templates,
}

/// The cluster's folder in homeprov's folder for state.
pub fn folder(state: &Path, inventory: &Inventory) -> PathBuf {
    state.join("clusters").join(&inventory.cluster.name)
}

/// Reads it; nothing without `[flux]`. `before` is what was read earlier in the same run.
pub async fn read(
    inventory: &Inventory,
    state: &Path,
    manner: &Manner,
    before: Option<&RepositoryFacts>,
) -> Option<RepositoryFacts> {
    let flux = inventory.flux.as_ref()?;
    let folder = folder(state, inventory);
    let repository = Repository::open(&folder).await;
    let repository = repository.map_err(|error| cause::explain(&error, flux.push_url(), &flux.branch));
    let source = source(flux);
    let (found, components, access) = tokio::join!(
        found(inventory, flux, repository.as_ref()),
        components::read(&source, state),
        access(inventory, flux, &folder, repository.as_ref().ok(), before.and_then(|before| before.access.as_ref())),
    );
    let (found, problem) = apart(found);
    let (components, components_problem) = apart(components.map(Some));
    let (access, access_problem) = apart(access);
    let Found { head, files } = found;
    let Manner { overwrite, templates } = manner.clone();
    Some(RepositoryFacts {
        problem,
        head,
        files,
        components,
        components_problem,
        access,
        access_problem,
        overwrite,
        templates,
    })
}

/// Where Flux's own manifest comes from.
fn source(flux: &Flux) -> Source {
    Source { version: flux.version.clone(), place: flux.components.clone(), checksum: flux.checksum.clone() }
}

async fn found(
    inventory: &Inventory,
    flux: &Flux,
    repository: Result<&Repository, &Problem>,
) -> Result<Found, Problem> {
    let repository = repository.map_err(Problem::clone)?;
    let remote = access::of_user(inventory, flux).await;
    publish::look(repository, &remote, &flux.branch, &wanted::paths(inventory)).await
}

async fn access(
    inventory: &Inventory,
    flux: &Flux,
    folder: &Path,
    repository: Option<&Repository>,
    before: Option<&Access>,
) -> Result<Option<Access>, Problem> {
    let material = access::material(inventory, flux, folder).await?;
    let tried = material.as_ref().map(|material| access::access(flux, material, repository, before));
    Ok(OptionFuture::from(tried).await)
}

fn apart<T: Default>(result: Result<T, Problem>) -> (T, Option<Problem>) {
    match result {
        Ok(value) => (value, None),
        Err(problem) => (T::default(), Some(problem)),
    }
}
