//! One node follows the wanted channel and is whole again; then the next one is begun.

use async_trait::async_trait;

use super::allowed::minor;
use crate::facts::{Facts, NodeFacts};
use crate::inventory::model::{Inventory, Node, Role};
use crate::plan::{Place, Verdict};
use crate::ssh::Program;
use crate::steps::departure::replicas::lacks;
use crate::steps::guard::{self, Loss};
use crate::steps::highly_available::look;
use crate::steps::{Context, Failure, RustStep, snap_installed};

/// Its snap tracks the channel and its Node is Ready with the new kubelet. It is begun when every voter answers and every volume is
/// whole.
pub struct NodeUpgraded;

/// After the last one: every Node is Ready, every voter answers and every volume is whole.
pub struct ClusterWhole;

#[async_trait]
impl RustStep for ClusterWhole {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        unsettled(inventory, facts).map_or(Verdict::Holds, Verdict::settling)
    }

    async fn apply(&self, _: &Context) -> Result<(), Failure> {
        Ok(())
    }
}

#[async_trait]
impl RustStep for NodeUpgraded {
    fn check(&self, inventory: &Inventory, facts: &Facts, place: &Place) -> Verdict {
        let Place::Node(name) = place else { return Verdict::Holds };
        let (Some(node), Some(seen)) = (inventory.node(name), facts.node(name)) else { return Verdict::Holds };
        let wanted = &inventory.cluster.channel;
        let Some(snap) = &seen.snap else { return Verdict::settling("snapd does not say what it has installed") };
        if snap.tracking != *wanted {
            // A kubelet must not be newer than the API server.
            let open = |other: &Node| {
                let seen = facts.node(&other.name);
                behind(facts, other, wanted)
                    || seen.is_none_or(|seen| not_back(inventory, facts, other, seen).is_some())
            };
            if node.role == Role::Worker && inventory.control_planes().any(open) {
                return Verdict::unknown("control-planes-upgraded");
            }
            // The one before it may not be quite back.
            return match unsettled(inventory, facts) {
                Some(why) => Verdict::settling(format!("it tracks {}, and waits for its turn: {why}", snap.tracking)),
                None => Verdict::differs(format!("it tracks {}, wanted {wanted}", snap.tracking)),
            };
        }
        not_back(inventory, facts, node, seen).map_or(Verdict::Holds, Verdict::settling)
    }

    fn serial(&self) -> bool {
        true
    }

    fn halts(&self) -> bool {
        true
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let name = context.node()?.name.clone();
        let channel = &context.inventory.cluster.channel;
        let what = format!("{name} must be refreshed to {channel}");
        if let Some(why) = unsettled(&context.inventory, &context.facts) {
            return Err(Failure::Busy { reason: format!("{what}, once all is whole: {why}") });
        }
        guard::refuse(context, &name, Loss::Restart, &what).await?;
        snap_installed::refuse_unlisted(context, &name, channel).await?;
        let argv = ["/usr/bin/snap", "refresh", "microk8s", &format!("--channel={channel}")].map(str::to_owned);
        let ended = context.job(&name, &argv.join(" "), Program::command(argv.to_vec())).await?;
        snap_installed::judge(context, &name, &argv[1..].join(" "), &ended).await
    }
}

pub(super) fn behind(facts: &Facts, node: &Node, wanted: &str) -> bool {
    facts.node(&node.name).is_none_or(|seen| seen.snap.as_ref().is_none_or(|snap| snap.tracking != wanted))
}

/// What is missing until a refreshed node is back.
fn not_back(inventory: &Inventory, facts: &Facts, node: &Node, seen: &NodeFacts) -> Option<String> {
    let name = &node.name;
    if node.role == Role::ControlPlane && !seen.healthy_member() {
        return Some("its control plane is not up again".to_owned());
    }
    let cluster = facts.cluster.as_ref()?;
    let Some(object) = cluster.nodes.get(name) else { return Some("it has no Node object".to_owned()) };
    let version = seen.snap.as_ref().and_then(|snap| minor(&snap.version));
    if minor(&object.version) != version {
        return Some(format!("its kubelet is still {}", object.version));
    }
    (!cluster.ready_at(name, node.address) && inventory.node(name).is_some())
        .then(|| format!("its Node is not Ready: {}", object.message))
}

/// What keeps the next node from being stopped: a Node that is not Ready, a voter that does not answer, a volume that is not whole.
fn unsettled(inventory: &Inventory, facts: &Facts) -> Option<String> {
    let Some(cluster) = &facts.cluster else { return Some("the API does not answer".to_owned()) };
    if let Some((name, object)) = cluster.nodes.iter().find(|(_, object)| !object.ready) {
        return Some(format!("the Node {name} is not Ready: {}", object.message));
    }
    let voters = look(inventory, facts);
    if voters.listed.is_empty() || voters.answering.len() < voters.listed.len() {
        return Some(format!("{} of {} voters answer", voters.answering.len(), voters.listed.len()));
    }
    cluster.storage.jiva_volumes.iter().find_map(|(id, volume)| lacks(cluster, id, volume))
}
