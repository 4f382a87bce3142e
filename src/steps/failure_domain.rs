//! Each control plane is in a failure domain of its own, so that the voters are spread over machines
//! (canonical/go-dqlite `app/roles.go`, canonical/microk8s `default-args/ha-conf`).

use async_trait::async_trait;

use super::guard::{self, Loss};
use super::{Context, Failure, RustStep};
use crate::facts::Facts;
use crate::inventory::model::Inventory;
use crate::plan::{Place, Verdict};
use crate::ssh::Program;

/// `args/ha-conf` says the wanted number, and the running data store was started with it.
pub struct FailureDomain;

const HA_CONF: &str = "/var/snap/microk8s/current/args/ha-conf";

#[async_trait]
impl RustStep for FailureDomain {
    fn check(&self, inventory: &Inventory, facts: &Facts, place: &Place) -> Verdict {
        let Place::Node(name) = place else { return Verdict::Holds };
        let (Some(node), Some(seen)) = (inventory.node(name), facts.node(name)) else { return Verdict::Holds };
        let wanted = inventory.failure_domain(node);
        if !seen.installed {
            return Verdict::unknown("snap-installed");
        }
        if seen.failure_domain_configured != Some(wanted) {
            let is = seen.failure_domain_configured.map_or("not set".to_owned(), |is| is.to_string());
            return Verdict::differs(format!("the failure domain is {is}, wanted {wanted}"));
        }
        // A machine that is about to be joined takes it up then: joining starts its services anew.
        if seen.failure_domain == Some(wanted) || joins_later(inventory, facts, name) {
            return Verdict::Holds;
        }
        if seen.control_plane_up() {
            Verdict::differs(format!("set to {wanted}, but the data store was started before that"))
        } else {
            // microk8s-ready waits for the start; it comes next.
            Verdict::Holds
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let node = context.node()?.clone();
        let seen = context.node_facts()?;
        let wanted = context.inventory.failure_domain(&node);
        if seen.failure_domain_configured != Some(wanted) {
            let script = format!(
                "[ -d \"$(dirname {HA_CONF})\" ] || {{ echo 'MicroK8s has not written its arguments yet'; exit 1; }}\n\
                 printf 'failure-domain=%s\\n' {wanted} >{HA_CONF}.homeprov && mv {HA_CONF}.homeprov {HA_CONF}"
            );
            let answer = context.run(&node.name, crate::ssh::Purpose::Apply, Program::Shell(script)).await?;
            if !answer.succeeded() {
                return Err(Failure::command(
                    "setting the failure domain",
                    answer.status,
                    &format!("{}{}", answer.stdout, answer.stderr),
                ));
            }
        }
        if !seen.control_plane_up() || joins_later(&context.inventory, &context.facts, &node.name) {
            return Ok(());
        }
        restart(context, &node.name).await
    }
}

/// Restarts the services of a node: one member at a time, and only when the others can go on meanwhile.
async fn restart(context: &Context, node: &str) -> Result<(), Failure> {
    let _turn = context.turn.lock().await;
    let what = format!("{node} must be restarted to take up its failure domain");
    guard::refuse(context, node, Loss::Restart, &what).await?;
    let script = "/snap/bin/microk8s stop && /snap/bin/microk8s start && /snap/bin/microk8s status --wait-ready --timeout 120 >/dev/null";
    let ended = context.job(node, script, Program::Shell(script.to_owned())).await?;
    if ended.status == 0 { Ok(()) } else { Err(Failure::command("restarting MicroK8s", ended.status, &ended.output)) }
}

fn joins_later(inventory: &Inventory, facts: &Facts, name: &str) -> bool {
    let first = inventory.control_planes().next().is_some_and(|node| node.name == name);
    let recorded = facts.identity() != crate::facts::Identity::None;
    let member = inventory.node(name).is_some_and(|node| facts.is_member(node));
    if recorded { !member } else { !first }
}
