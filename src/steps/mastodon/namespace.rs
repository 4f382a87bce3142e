//! The namespace of the site is there, before Flux makes it: its Secrets have to be there first.

use async_trait::async_trait;
use serde_json::json;

use super::both;
use crate::facts::Facts;
use crate::inventory::model::Inventory;
use crate::kube::request;
use crate::mastodon::NAMESPACE;
use crate::plan::{Place, Verdict};
use crate::steps::{Context, Failure, RustStep};

/// The namespace exists and is not being removed.
pub struct MastodonNamespace;

#[async_trait]
impl RustStep for MastodonNamespace {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        if let Some(backup) = facts.unfinished_restore() {
            return Verdict::blocked(format!(
                "a restore of the backup {backup} has not ended, and nothing else is done to the site until it has: \
                 `homeprov restore INVENTORY BACKUP` goes on with it"
            ));
        }
        match both(inventory, facts) {
            Ok((_, _, seen)) if seen.namespace => Verdict::Holds,
            Ok(_) => Verdict::differs(format!("there is no namespace {NAMESPACE}")),
            Err(verdict) => verdict,
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        // The annotation keeps Flux from removing it, with everything in it, when its file in Git is moved.
        let object = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": NAMESPACE, "annotations": { "kustomize.toolkit.fluxcd.io/prune": "disabled" } },
        });
        request::apply(&context.api().await?, &format!("/api/v1/namespaces/{NAMESPACE}"), &object).await?;
        Ok(())
    }
}
