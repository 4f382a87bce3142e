//! Folders on the nodes: the `hostpath-storage` addon (canonical/microk8s-core-addons `addons/hostpath-storage`).

use async_trait::async_trait;
use serde_json::json;

use super::retain_class::CLASSES;
use super::seen;
use crate::facts::Facts;
use crate::inventory::model::{Engine, Inventory};
use crate::inventory::storage::classes::MICROK8S_HOSTPATH;
use crate::kube::request;
use crate::plan::{Place, Verdict};
use crate::ssh::Program;
use crate::steps::{Context, Failure, RustStep};

/// The addon's class is there and its provisioner is ready.
pub struct HostpathEnabled;

/// Its Deployment.
const WORKLOAD: &str = "hostpath-provisioner";

#[async_trait]
impl RustStep for HostpathEnabled {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        if inventory.storage.engine != Engine::Hostpath {
            return Verdict::Holds;
        }
        let Some(seen) = seen(facts) else { return Verdict::unknown("members-joined") };
        match (seen.workload(WORKLOAD), seen.classes.contains_key(MICROK8S_HOSTPATH)) {
            (None, _) => Verdict::differs("hostpath-storage is not enabled"),
            (Some(_), false) => Verdict::differs(format!("no class {MICROK8S_HOSTPATH}")),
            (Some(workload), true) if !workload.ready => Verdict::settling(format!("{WORKLOAD} is not ready")),
            (Some(_), true) => Verdict::Holds,
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let enabled = seen(&context.facts).is_some_and(|seen| seen.workload(WORKLOAD).is_some());
        if enabled {
            // The addon would call itself enabled and do nothing.
            let object = json!({
                "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": MICROK8S_HOSTPATH },
                "provisioner": "microk8s.io/hostpath", "reclaimPolicy": "Delete",
                "volumeBindingMode": "WaitForFirstConsumer",
            });
            request::apply(&context.api().await?, &format!("{CLASSES}/{MICROK8S_HOSTPATH}"), &object).await?;
            return Ok(());
        }
        let seed = context.node()?.name.clone();
        let argv = ["/snap/bin/microk8s", "enable", "hostpath-storage"];
        let ended = context.job(&seed, &argv.join(" "), Program::command(argv)).await?;
        match ended.status {
            0 if ended.output.contains("is already enabled") => Err(Failure::Failed {
                reason: "MicroK8s calls the addon enabled although its Deployment is not there: `microk8s disable hostpath-storage` keeps the data of bound volumes only if you say so; look at what is left of it first (`microk8s kubectl -n kube-system get all`)".to_owned(),
                output: ended.output.lines().map(str::to_owned).collect(),
            }),
            0 => Ok(()),
            status => Err(Failure::command("`microk8s enable hostpath-storage`", status, &ended.output)),
        }
    }
}
