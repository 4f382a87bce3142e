//! Flux follows the repository: the objects of `gotk-sync.yaml`, as they are in Git.

use async_trait::async_trait;

use super::super::{Context, Failure, RustStep};
use super::{flux, manifest, repository};
use crate::facts::Facts;
use crate::facts::flux::FLUX;
use crate::inventory::model::Inventory;
use crate::plan::{Place, Verdict};

/// `GitRepository/flux-system` and `Kustomization/flux-system` are there.
pub struct FluxSync;

/// A URL without what servers do not mind.
fn same(url: &str) -> &str {
    let url = url.trim_end_matches('/');
    url.strip_suffix(".git").unwrap_or(url)
}

fn folder(path: &str) -> String {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").collect::<Vec<_>>().join("/")
}

/// What Flux follows instead of what the inventory says: a line for each reading. None when it follows that, or nothing.
pub(super) fn elsewhere(inventory: &Inventory, facts: &Facts) -> Option<Verdict> {
    let (wanted, flux) = (inventory.flux.as_ref()?, flux(facts)?);
    let mut readings = Vec::new();
    let mut compare = |what: &str, is: &str, wanted: &str, same: bool| {
        if !same {
            readings.push(format!("{what}: Flux has {is}, the inventory {wanted}"));
        }
    };
    if let Some(source) = flux.source() {
        let url = source.url.as_deref().unwrap_or_default();
        compare("repository", url, &wanted.repository, same(url) == same(&wanted.repository));
        let branch = source.branch.as_deref().unwrap_or("another reference");
        compare("branch", branch, &wanted.branch, branch == wanted.branch);
    }
    if let Some(kustomization) = flux.kustomization() {
        let path = kustomization.path.as_deref().unwrap_or("./");
        compare("path", path, &format!("./{}", wanted.path), folder(path) == folder(&wanted.path));
    }
    if readings.is_empty() {
        return None;
    }
    Some(Verdict::blocked(format!(
        "Flux in the cluster follows something else, and homeprov does not lead it away\n{}\nMend [flux] in the inventory, or \
         Flux: `microk8s kubectl -n {FLUX} edit gitrepositories/{FLUX} kustomizations/{FLUX}`. What another path no longer \
         has, Flux deletes.",
        readings.join("\n")
    )))
}

#[async_trait]
impl RustStep for FluxSync {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        let Some((wanted, seen)) = repository(inventory, facts) else { return Verdict::Holds };
        let Some(flux) = flux(facts).filter(|flux| flux.established) else { return Verdict::unknown("flux-installed") };
        if let Some(elsewhere) = elsewhere(inventory, facts) {
            return elsewhere;
        }
        match (flux.source(), flux.kustomization()) {
            (Some(_), Some(_)) => Verdict::Holds,
            _ if !seen.files.contains_key(&file(&wanted.path)) => Verdict::unknown("repository-pushed"),
            (None, _) => Verdict::differs(format!("there is no GitRepository {FLUX}")),
            (_, None) => Verdict::differs(format!("there is no Kustomization {FLUX}")),
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let Some((wanted, seen)) = repository(&context.inventory, &context.facts) else { return Ok(()) };
        let Some(text) = seen.files.get(&file(&wanted.path)) else { return Ok(()) };
        let client = context.api().await?;
        manifest::apply(context, &client, text).await
    }
}

fn file(path: &str) -> String {
    format!("{path}/flux-system/gotk-sync.yaml")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{facts, inventory, with_flux};
    use super::*;

    fn check(facts: &Facts) -> Verdict {
        FluxSync.check(&inventory(), facts, &Place::Cluster)
    }

    #[test]
    fn another_repository_or_path_is_shown_with_both_readings() {
        assert_eq!(check(&facts()), Verdict::Holds);
        let key = "flux-system/flux-system";
        let alike = with_flux(|flux| {
            flux.sources.get_mut(key).unwrap().url = Some("ssh://git@git.example.org/home.git/".into());
            flux.kustomizations.get_mut(key).unwrap().path = Some("clusters/home/".into());
        });
        assert_eq!(check(&alike), Verdict::Holds);
        let other = with_flux(|flux| {
            flux.sources.get_mut(key).unwrap().url = Some("ssh://git@github.com/me/fleet".into());
            flux.kustomizations.get_mut(key).unwrap().path = Some("./clusters/old".into());
        });
        let Verdict::Blocked { reason } = check(&other) else { panic!("{:?}", check(&other)) };
        for reading in [
            "Flux has ssh://git@github.com/me/fleet, the inventory ssh://git@git.example.org/home",
            "Flux has ./clusters/old, the inventory ./clusters/home",
        ] {
            assert!(reason.contains(reading), "{reason}");
        }
    }

    #[test]
    fn what_is_missing_is_applied_once_it_is_in_git() {
        let missing = with_flux(|flux| flux.kustomizations.clear());
        assert_eq!(check(&missing), Verdict::differs("there is no Kustomization flux-system"));
        let mut not_pushed = missing.clone();
        not_pushed.repository.as_mut().unwrap().files.clear();
        assert_eq!(check(&not_pushed), Verdict::unknown("repository-pushed"));
    }
}
