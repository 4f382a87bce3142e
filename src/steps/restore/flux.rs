//! Flux lets go of the site, and takes it up again.

use serde_json::json;

use super::Scene;
use crate::facts::flux::{FLUX, Resource};
use crate::kube::flux::path;
use crate::kube::request::{get, merge};
use crate::mastodon::{NAMESPACE, RELEASE};
use crate::plan::Verdict;
use crate::steps::{Context, Failure};

/// The field manager of the `flux` program. What another one writes, the kustomize-controller takes away again
/// (fluxcd/kustomize-controller `docs/spec/v1/kustomizations.md`).
const MANAGER: &str = "flux-client-side-apply";
/// The chart's weekly Job (mastodon/chart `templates/cronjob-media-remove.yaml`).
const CRON: &str = "mastodon-media-remove";

impl Scene<'_> {
    fn kustomization(&self) -> Option<&Resource> {
        let flux = self.facts.cluster.as_ref()?.flux.as_ref()?;
        flux.kustomizations.get(&format!("{FLUX}/{RELEASE}"))
    }

    fn release(&self) -> Option<&Resource> {
        let flux = self.facts.cluster.as_ref()?.flux.as_ref()?;
        flux.helm_releases.get(&format!("{NAMESPACE}/{RELEASE}"))
    }

    pub(super) fn kustomization_suspended(&self) -> Verdict {
        match self.kustomization() {
            Some(found) if !found.suspended => Verdict::differs("Flux applies the site's manifests"),
            _ => Verdict::Holds,
        }
    }

    pub(super) fn release_suspended(&self) -> Verdict {
        match self.release() {
            // Suspending does not stop what helm is in the middle of. helm-controller looks at a suspended release only after that,
            // and all it does then is to note the generation (fluxcd/helm-controller
            // `internal/controller/helmrelease_controller.go`).
            Some(found) if found.suspended && found.progressing && found.observed != found.generation => {
                Verdict::settling("Flux is still at work on the release, as it was when it was suspended")
            }
            // Also one that fails: between its attempts it says for ever that it is reconciling.
            Some(found) if !found.suspended => Verdict::differs("Flux looks after the release"),
            _ => Verdict::Holds,
        }
    }

    pub(super) fn cron_suspended(&self) -> Verdict {
        match self.seen.cron_suspended {
            Some(false) => Verdict::differs("the weekly Job that removes media may begin"),
            _ => Verdict::Holds,
        }
    }
}

async fn set(context: &Context, kind: &str, namespace: &str, suspended: bool) -> Result<(), Failure> {
    let client = context.api().await?;
    let path = path(kind, namespace, RELEASE);
    if get::<serde_json::Value>(&client, &path).await?.is_none() {
        return Ok(());
    }
    let patch = json!({ "spec": { "suspend": suspended } });
    Ok(merge(&client, &format!("{path}?fieldManager={MANAGER}"), &patch).await.map(drop)?)
}

pub(super) async fn suspend_kustomization(context: &Context) -> Result<(), Failure> {
    set(context, "Kustomization", FLUX, true).await
}

pub(super) async fn suspend_release(context: &Context) -> Result<(), Failure> {
    set(context, "HelmRelease", NAMESPACE, true).await
}

async fn set_cron(context: &Context, suspended: bool) -> Result<(), Failure> {
    let path = format!("/apis/batch/v1/namespaces/{NAMESPACE}/cronjobs/{CRON}");
    Ok(merge(&context.api().await?, &path, &json!({ "spec": { "suspend": suspended } })).await.map(drop)?)
}

pub(super) async fn suspend_cron(context: &Context) -> Result<(), Failure> {
    set_cron(context, true).await
}

/// The other way round: the release first.
pub(super) async fn resume(context: &Context) -> Result<(), Failure> {
    let scene = Scene::at_hand(context)?;
    if scene.seen.cron_suspended.is_some() {
        set_cron(context, false).await?;
    }
    set(context, "HelmRelease", NAMESPACE, false).await?;
    set(context, "Kustomization", FLUX, false).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::flux::FluxFacts;
    use crate::facts::mastodon::MastodonFacts;
    use crate::facts::restore::Restore;
    use crate::facts::{ClusterFacts, Facts};
    use crate::steps::mastodon::fixture::inventory;

    fn judge(release: Resource) -> Verdict {
        let flux =
            FluxFacts { helm_releases: [("mastodon/mastodon".to_owned(), release)].into(), ..FluxFacts::default() };
        let cluster =
            ClusterFacts { flux: Some(flux), mastodon: Some(MastodonFacts::default()), ..ClusterFacts::default() };
        let restore = Restore {
            id: "01J".into(),
            folder: "2026-11-21T0300Z".into(),
            manifest: crate::backup::manifest::fixture("2026-11-21T0300Z", jiff::Timestamp::UNIX_EPOCH),
            identity: None,
            rehearsal: false,
        };
        let facts = Facts { cluster: Some(cluster), restore: Some(restore.into()), ..Facts::default() };
        Scene::of(&inventory(), &facts).map_or_else(|verdict| verdict, |scene| scene.release_suspended())
    }

    #[test]
    fn a_release_is_suspended_whatever_it_is_at_and_then_waited_for() {
        let release = |suspended, progressing, observed| {
            judge(Resource { generation: 2, observed, suspended, progressing, ..Resource::default() })
        };
        for progressing in [false, true] {
            assert!(matches!(release(false, progressing, 2), Verdict::Differs { .. }));
        }
        assert!(matches!(release(true, true, 1), Verdict::Settling { .. }));
        // It failed, or was not worked on.
        assert_eq!(release(true, false, 1), Verdict::Holds);
        // It waited for its chart, which it says in the same words: helm-controller has seen since that it is suspended.
        assert_eq!(release(true, true, 2), Verdict::Holds);
    }
}
