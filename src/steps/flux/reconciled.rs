//! Flux has applied the pushed commit.
//!
//! An object's word counts when it is of its newest specification and of the request that was made: it has observed
//! its generation, and handled the token (fluxcd/pkg `apis/meta`, fluxcd/flux2 `cmd/flux/reconcile.go`).

use std::time::Duration;

use async_trait::async_trait;
use kube::Client;
use tokio::time::{Instant, sleep};

use super::super::{Context, Failure, RustStep};
use super::{flux, held_up, repository};
use crate::facts::Facts;
use crate::facts::flux::{FLUX, Resource};
use crate::inventory::model::Inventory;
use crate::kube::flux::{events, get, request_reconcile};
use crate::plan::{Place, Verdict};

/// `GitRepository/flux-system` has the branch's newest commit and `Kustomization/flux-system` has applied it.
pub struct FluxReconciled;

const SOURCE: &str = "GitRepository";
const KUSTOMIZATION: &str = "Kustomization";
/// How often an object is looked at while it works.
const LOOK: Duration = Duration::from_secs(1);

/// What keeps an object from being done at a commit, in one line; none when it is.
fn lacking(kind: &str, resource: &Resource, head: &str) -> Option<String> {
    if resource.done() && resource.commit() == Some(head) {
        return None;
    }
    if resource.failed() && !resource.message.is_empty() {
        return Some(format!("{kind} {FLUX}: {}: {}", resource.reason, resource.message));
    }
    let short = &head[..head.len().min(8)];
    Some(match resource.commit() {
        None => format!("{kind} {FLUX} has no revision yet"),
        Some(commit) if commit != head => {
            format!("{kind} {FLUX} is at {}, the branch at {short}", &commit[..commit.len().min(8)])
        }
        Some(_) => format!("{kind} {FLUX} is not Ready yet"),
    })
}

fn suspended(kind: &str, name: &str) -> Verdict {
    let plural = if kind == SOURCE { "gitrepositories" } else { "kustomizations" };
    Verdict::blocked(format!(
        "{kind} {name} is suspended: somebody keeps Flux from applying anything\nWhen that is over: `microk8s kubectl -n {FLUX} \
         patch {plural}/{name} --type=merge -p '{{\"spec\":{{\"suspend\":false}}}}'`"
    ))
}

#[async_trait]
impl RustStep for FluxReconciled {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        let Some((_, seen)) = repository(inventory, facts) else { return Verdict::Holds };
        let Some(flux) = flux(facts) else { return Verdict::unknown("flux-installed") };
        let (Some(source), Some(kustomization)) = (flux.source(), flux.kustomization()) else {
            return Verdict::unknown("flux-sync");
        };
        for (kind, resource) in [(SOURCE, source), (KUSTOMIZATION, kustomization)] {
            if resource.suspended {
                return suspended(kind, FLUX);
            }
        }
        if let Some(problem) = &seen.problem {
            return held_up(problem);
        }
        let Some(head) = &seen.head else { return Verdict::unknown("repository-pushed") };
        let lacking = lacking(SOURCE, source, head).or_else(|| lacking(KUSTOMIZATION, kustomization, head));
        lacking.map_or(Verdict::Holds, Verdict::differs)
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let head = context.facts.repository.as_ref().and_then(|seen| seen.head.clone());
        let Some(head) = head else { return Ok(()) };
        let client = context.api().await?;
        let until = Instant::now() + context.step.limit;
        for kind in [SOURCE, KUSTOMIZATION] {
            let token = request_reconcile(&client, kind, FLUX, FLUX, &[]).await?;
            let seen = handled(&client, kind, &token, until).await?;
            context.say(format!("{kind} {FLUX}: {}", seen.message));
            if seen.commit() != Some(head.as_str()) {
                // Somebody has pushed meanwhile, or the server shows an older commit: the next look decides.
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Waits until the object has handled the request; what it failed at is told at once, with the newest events.
async fn handled(client: &Client, kind: &str, token: &str, until: Instant) -> Result<Resource, Failure> {
    loop {
        let Some(seen) = get(client, kind, FLUX, FLUX).await? else {
            return Err(Failure::failed(format!("{kind} {FLUX} is gone")));
        };
        // Another request may have come after this one.
        let current = seen.handled.as_deref() == Some(token) || seen.requested.as_deref() != Some(token);
        if current && seen.done() {
            return Ok(seen);
        }
        if current && seen.failed() {
            let reason = format!("{kind} {FLUX}: {}: {}", seen.reason, seen.message);
            return Err(Failure::Failed { reason, output: events(client, kind, FLUX, FLUX).await });
        }
        if Instant::now() >= until {
            let said = if seen.message.is_empty() { "it says nothing" } else { &seen.message };
            let reason = format!("{kind} {FLUX} has not handled the request in time: {said}");
            return Err(Failure::Failed { reason, output: events(client, kind, FLUX, FLUX).await });
        }
        sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{HEAD, facts, inventory, with_flux};
    use super::*;

    fn check(facts: &Facts) -> Verdict {
        FluxReconciled.check(&inventory(), facts, &Place::Cluster)
    }

    fn with(kind: &str, change: impl FnOnce(&mut Resource)) -> Facts {
        with_flux(|flux| {
            let kinds = if kind == SOURCE { &mut flux.sources } else { &mut flux.kustomizations };
            change(kinds.get_mut("flux-system/flux-system").unwrap());
        })
    }

    #[test]
    fn every_part_of_the_rule_counts() {
        assert_eq!(check(&facts()), Verdict::Holds);
        let head = &HEAD[..8];
        let cases = [
            (
                with(SOURCE, |it| it.revision = Some("main@sha1:0123456789".into())),
                format!("GitRepository flux-system is at 01234567, the branch at {head}"),
            ),
            (with(KUSTOMIZATION, |it| it.revision = None), "Kustomization flux-system has no revision yet".to_owned()),
            (with(KUSTOMIZATION, |it| it.generation += 1), "Kustomization flux-system is not Ready yet".to_owned()),
            (
                with(SOURCE, |it| it.requested = Some("later".into())),
                "GitRepository flux-system is not Ready yet".to_owned(),
            ),
            (with(SOURCE, |it| it.ready = None), "GitRepository flux-system is not Ready yet".to_owned()),
        ];
        for (facts, why) in cases {
            assert_eq!(check(&facts), Verdict::differs(why));
        }
    }

    #[test]
    fn a_failure_is_told_in_fluxs_words() {
        let failed = with(KUSTOMIZATION, |it| {
            it.ready = Some(false);
            it.reason = "ReconciliationFailed".into();
            it.message = "Namespace/mastodon dry-run failed".into();
        });
        let why = "Kustomization flux-system: ReconciliationFailed: Namespace/mastodon dry-run failed";
        assert_eq!(check(&failed), Verdict::differs(why));
    }

    #[test]
    fn what_somebody_suspended_stays_suspended() {
        let verdict = check(&with(KUSTOMIZATION, |it| it.suspended = true));
        assert!(
            matches!(&verdict, Verdict::Blocked { reason } if reason.contains("patch kustomizations/flux-system")),
            "{verdict:?}"
        );
    }
}
