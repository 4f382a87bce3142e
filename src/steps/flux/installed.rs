//! Flux runs in the cluster: the release the inventory names, or the one that was there.

use async_trait::async_trait;

use super::super::{Context, Failure, RustStep};
use super::{flux, held_up, manifest, newer_release, repository, would_downgrade};
use crate::facts::Facts;
use crate::inventory::model::Inventory;
use crate::plan::{Place, Verdict};

/// Flux's controllers are available and serve the API versions homeprov writes.
pub struct FluxInstalled;

/// The controllers that what is in the repository needs (fluxcd/flux2 `manifests/bases`).
const CONTROLLERS: [&str; 3] = ["helm-controller", "kustomize-controller", "source-controller"];

#[async_trait]
impl RustStep for FluxInstalled {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        let Some((wanted, seen)) = repository(inventory, facts) else { return Verdict::Holds };
        if facts.cluster.is_none() {
            return Verdict::unknown("members-joined");
        }
        if let Some(version) = newer_release(wanted, facts) {
            return would_downgrade(wanted, version);
        }
        let install = |why: String| match (&seen.components, &seen.components_problem) {
            (None, Some(problem)) => held_up(problem),
            _ => Verdict::differs(why),
        };
        let Some(flux) = flux(facts) else { return install(format!("Flux v{} is not installed", wanted.version)) };
        let absent: Vec<&str> = CONTROLLERS.into_iter().filter(|name| !flux.deployments.contains_key(*name)).collect();
        if !absent.is_empty() || !flux.established {
            let what = match absent.as_slice() {
                [] => "it does not serve the API versions of Flux 2.9".to_owned(),
                absent => format!("{} is missing", absent.join(", ")),
            };
            return match &flux.version {
                Some(version) if *version != wanted.version => Verdict::blocked(format!(
                    "Flux v{version} is there, but {what}\nBring it to v{}, or remove it (`flux uninstall`): homeprov \
                     installs over no other release.",
                    wanted.version
                )),
                _ => install(format!("Flux v{} is there in part: {what}", wanted.version)),
            };
        }
        let starting: Vec<&str> =
            flux.deployments.iter().filter(|(_, ready)| !**ready).map(|(name, _)| name.as_str()).collect();
        if starting.is_empty() {
            Verdict::Holds
        } else {
            Verdict::settling(format!("{} is not ready", starting.join(", ")))
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let components = context.facts.repository.as_ref().and_then(|seen| seen.components.clone());
        let Some(components) = components else { return Ok(()) };
        let client = context.api().await?;
        manifest::apply(context, &client, &components).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{facts, inventory, with_flux};
    use super::*;

    fn check(facts: &Facts) -> Verdict {
        FluxInstalled.check(&inventory(), facts, &Place::Cluster)
    }

    #[test]
    fn what_is_there_is_kept_or_told() {
        assert_eq!(check(&facts()), Verdict::Holds);
        let mut none = facts();
        none.cluster.as_mut().unwrap().flux = None;
        assert_eq!(check(&none), Verdict::differs("Flux v2.9.4 is not installed"));
        let starts = with_flux(|flux| {
            flux.deployments.insert("source-controller".into(), false);
        });
        assert_eq!(check(&starts), Verdict::settling("source-controller is not ready"));
        let half = with_flux(|flux| {
            flux.deployments.remove("helm-controller");
        });
        assert_eq!(check(&half), Verdict::differs("Flux v2.9.4 is there in part: helm-controller is missing"));
        let older = with_flux(|flux| flux.version = Some("2.8.1".into()));
        assert_eq!(check(&older), Verdict::Holds);
        let newer = with_flux(|flux| flux.version = Some("2.10.0".into()));
        assert!(matches!(check(&newer), Verdict::Blocked { reason } if reason.contains("v2.10.0 runs")));
        let old = with_flux(|flux| (flux.version, flux.established) = (Some("0.41.2".into()), false));
        assert!(matches!(check(&old), Verdict::Blocked { reason } if reason.contains("API versions")));
    }
}
