//! A class of our own for Jiva volumes: what the stock class makes, but deleting a claim does not delete the data.

use async_trait::async_trait;
use serde_json::json;

use super::{jiva, seen};
use crate::facts::storage::StorageClass;
use crate::facts::{Facts, StorageFacts};
use crate::inventory::model::Inventory;
use crate::inventory::storage::classes::{JIVA_RETAIN, JIVA_STOCK};
use crate::kube::request;
use crate::plan::{Place, Verdict};
use crate::steps::{Context, Failure, RustStep};

/// `homeprov-jiva-retain` is the stock class with reclaim policy Retain.
pub struct RetainClass;

pub(super) const CLASSES: &str = "/apis/storage.k8s.io/v1/storageclasses";

/// How the class differs from the stock one, besides what it should.
fn differences(seen: &StorageFacts, stock: &StorageClass) -> Vec<String> {
    let Some(own) = seen.classes.get(JIVA_RETAIN) else { return vec![format!("no class {JIVA_RETAIN}")] };
    let mut differences = Vec::new();
    if own.provisioner != stock.provisioner {
        differences.push(format!("its provisioner is {}", own.provisioner));
    }
    if own.parameters != stock.parameters {
        differences.push(format!("its parameters are not those of {JIVA_STOCK}"));
    }
    if own.reclaim_policy != "Retain" {
        differences.push(format!("its reclaim policy is {}", own.reclaim_policy));
    }
    if !own.allow_expansion {
        differences.push("its volumes cannot grow".to_owned());
    }
    differences
}

#[async_trait]
impl RustStep for RetainClass {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        if !jiva(inventory) {
            return Verdict::Holds;
        }
        let Some(seen) = seen(facts) else { return Verdict::unknown("members-joined") };
        let Some(stock) = seen.classes.get(JIVA_STOCK) else { return Verdict::unknown("openebs-installed") };
        let differences = differences(seen, stock);
        if differences.is_empty() { Verdict::Holds } else { Verdict::differs(differences.join(", ")) }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let Some(seen) = seen(&context.facts) else { return Ok(()) };
        let Some(stock) = seen.classes.get(JIVA_STOCK) else { return Ok(()) };
        let client = context.api().await?;
        let path = format!("{CLASSES}/{JIVA_RETAIN}");
        if seen.classes.contains_key(JIVA_RETAIN) {
            // A class cannot be changed; its volumes do not need it.
            request::delete(&client, &path).await?;
        }
        let object = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": { "name": JIVA_RETAIN, "labels": { "app.kubernetes.io/managed-by": "homeprov" } },
            "provisioner": stock.provisioner,
            "parameters": stock.parameters,
            "reclaimPolicy": "Retain",
            "allowVolumeExpansion": true,
            "volumeBindingMode": stock.binding_mode,
        });
        request::apply(&client, &path, &object).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{inventory, with};
    use super::*;

    #[test]
    fn it_is_the_stock_class_that_retains() {
        let check = |facts: &Facts| RetainClass.check(&inventory(3), facts, &Place::Cluster);
        assert_eq!(check(&with(|_| ())), Verdict::Holds);
        let absent = with(|storage| drop(storage.classes.remove(JIVA_RETAIN)));
        assert_eq!(check(&absent), Verdict::differs("no class homeprov-jiva-retain"));
        let deletes = with(|storage| {
            let class = storage.classes.get_mut(JIVA_RETAIN).unwrap();
            class.reclaim_policy = "Delete".into();
            class.parameters.clear();
        });
        let why = "its parameters are not those of openebs-jiva-csi-default, its reclaim policy is Delete";
        assert_eq!(check(&deletes), Verdict::differs(why));
    }
}
