//! The departing node's pods run elsewhere.

use async_trait::async_trait;

use super::to_be_emptied;
use crate::facts::Facts;
use crate::facts::cluster::NodePod;
use crate::inventory::model::Inventory;
use crate::kube::pods;
use crate::plan::{Place, Verdict};
use crate::steps::{Context, Failure, RustStep};

/// `kubectl drain`, without the replicas of volumes: these are tied to the node's disk, and are made anew elsewhere.
pub struct NodeDrained;

/// What the server answers when a disruption budget forbids an eviction.
const TOO_MANY: u16 = 429;

#[async_trait]
impl RustStep for NodeDrained {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        if to_be_emptied(inventory, facts).is_none() {
            return Verdict::Holds;
        }
        let (leaving, there): (Vec<_>, Vec<_>) = moving(facts).partition(|pod| pod.leaving);
        match (there.as_slice(), leaving.len()) {
            ([], 0) => Verdict::Holds,
            ([], count) => Verdict::settling(format!("{count} of its pods are being ended")),
            (there, _) => Verdict::differs(format!("it runs {}", named(there))),
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let client = context.api().await?;
        let mut held = Vec::new();
        for pod in moving(&context.facts).filter(|pod| !pod.leaving) {
            match pods::evict(&client, &pod.namespace, &pod.name).await {
                Err(kube::Error::Api(status)) if status.code == TOO_MANY => held.push(pod),
                answer => answer?,
            }
        }
        if held.is_empty() {
            return Ok(());
        }
        let reason = format!("a disruption budget keeps {} where they are; that is waited for", named(&held));
        Err(Failure::Busy { reason })
    }
}

fn moving(facts: &Facts) -> impl Iterator<Item = &NodePod> {
    facts.cluster.iter().flat_map(|cluster| &cluster.departing_pods).filter(|pod| pod.moves())
}

/// Some of them by name, the others by number.
fn named(pods: &[&NodePod]) -> String {
    const SHOWN: usize = 4;
    let mut names: Vec<String> = pods.iter().take(SHOWN).map(|pod| format!("{}/{}", pod.namespace, pod.name)).collect();
    if pods.len() > SHOWN {
        names.push(format!("{} more", pods.len() - SHOWN));
    }
    names.join(", ")
}
