//! Everything of the release runs: its Jobs are done, its Deployments and databases are ready, and Flux says so too.

use async_trait::async_trait;

use super::both;
use super::released::unapplied;
use crate::facts::Facts;
use crate::facts::mastodon::MastodonFacts;
use crate::inventory::model::{Inventory, Mastodon, Redis};
use crate::mastodon::{RELEASE, trouble, values};
use crate::plan::{Place, Verdict};
use crate::steps::{Context, Failure, RustStep};

/// No Job is left, every workload has the pods it should have, and the Kustomization is healthy at the pushed commit.
pub struct MastodonRunning;

/// The workloads the release must have, whatever else it has.
fn needed(wanted: &Mastodon) -> Vec<String> {
    let mut names = values::deployments(wanted);
    if wanted.bundled_postgresql() {
        names.push(format!("{RELEASE}-postgresql"));
    }
    if let Redis::Bundled { .. } = wanted.redis {
        names.push(format!("{RELEASE}-redis-master"));
    }
    names
}

/// What is waited for, with what stands in the way; nothing when all runs.
pub fn waiting(wanted: &Mastodon, seen: &MastodonFacts) -> Option<String> {
    let mut waiting: Vec<String> = needed(wanted)
        .into_iter()
        .filter(|name| seen.workload(name).is_none())
        .map(|name| format!("{name} (not there yet)"))
        .collect();
    for workload in seen.workloads.iter().filter(|workload| !workload.whole()) {
        waiting.push(format!("{} ({} of {} ready)", workload.name, workload.ready, workload.wanted));
    }
    for job in &seen.jobs {
        let state = job.failed.as_ref().map_or_else(|| "not done".to_owned(), |why| format!("failed: {why}"));
        waiting.push(format!("job {} ({state})", job.name));
    }
    if waiting.is_empty() {
        return None;
    }
    Some(format!("waiting for {}{}", waiting.join(", "), troubles(seen)))
}

/// What keeps pods from running, a paragraph each.
pub(super) fn troubles(seen: &MastodonFacts) -> String {
    seen.troubles.iter().flat_map(|trouble| ["\n".to_owned(), trouble::text(trouble)]).collect()
}

#[async_trait]
impl RustStep for MastodonRunning {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        match both(inventory, facts) {
            Ok((wanted, cluster, seen)) => {
                waiting(wanted, seen).or_else(|| unapplied(cluster)).map_or(Verdict::Holds, Verdict::settling)
            }
            Err(verdict) => verdict,
        }
    }

    /// There is nothing to apply: Flux and Kubernetes bring it up, and a Job that failed is made again by the next attempt of
    /// the `HelmRelease`.
    async fn apply(&self, _: &Context) -> Result<(), Failure> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{facts, inventory, with};
    use super::*;
    use crate::facts::mastodon::{SiteJob, Trouble, TroubleKind};

    fn check(facts: &Facts) -> Verdict {
        MastodonRunning.check(&inventory(), facts, &Place::Cluster)
    }

    #[test]
    fn holds_when_everything_has_its_pods() {
        assert_eq!(check(&facts()), Verdict::Holds);
    }

    #[test]
    fn what_is_waited_for_is_told_with_what_stands_in_the_way() {
        let text = check(&with(|seen| {
            seen.workloads.retain(|workload| workload.name != "mastodon-streaming");
            seen.workloads[0].ready = 0;
            seen.jobs.push(SiteJob { name: "mastodon-db-post-migrate".into(), failed: None });
            seen.troubles.push(Trouble {
                pod: "mastodon-web-5d9".into(),
                container: Some("mastodon-web".into()),
                kind: TroubleKind::Image,
                message: "the image ghcr.io/mastodon/mastodon:v9 cannot be pulled".into(),
                events: vec!["Failed: Failed to pull image: not found".into()],
                log: vec![],
            });
        }))
        .text();
        insta::assert_snapshot!(text);
    }
}
