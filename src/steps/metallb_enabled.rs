//! The `MetalLB` addon is installed, judged by its objects.
//!
//! `microk8s enable metallb` says "already enabled", exit 0, as soon as any pod's name begins with `speaker`, and it
//! can retry for ever while it holds the addon lock (canonical/microk8s-core-addons `addons/metallb/enable`).

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Pod;
use kube::core::ObjectList;

use super::{Context, Failure, RustStep};
use crate::facts::Facts;
use crate::inventory::model::Inventory;
use crate::kube::request;
use crate::plan::{Place, Verdict};
use crate::ssh::Program;

/// `MetalLB`'s custom resources are served and its controller is ready.
pub struct MetallbEnabled;

/// After this many vain attempts of the addon's script at its own pool it is ended: the next step makes the pool.
const RETRIES: usize = 30;

#[async_trait]
impl RustStep for MetallbEnabled {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        if inventory.metallb.is_none() {
            return Verdict::Holds;
        }
        let Some(cluster) = &facts.cluster else { return Verdict::unknown("members-joined") };
        match &cluster.metallb {
            None => Verdict::differs("MetalLB is not installed"),
            Some(metallb) if !metallb.controller_ready => Verdict::settling("MetalLB's controller is not ready"),
            Some(_) => Verdict::Holds,
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let Some(metallb) = &context.inventory.metallb else { return Ok(()) };
        super::pool_quiet::refuse_taken(context, metallb).await?;
        let seed = context.node()?.name.clone();
        let ranges: Vec<&str> = metallb.pool.iter().map(|range| range.text.as_str()).collect();
        let argv = ["/snap/bin/microk8s".to_owned(), "enable".to_owned(), format!("metallb:{}", ranges.join(","))];
        let vain = |output: &str| output.matches("Failed to create default address pool").count() >= RETRIES;
        let ended = context.job_until(&seed, &argv.join(" "), Program::command(argv.clone()), vain).await?;
        match ended.status {
            0 if ended.output.contains("already enabled") => Err(look_alike(context, &ended.output).await?),
            0 => Ok(()),
            status => Err(Failure::command("`microk8s enable metallb`", status, &ended.output)),
        }
    }
}

/// Why the addon counts as enabled although nothing of it is there, with the pods that make it so.
async fn look_alike(context: &Context, output: &str) -> Result<Failure, Failure> {
    let pods: Option<ObjectList<Pod>> = request::get(&context.api().await?, "/api/v1/pods").await?;
    let pods = pods.map(|list| list.items).unwrap_or_default().into_iter().map(|pod| pod.metadata);
    let pods = pods.filter(|pod| pod.name.as_ref().is_some_and(|name| name.starts_with("speaker")));
    let names: Vec<String> =
        pods.map(|pod| format!("{}/{}", pod.namespace.unwrap_or_default(), pod.name.unwrap_or_default())).collect();
    let which = if names.is_empty() { "which is gone by now".to_owned() } else { names.join(", ") };
    Ok(Failure::Failed {
        reason: format!(
            "MicroK8s calls the addon enabled although nothing of it is there: it takes any pod whose name begins with \
             `speaker` for MetalLB's ({which}). Delete that pod, or what makes it, then run `up` again"
        ),
        output: output.lines().map(str::to_owned).collect(),
    })
}
