//! The dynamic NFS provisioner is installed: it serves volumes that several nodes mount at once.

use async_trait::async_trait;

use super::chart::Chart;
use super::{helm, jiva, seen};
use crate::facts::Facts;
use crate::inventory::model::Inventory;
use crate::plan::{Place, Verdict};
use crate::steps::{Context, Failure, RustStep};

/// A Deployment of it is ready.
pub struct NfsProvisioner;

/// How its Deployment's name ends.
const WORKLOAD: &str = "nfs-provisioner";

fn chart(inventory: &Inventory) -> Chart<'_> {
    Chart {
        release: "nfs-provisioner",
        name: "nfs-provisioner",
        repository: "https://openebs.github.io/dynamic-nfs-provisioner",
        version: "0.11.0",
        key: "nfs_chart",
        given: inventory.storage.nfs_chart.as_deref(),
    }
}

#[async_trait]
impl RustStep for NfsProvisioner {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        if !(jiva(inventory) && inventory.storage.rwx) {
            return Verdict::Holds;
        }
        let Some(seen) = seen(facts) else { return Verdict::unknown("members-joined") };
        match seen.workload(WORKLOAD) {
            None => Verdict::differs("the NFS provisioner is not installed"),
            Some(workload) if !workload.ready => Verdict::settling(format!("{} is not ready", workload.name)),
            Some(_) => Verdict::Holds,
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let seed = context.node()?.name.clone();
        // The class is a step of its own: the chart's could not be changed once it is there.
        let values: helm::Values =
            vec![("nfsStorageClass.enabled", "false".to_owned()), ("analytics.enabled", "false".to_owned())];
        helm::upgrade(context, &seed, &chart(&context.inventory), &values).await
    }
}
