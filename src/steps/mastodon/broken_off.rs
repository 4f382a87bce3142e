//! A first installation that broke off before the databases were there.
//!
//! Each attempt after it is an upgrade, and an upgrade begins with the chart's migration (mastodon/chart
//! `templates/job-db-pre-migrate.yaml`, a `pre-upgrade` hook), which waits for a database that only the upgrade itself would
//! make: Flux tries for ever. Without helm's record of the failed attempt Flux installs anew, and helm takes over the
//! objects that carry the release's name (helm/helm `pkg/action/validate.go`). Nothing but the record is removed.

use kube::Client;

use crate::facts::flux::Resource;
use crate::facts::mastodon::MastodonFacts;
use crate::inventory::model::Mastodon;
use crate::kube::release;
use crate::mastodon::{NAMESPACE, RELEASE};
use crate::steps::Failure;

/// What a user is told of it.
pub(super) const WHY: &str = "the first installation broke off before the database was there, and each attempt of Flux's \
     after it waits for that database. Helm's record of the failed attempt is removed, and nothing else, so that Flux installs anew";

/// Whether it is so: no attempt has ever been deployed, the last one has failed, and nothing has made the database.
pub(super) fn is(wanted: &Mastodon, release: &Resource, seen: &MastodonFacts) -> bool {
    wanted.bundled_postgresql()
        && release.ready == Some(false)
        && !release.history.is_empty()
        && release.history.iter().all(|status| status == "failed")
        && seen.workload(&format!("{RELEASE}-postgresql")).is_none()
}

/// Removes helm's records of failed attempts. One that was deployed is never among them.
pub(super) async fn forget(client: &Client) -> Result<(), Failure> {
    Ok(release::forget(client, NAMESPACE, RELEASE, release::failed).await?)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{facts, inventory};
    use super::*;

    fn broken(history: &[&str], database: bool, ready: Option<bool>) -> bool {
        let facts = facts();
        let mut seen = facts.cluster.and_then(|cluster| cluster.mastodon).unwrap();
        seen.workloads.retain(|workload| database || workload.name != "mastodon-postgresql");
        let history = history.iter().map(|&status| status.to_owned()).collect();
        let release = Resource { ready, history, ..Resource::default() };
        is(inventory().mastodon.as_ref().unwrap(), &release, &seen)
    }

    #[test]
    fn only_a_release_that_never_was_and_has_no_database_is_begun_anew() {
        assert!(broken(&["failed"], false, Some(false)));
        assert!(broken(&["failed", "failed"], false, Some(false)));
        assert!(!broken(&["failed"], true, Some(false)), "an upgrade can migrate");
        assert!(!broken(&["failed", "superseded"], false, Some(false)), "it was there before");
        assert!(!broken(&["failed", "deployed"], false, Some(false)), "it was there before");
        assert!(!broken(&["failed"], false, None), "an attempt is under way");
        assert!(!broken(&[], false, Some(false)), "nothing was recorded: the next attempt is an installation");
    }
}
