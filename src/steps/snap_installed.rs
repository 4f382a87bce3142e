//! `MicroK8s` is installed from the wanted channel.

use async_trait::async_trait;

use super::guard::{self, Loss};
use super::job::Ended;
use super::{Context, Failure, RustStep};
use crate::facts::Facts;
use crate::inventory::model::Inventory;
use crate::microk8s::snap_info;
use crate::plan::{Place, Verdict};
use crate::ssh::{Program, Purpose};

/// snapd lists `MicroK8s` at the inventory's channel.
pub struct SnapInstalled;

/// What snapd exits with when another change is in progress: retryable (canonical/snapd `cmd/snap/main.go`).
const BUSY: i32 = 10;

#[async_trait]
impl RustStep for SnapInstalled {
    fn check(&self, inventory: &Inventory, facts: &Facts, place: &Place) -> Verdict {
        let Place::Node(name) = place else { return Verdict::Holds };
        let Some(seen) = facts.node(name) else { return Verdict::unknown("the node answers") };
        let wanted = &inventory.cluster.channel;
        match &seen.snap {
            None if seen.installed => Verdict::differs("snapd does not say what it has installed"),
            None => Verdict::differs(format!("not installed; wanted from {wanted}")),
            Some(snap) if snap.notes.iter().any(|note| note == "disabled" || note == "broken") => Verdict::blocked(
                format!("snapd calls microk8s {}; `snap changes microk8s` on {name} tells more", snap.notes.join(", ")),
            ),
            Some(snap) if snap.tracking == *wanted => Verdict::Holds,
            Some(snap) if seen.alone() && facts.node(name).is_some_and(|seen| seen.identity.is_none()) => {
                Verdict::differs(format!("tracks {}, wanted {wanted}", snap.tracking))
            }
            Some(snap) => Verdict::blocked(format!(
                "it tracks {}, the inventory wants {wanted}, and it is a member of the cluster: versions are changed one minor and one node at a time, not by `up`. Set channel = \"{}\" to go on",
                snap.tracking, snap.tracking,
            )),
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let node = context.node()?.name.clone();
        let channel = &context.inventory.cluster.channel;
        refuse_unlisted(context, &node, channel).await?;
        let verb = if context.node_facts()?.installed { "refresh" } else { "install" };
        if verb == "refresh" {
            // It stops what runs there.
            guard::refuse(context, &node, Loss::Restart, &format!("{node} must be refreshed to {channel}")).await?;
        }
        let mut argv =
            vec!["/usr/bin/snap".to_owned(), verb.to_owned(), "microk8s".to_owned(), format!("--channel={channel}")];
        if verb == "install" {
            argv.push("--classic".to_owned());
        }
        let ended = context.job(&node, &argv.join(" "), Program::command(argv.clone())).await?;
        judge(&argv[1..].join(" "), &ended)
    }
}

fn judge(what: &str, ended: &Ended) -> Result<(), Failure> {
    match ended.status {
        0 => Ok(()),
        BUSY => Err(Failure::Busy { reason: last_line(&ended.output, "snapd is busy with another change") }),
        _ if ended.output.contains("unable to contact snap store") => {
            Err(Failure::Busy { reason: "the snap store does not answer".to_owned() })
        }
        status => Err(Failure::command(&format!("snap {what}"), status, &ended.output)),
    }
}

fn last_line(output: &str, default: &str) -> String {
    output.lines().rfind(|line| !line.trim().is_empty()).unwrap_or(default).to_owned()
}

/// A channel that the store does not list is refused with what it lists, before anything is downloaded.
async fn refuse_unlisted(context: &Context, node: &str, wanted: &str) -> Result<(), Failure> {
    let program = Program::command(["/usr/bin/snap", "info", "microk8s"]);
    let answer = context.run(node, Purpose::Probe, program).await?;
    let listed = snap_info::channels(&answer.stdout);
    if listed.is_empty() {
        return Err(Failure::Busy {
            reason: last_line(&answer.stderr, "the snap store lists no channels of microk8s"),
        });
    }
    if snap_info::lists(&listed, wanted) {
        return Ok(());
    }
    let stable: Vec<&str> = listed.iter().map(String::as_str).filter(|channel| channel.ends_with("/stable")).collect();
    let shown = if stable.is_empty() { listed.iter().map(String::as_str).collect() } else { stable };
    Err(Failure::Refused {
        reason: format!(
            "the snap store has no channel {wanted} of microk8s; it lists {}. Set [cluster] channel to one of these",
            shown.join(", ")
        ),
    })
}
