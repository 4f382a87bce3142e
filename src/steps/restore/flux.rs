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
            Some(found) if found.suspended => Verdict::Holds,
            // What is being upgraded is not stopped half-way.
            Some(found) if found.reconciling => Verdict::settling("Flux is at work on the release"),
            Some(_) => Verdict::differs("Flux looks after the release"),
            None => Verdict::Holds,
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
