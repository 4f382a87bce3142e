//! The `HelmRelease` is installed as the pushed revision has it, by helm-controller alone.
//!
//! Nothing here ever uninstalls or rolls back: a failed attempt is repeated by Flux as an upgrade
//! (fluxcd/helm-controller `docs/spec/v2/helmreleases.md`, `RetryOnFailure`). Only one that has stalled is asked to try again.

use async_trait::async_trait;

use super::running::troubles;
use super::{at_hand, both, broken_off};
use crate::facts::flux::{FLUX, FluxFacts, Resource, commit};
use crate::facts::mastodon::MastodonFacts;
use crate::facts::record::{Record, fingerprint};
use crate::facts::restore;
use crate::facts::{ClusterFacts, Facts};
use crate::inventory::model::{Inventory, Mastodon};
use crate::kube::{flux, records};
use crate::mastodon::{NAMESPACE, RELEASE};
use crate::plan::{Place, Verdict};
use crate::steps::{Context, Failure, RustStep};

/// The `HelmRelease` is Ready at its newest specification, and has been asked since the commit was applied.
pub struct MastodonReleased;

const KIND: &str = "HelmRelease";
/// The record of the commit at which the release was last asked to reconcile.
const RECORD: &str = "released";

/// The commit that Flux follows now. That it is the pushed one is an earlier step's concern.
fn followed(flux: &FluxFacts) -> Option<&str> {
    flux.source()?.commit()
}

fn vouches_for(commit: &str) -> String {
    fingerprint([commit])
}

/// The object's own words, when it has any.
fn said(what: &str, resource: &Resource) -> String {
    match (resource.reason.as_str(), resource.message.as_str()) {
        ("", "") => what.to_owned(),
        (reason, message) => format!("{what}: {reason}: {message}"),
    }
}

/// Whether the Kustomization of the site has come to the commit, and what it says otherwise.
fn behind(flux: &FluxFacts) -> Option<String> {
    let Some(kustomization) = flux.kustomizations.get(&format!("{FLUX}/{RELEASE}")) else {
        return Some(format!("Flux has not made the Kustomization {RELEASE} yet"));
    };
    let (Some(wanted), Some(attempted)) = (followed(flux), kustomization.attempted.as_deref()) else {
        return Some(said(&format!("the Kustomization {RELEASE} has not been applied yet"), kustomization));
    };
    (commit(attempted) != wanted)
        .then(|| said(&format!("the Kustomization {RELEASE} is not at the pushed commit yet"), kustomization))
}

/// What to do about a failure that helm tells of.
fn remedy(message: &str) -> Option<&'static str> {
    let has = |text: &str| message.contains(text);
    if has("is required") || has("execution error at") {
        Some("the chart refuses its values: look at [mastodon.values], and at what a person changed in the repository")
    } else if has("timed out") || has("deadline exceeded") || has("timeout") {
        Some("it took longer than the HelmRelease allows; Flux tries again by itself, and what is already there stays")
    } else if has("SourceNotReady") || has("chart") && has("pull") {
        Some("Flux cannot fetch the chart: see whether the nodes reach its repository and registry-1.docker.io")
    } else {
        None
    }
}

fn words(release: &Resource, flux: &FluxFacts, seen: &MastodonFacts) -> String {
    let mut text = said("the HelmRelease is not Ready yet", release);
    let chart = flux.sources.get(&format!("{FLUX}/{RELEASE}")).filter(|source| source.ready == Some(false));
    if let Some(source) = chart {
        text.extend(["\n  ", said(&format!("GitRepository {FLUX}/{RELEASE}"), source).as_str()]);
    }
    text.extend(seen.release_events.iter().flat_map(|event| ["\n  event: ", event.as_str()]));
    if let Some(remedy) = remedy(&text) {
        text.extend(["\n  what to do: ", remedy]);
    }
    text + &troubles(seen)
}

/// What Flux failed at when it last applied the site's manifests.
fn failing(flux: &FluxFacts) -> Option<String> {
    let kustomization = flux.kustomizations.get(&format!("{FLUX}/{RELEASE}"))?;
    (kustomization.ready == Some(false))
        .then(|| said(&format!("the Kustomization {RELEASE} is not applied"), kustomization))
}

fn judge(wanted: &Mastodon, cluster: &ClusterFacts, seen: &MastodonFacts) -> Verdict {
    let Some(flux) = &cluster.flux else { return Verdict::unknown("flux-installed") };
    let Some(release) = flux.helm_releases.get(&format!("{NAMESPACE}/{RELEASE}")) else {
        let why = failing(flux)
            .or_else(|| behind(flux))
            .unwrap_or_else(|| format!("Flux has not made the HelmRelease {RELEASE} yet"));
        return Verdict::settling(why);
    };
    if release.suspended
        && let Some(record) = cluster.records.get(restore::RECORD)
        && let journal = restore::Journal::of(record)
        && !journal.ended
    {
        return Verdict::blocked(format!(
            "a restore of the backup {} has not ended, and Flux leaves the release alone meanwhile: `homeprov restore INVENTORY BACKUP` \
             goes on with it",
            journal.backup
        ));
    }
    if release.suspended {
        return Verdict::blocked(format!(
            "the HelmRelease {RELEASE} is suspended, so nothing happens to it: `microk8s kubectl -n {NAMESPACE} patch helmrelease \
             {RELEASE} --type merge -p '{{\"spec\":{{\"suspend\":false}}}}'` lets Flux go on"
        ));
    }
    if let Some(why) = behind(flux) {
        return Verdict::settling(why);
    }
    if broken_off::is(wanted, release, seen) {
        return Verdict::differs(said(broken_off::WHY, release));
    }
    if release.stalled && release.current() {
        return Verdict::differs(said("the HelmRelease has given up", release));
    }
    if !release.done() {
        return Verdict::settling(words(release, flux, seen));
    }
    // A change of the values alone is another ConfigMap and no other specification: Ready may be a word of before.
    let asked = cluster.records.get(RECORD).map(|record| record.fingerprint.as_str());
    match followed(flux) {
        Some(commit) if asked != Some(&vouches_for(commit)) => {
            Verdict::differs("the HelmRelease is Ready, and was not asked since the newest commit was applied")
        }
        _ => Verdict::Holds,
    }
}

#[async_trait]
impl RustStep for MastodonReleased {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        match both(inventory, facts) {
            Ok((wanted, cluster, seen)) => judge(wanted, cluster, seen),
            Err(verdict) => verdict,
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let Some(flux) = context.facts.cluster.as_ref().and_then(|cluster| cluster.flux.as_ref()) else {
            return Err(Failure::failed("Flux was not seen"));
        };
        let client = context.api().await?;
        let release = flux.helm_releases.get(&format!("{NAMESPACE}/{RELEASE}"));
        let (wanted, _, seen) = at_hand(context)?;
        let broken_off = release.is_some_and(|release| broken_off::is(wanted, release, seen));
        if broken_off {
            broken_off::forget(&client).await?;
        }
        let stalled = broken_off || release.is_some_and(|release| release.stalled);
        // Forced, helm-controller tries the same specification once more, as an upgrade.
        let also: &[&str] = if stalled { &["reconcile.fluxcd.io/resetAt", "reconcile.fluxcd.io/forceAt"] } else { &[] };
        let token = flux::request_reconcile(&client, KIND, NAMESPACE, RELEASE, also).await?;
        let Some(commit) = followed(flux) else { return Ok(()) };
        let evidence = vec![format!("asked at commit {commit} with {token}")];
        let record =
            Record { fingerprint: vouches_for(commit), at: jiff::Timestamp::now(), evidence, not_tried: vec![] };
        Ok(records::write(&client, RECORD, &record).await?)
    }
}

/// Whether everything in the pushed commit is applied and healthy, as Flux says; what it says otherwise.
pub(super) fn unapplied(cluster: &ClusterFacts) -> Option<String> {
    let flux = cluster.flux.as_ref()?;
    let kustomization = flux.kustomizations.get(&format!("{FLUX}/{RELEASE}"))?;
    let applied = kustomization.commit() == followed(flux) && kustomization.ready == Some(true);
    (!applied).then(|| {
        said(&format!("waiting for the Kustomization {RELEASE} to be Ready at the pushed commit"), kustomization)
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{HEAD, facts, inventory};
    use super::*;

    fn check(change: impl FnOnce(&mut FluxFacts)) -> Verdict {
        let mut facts = facts();
        let cluster = facts.cluster.as_mut().unwrap();
        let record = Record {
            fingerprint: vouches_for(HEAD),
            at: jiff::Timestamp::UNIX_EPOCH,
            evidence: vec![],
            not_tried: vec![],
        };
        cluster.records.insert(RECORD.into(), record);
        change(cluster.flux.as_mut().unwrap());
        MastodonReleased.check(&inventory(), &facts, &Place::Cluster)
    }

    fn release(flux: &mut FluxFacts) -> &mut Resource {
        flux.helm_releases.get_mut("mastodon/mastodon").unwrap()
    }

    #[test]
    fn ready_counts_at_the_pushed_commit_only() {
        assert_eq!(check(|_| {}), Verdict::Holds);
        let source = |flux: &mut FluxFacts, commit: &str| {
            flux.sources.get_mut("flux-system/flux-system").unwrap().revision = Some(format!("main@sha1:{commit}"));
        };
        let text = check(|flux| source(flux, "another")).text();
        assert!(text.starts_with("the Kustomization mastodon is not at the pushed commit yet"), "{text}");
        let asked = check(|flux| {
            source(flux, "another");
            flux.kustomizations.get_mut("flux-system/mastodon").unwrap().attempted = Some("main@sha1:another".into());
        });
        assert!(matches!(asked, Verdict::Differs { .. }), "{asked:?}");
    }

    #[test]
    fn a_failed_installation_is_waited_for_and_explained() {
        let text = check(|flux| {
            let release = release(flux);
            release.ready = Some(false);
            release.reason = "InstallFailed".into();
            release.message = "Helm install failed for release mastodon/mastodon with chart mastodon@6.9.3: context deadline exceeded".into();
        })
        .text();
        insta::assert_snapshot!(text);
    }

    #[test]
    fn what_keeps_flux_from_making_the_release_is_told() {
        let text = check(|flux| {
            flux.helm_releases.clear();
            let kustomization = flux.kustomizations.get_mut("flux-system/mastodon").unwrap();
            kustomization.ready = Some(false);
            kustomization.reason = "ReconciliationFailed".into();
            kustomization.message = "HelmRelease/mastodon/mastodon dry-run failed: database is locked".into();
        });
        let why = "the Kustomization mastodon is not applied: ReconciliationFailed: HelmRelease/mastodon/mastodon dry-run \
                   failed: database is locked";
        assert_eq!(text, Verdict::settling(why));
    }

    #[test]
    fn one_that_gave_up_is_asked_again_and_a_suspended_one_is_not() {
        let stalled = check(|flux| {
            let release = release(flux);
            (release.ready, release.stalled) = (Some(false), true);
        });
        assert!(matches!(stalled, Verdict::Differs { .. }));
        assert!(matches!(check(|flux| release(flux).suspended = true), Verdict::Blocked { .. }));
    }
}
