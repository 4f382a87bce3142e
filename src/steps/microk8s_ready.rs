//! `MicroK8s` runs on the node, so that it can be joined or joined to.

use async_trait::async_trait;

use super::{Context, Failure, RustStep};
use crate::facts::Facts;
use crate::inventory::model::Inventory;
use crate::plan::{Place, Verdict};
use crate::ssh::Program;

/// Services run, the API server and the cluster agent accept connections, the data store tells its members; on a
/// worker: the kubelet, the agent and the API server's proxy run. Not what `microk8s status` says: that is content
/// with any one node.
pub struct Microk8sReady;

#[async_trait]
impl RustStep for Microk8sReady {
    fn check(&self, inventory: &Inventory, facts: &Facts, place: &Place) -> Verdict {
        let Place::Node(name) = place else { return Verdict::Holds };
        let Some(seen) = facts.node(name) else { return Verdict::unknown("the node answers") };
        if !seen.installed {
            return Verdict::unknown("snap-installed");
        }
        if let Some(change) = &seen.snap_change {
            return Verdict::settling(format!("snapd is at work on it: {change}"));
        }
        if seen.locks.contains("stopped.lock") {
            return Verdict::differs("it was stopped (`microk8s stop`)");
        }
        // Who was taken out of the cluster serves nothing any more; joining starts it anew.
        if inventory.node(name).is_some_and(|node| facts.removed(inventory, node)) {
            return Verdict::Holds;
        }
        let services: &[&str] = if seen.worker {
            &["kubelite", "containerd", "cluster-agent"]
        } else {
            &["kubelite", "k8s-dqlite", "containerd", "cluster-agent"]
        };
        let idle: Vec<&str> = services.iter().copied().filter(|service| !seen.active(service)).collect();
        if !idle.is_empty() {
            return Verdict::settling(format!("not running: {}", idle.join(", ")));
        }
        if seen.worker {
            return Verdict::Holds;
        }
        let missing = [
            (!seen.api_answers, "the API server does not answer on port 16443"),
            (!seen.agent_answers, "the cluster agent does not answer on port 25000"),
            (seen.members.is_none(), "the data store does not answer"),
            (seen.kubeconfig.is_none(), "there are no admin credentials yet"),
        ];
        match missing.into_iter().find(|(is, _)| *is) {
            Some((_, why)) => {
                let waits = inventory.node(name).and_then(|node| facts.data_store_waits_for(inventory, node));
                match waits {
                    Some((nodes, because)) => {
                        Verdict::Waits { why: format!("{why}: {because} {}", nodes.join(", ")), nodes }
                    }
                    None => Verdict::settling(why),
                }
            }
            None => Verdict::Holds,
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let node = context.node()?.name.clone();
        let argv = ["/snap/bin/microk8s", "start"];
        let ended = context.job(&node, "microk8s start", Program::command(argv)).await?;
        if ended.status == 0 { Ok(()) } else { Err(Failure::command("microk8s start", ended.status, &ended.output)) }
    }
}
