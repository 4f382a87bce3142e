//! Kubernetes is new enough for Flux: a pre-flight of its own, since only `[flux]` needs it.

use async_trait::async_trait;

use super::super::{Context, Failure, RustStep};
use crate::facts::Facts;
use crate::inventory::model::Inventory;
use crate::plan::{Place, Verdict};

/// Every node's kubelet is of 1.33 or newer.
pub struct FluxKubernetes;

/// The oldest minor version Flux 2.9 runs on (fluxcd/flux2 `cmd/flux/check.go`).
const OLDEST: (u32, u32) = (1, 33);

fn minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[async_trait]
impl RustStep for FluxKubernetes {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        if inventory.flux.is_none() {
            return Verdict::Holds;
        }
        let Some(cluster) = &facts.cluster else { return Verdict::unknown("members-joined") };
        let old = |version: &str| minor(version).is_some_and(|version| version < OLDEST);
        let mut nodes = cluster.nodes.iter().filter(|(_, node)| old(&node.version));
        match nodes.next() {
            None => Verdict::Holds,
            Some((name, node)) => Verdict::blocked(format!(
                "{name} runs Kubernetes {}, and Flux needs 1.33 or newer\nName a newer channel under [cluster] in the \
                 inventory, and bring the nodes to it: `snap refresh microk8s --channel=…`, one minor version at a time.",
                node.version
            )),
        }
    }

    async fn apply(&self, _: &Context) -> Result<(), Failure> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{facts, inventory};
    use super::*;

    #[test]
    fn an_old_kubernetes_is_refused() {
        let mut facts = facts();
        assert_eq!(FluxKubernetes.check(&inventory(), &facts, &Place::Cluster), Verdict::Holds);
        let node = facts.cluster.as_mut().unwrap().nodes.get_mut("nuc1").unwrap();
        node.version = "v1.32.9".into();
        let verdict = FluxKubernetes.check(&inventory(), &facts, &Place::Cluster);
        assert!(matches!(&verdict, Verdict::Blocked { reason } if reason.starts_with("nuc1 runs Kubernetes v1.32.9")));
    }
}
