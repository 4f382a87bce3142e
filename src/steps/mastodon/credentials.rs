//! The running pods know the newest passwords.
//!
//! A container reads a Secret into its environment when it starts, and the chart makes its pods anew for Secrets of its own
//! alone (mastodon/chart `templates/_helpers.tpl`, `mastodon.rollingPodAnnotations`). A checksum of the user's passwords in
//! the values would tell of them in Git, so a Secret carries a mark from its change until its pods were started again.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::json;

use super::{at_hand, both};
use crate::facts::Facts;
use crate::facts::mastodon::{MastodonFacts, SiteWorkload};
use crate::inventory::model::Inventory;
use crate::kube::mastodon::secrets::settle;
use crate::kube::request;
use crate::mastodon::secrets::{S3, SMTP};
use crate::mastodon::{NAMESPACE, RELEASE};
use crate::plan::{Place, Verdict};
use crate::steps::{Context, Failure, RustStep};

/// No Secret was changed since the pods that read it were started.
pub struct MastodonCredentials;

/// The Deployments that read any of these Secrets: streaming knows the databases alone (mastodon/chart
/// `templates/deployment-streaming.yaml`).
fn readers<'a>(seen: &'a MastodonFacts, secrets: &BTreeSet<String>) -> Vec<&'a str> {
    let all = secrets.iter().any(|name| name != SMTP && name != S3);
    let streaming = format!("{RELEASE}-streaming");
    let reads = |workload: &&SiteWorkload| workload.kind == "Deployment" && (all || workload.name != streaming);
    seen.workloads.iter().filter(reads).map(|workload| workload.name.as_str()).collect()
}

#[async_trait]
impl RustStep for MastodonCredentials {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        let seen = match both(inventory, facts) {
            Ok((_, _, seen)) => seen,
            Err(verdict) => return verdict,
        };
        let changed = &seen.secrets.changed;
        if changed.is_empty() {
            return Verdict::Holds;
        }
        let names = changed.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        match readers(seen, changed).as_slice() {
            [] => Verdict::differs(format!("{names} changed, and no pod has read it yet")),
            readers => Verdict::differs(format!(
                "{names} changed: {} still know the old password and restart",
                readers.join(", ")
            )),
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let (_, _, seen) = at_hand(context)?;
        let client = context.api().await?;
        // What `kubectl rollout restart` writes; another manager's field, which neither Helm nor Flux takes away.
        let patch = json!({ "spec": { "template": { "metadata": { "annotations": {
            "kubectl.kubernetes.io/restartedAt": jiff::Timestamp::now().to_string(),
        } } } } });
        for name in readers(seen, &seen.secrets.changed) {
            let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name}?fieldManager=homeprov-restart");
            request::merge(&client, &path, &patch).await?;
            context.say(format!("Deployment {name} restarts"));
        }
        // Last of all: a run that is cut off before restarts them again.
        for name in &seen.secrets.changed {
            settle(&client, name).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{facts, inventory, with};
    use super::*;

    fn check(facts: &Facts) -> Verdict {
        MastodonCredentials.check(&inventory(), facts, &Place::Cluster)
    }

    #[test]
    fn who_reads_a_changed_secret_restarts() {
        assert_eq!(check(&facts()), Verdict::Holds);
        let changed = |name: &str| with(|seen| seen.secrets.changed = [name.to_owned()].into());
        let mail = check(&changed("mastodon-smtp")).text();
        assert!(mail.contains("mastodon-web, mastodon-sidekiq-all-queues still know"), "{mail}");
        let database = check(&changed("mastodon-postgresql")).text();
        assert!(database.contains("mastodon-streaming") && !database.contains("mastodon-redis-master"), "{database}");
    }
}
