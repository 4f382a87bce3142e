//! The steps from a Git repository to a cluster that follows it.

mod deploy_key;
#[cfg(test)]
mod fixture;
mod installed;
mod kubernetes;
mod manifest;
mod reconciled;
mod repository_pushed;
mod sealed;
mod secret;
mod sync;

pub use deploy_key::DeployKey;
pub use installed::FluxInstalled;
pub use kubernetes::FluxKubernetes;
pub use reconciled::FluxReconciled;
pub use repository_pushed::RepositoryPushed;
pub use secret::FluxSecret;
pub use sync::FluxSync;

use crate::facts::flux::{FluxFacts, newer};
use crate::facts::{Facts, RepositoryFacts};
use crate::gitops::cause::Problem;
use crate::gitops::render::{File, sealed_path};
use crate::gitops::wanted::{Change, Fate, changes, kept, wanted};
use crate::inventory::model::{Flux, Inventory};
use crate::plan::Verdict;

/// What is wanted and what was read of the repository; none without `[flux]`.
fn repository<'a>(inventory: &'a Inventory, facts: &'a Facts) -> Option<(&'a Flux, &'a RepositoryFacts)> {
    Some((inventory.flux.as_ref()?, facts.repository.as_ref()?))
}

/// What was read of Flux; none before there is a cluster or a Flux.
fn flux(facts: &Facts) -> Option<&FluxFacts> {
    facts.cluster.as_ref()?.flux.as_ref()
}

/// A problem that may be over by itself is waited for.
fn held_up(problem: &Problem) -> Verdict {
    if problem.passing { Verdict::settling(&problem.reason) } else { Verdict::blocked(&problem.reason) }
}

/// How the repository differs from what it should be; none while it, or Flux's own manifest, could not be read.
fn differences(inventory: &Inventory, facts: &Facts) -> Option<Vec<Change>> {
    let seen = facts.repository.as_ref().filter(|seen| seen.problem.is_none())?;
    let components = seen.components.as_deref()?;
    let wanted = wanted(inventory, facts);
    let mut changes = changes(inventory, &wanted, &seen.files, components, seen.overwrite);
    changes.extend(secrets_to_come(inventory, &wanted, seen));
    Some(changes)
}

/// The sealed secrets of a site whose secrets are still to be made: a plan names them, too.
fn secrets_to_come(inventory: &Inventory, wanted: &[File], seen: &RepositoryFacts) -> Option<Change> {
    let path = sealed_path(&inventory.mastodon.as_ref()?.path);
    let known = seen.files.contains_key(&path) || wanted.iter().any(|file| file.path == path);
    let shown = format!("{path}: the secrets, encrypted, once they are made\n");
    (!known).then_some(Change { path, fate: Fate::New, text: None, shown })
}

/// The release of Flux in the cluster, when it is newer than the inventory's: homeprov never takes it back.
fn newer_release<'a>(wanted: &Flux, facts: &'a Facts) -> Option<&'a str> {
    flux(facts)?.version.as_deref().filter(|version| newer(version, &wanted.version))
}

fn would_downgrade(wanted: &Flux, version: &str) -> Verdict {
    Verdict::blocked(format!(
        "Flux v{version} runs in the cluster, the inventory says {}; homeprov does not take a release back\nSay `version = \
         \"{version}\"` under [flux] in the inventory.",
        wanted.version
    ))
}

/// A server that does not answer holds up the site's steps, which may be long in coming: it is told at once.
fn away(problem: &Problem) -> String {
    format!("the Git repository cannot be read at the moment; what needs it waits\n{}", problem.reason)
}

/// What a user should know of the repository and of Flux that is no failure, a text each. None without `[flux]`.
pub fn warnings(inventory: &Inventory, facts: &Facts) -> Vec<String> {
    let Some((wanted, seen)) = repository(inventory, facts) else { return Vec::new() };
    let mut warnings = differences(inventory, facts).map(|changes| kept(&changes)).unwrap_or_default();
    // Told as soon as it is known: there is time to add it while the machines are set up.
    warnings.extend(deploy_key::to_add(inventory, facts));
    warnings.extend(seen.problem.as_ref().filter(|problem| problem.passing).map(away));
    if let Some(access) = seen.access.as_ref().filter(|access| access.may_write) {
        let what = if access.public.is_some() { "deploy key" } else { "password" };
        warnings.push(format!(
            "the cluster's {what} may push to the repository: whoever gets into the cluster could change what is deployed. \
             Flux only reads: take the write access from it"
        ));
    }
    if let Some(version) = flux(facts).and_then(|flux| flux.version.as_deref())
        && newer(&wanted.version, version)
    {
        warnings.push(format!(
            "Flux v{version} runs in the cluster and is kept; the inventory says {}. Where homeprov wrote \
             gotk-components.yaml, Flux changes itself to what the repository says",
            wanted.version
        ));
    }
    warnings
}
