//! New Jiva volumes get the wanted number of replicas.
//!
//! A volume keeps a copy of the policy it was made with, so a change is for new ones alone (openebs/jiva-operator
//! `pkg/controllers/jivavolume_controller.go`).

use async_trait::async_trait;
use serde_json::json;

use super::{jiva, seen};
use crate::facts::{Facts, StorageFacts};
use crate::inventory::model::Inventory;
use crate::inventory::storage::classes::JIVA_STOCK;
use crate::kube::request;
use crate::plan::{Place, Verdict};
use crate::steps::{Context, Failure, RustStep};

/// The policy of the stock class names the inventory's number.
pub struct ReplicationFactor;

/// The policy's name in the class's parameters.
const PARAMETER: &str = "policy";

fn policy(seen: &StorageFacts) -> Option<&str> {
    seen.classes.get(JIVA_STOCK)?.parameters.get(PARAMETER).map(String::as_str)
}

#[async_trait]
impl RustStep for ReplicationFactor {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        if !jiva(inventory) {
            return Verdict::Holds;
        }
        let Some(seen) = seen(facts) else { return Verdict::unknown("members-joined") };
        let Some(policy) = policy(seen) else { return Verdict::unknown("openebs-installed") };
        let wanted = inventory.storage.replicas;
        match seen.jiva_policies.get(policy) {
            Some(is) if *is == wanted => Verdict::Holds,
            Some(is) => Verdict::differs(format!("- {is} replicas for new volumes\n+ {wanted}")),
            None => Verdict::differs(format!("the policy {policy} names no number of replicas, wanted {wanted}")),
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let Some(seen) = seen(&context.facts) else { return Ok(()) };
        let (Some(policy), Some(set)) = (policy(seen), &seen.jiva_node) else { return Ok(()) };
        let wanted = context.inventory.storage.replicas;
        let path = format!("/apis/openebs.io/v1/namespaces/{}/jivavolumepolicies/{policy}", set.namespace);
        let patch = json!({ "spec": { "target": { "replicationFactor": wanted } } });
        request::merge(&context.api().await?, &path, &patch).await?;
        let others = seen.jiva_volumes.iter().filter(|(_, volume)| volume.replication_factor != wanted);
        for (name, volume) in others {
            context
                .say(format!("{name} keeps its {} replicas: the number is for new volumes", volume.replication_factor));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{inventory, with};
    use super::*;

    #[test]
    fn the_policy_has_the_inventorys_number() {
        let check = |facts: &Facts| ReplicationFactor.check(&inventory(3), facts, &Place::Cluster);
        assert_eq!(check(&with(|_| ())), Verdict::Holds);
        let other = with(|storage| {
            storage.jiva_policies.insert("openebs-jiva-default-policy".into(), 2);
        });
        assert_eq!(check(&other), Verdict::differs("- 2 replicas for new volumes\n+ 3"));
    }
}
