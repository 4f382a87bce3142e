//! `MicroK8s` is installed from the wanted channel.

use async_trait::async_trait;

use super::cause::unresolved;
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
/// Where snapd asks (canonical/snapd `store/store.go`).
const STORE: &str = "api.snapcraft.io";
/// What `getent` exits with when there is no such name (getent(1)).
const NOT_FOUND: i32 = 2;

#[async_trait]
impl RustStep for SnapInstalled {
    fn check(&self, inventory: &Inventory, facts: &Facts, place: &Place) -> Verdict {
        let Place::Node(name) = place else { return Verdict::Holds };
        let Some(seen) = facts.node(name) else { return Verdict::unknown("the node answers") };
        let wanted = &inventory.cluster.channel;
        match &seen.snap {
            // Nothing is to be refreshed for that; where snapd stays silent the wait ends with these words.
            None if seen.installed => Verdict::settling(format!(
                "snapd does not list the MicroK8s that is there; on {name} `snap list microk8s` and `systemctl status snapd` tell more"
            )),
            None => Verdict::differs(format!("not installed; wanted from {wanted}")),
            Some(snap) if snap.notes.iter().any(|note| note == "disabled" || note == "broken") => Verdict::blocked(
                format!("snapd calls microk8s {}; `snap changes microk8s` on {name} tells more", snap.notes.join(", ")),
            ),
            Some(snap) if snap.tracking == *wanted => Verdict::Holds,
            Some(snap) if seen.alone() && facts.node(name).is_some_and(|seen| seen.identity.is_none()) => {
                Verdict::differs(format!("tracks {}, wanted {wanted}", snap.tracking))
            }
            Some(snap) => Verdict::blocked(format!(
                "it tracks {}, the inventory wants {wanted}, and it is a member of the cluster: versions are changed one minor and one node at a time, not by `up`. Set channel = \"{}\" to go on, and `homeprov upgrade --channel {wanted}` to change it",
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
        judge(context, &node, &argv[1..].join(" "), &ended).await
    }
}

pub(super) async fn judge(context: &Context, node: &str, what: &str, ended: &Ended) -> Result<(), Failure> {
    match ended.status {
        0 => Ok(()),
        BUSY => Err(Failure::Busy {
            reason: format!(
                "{}; it is waited for, and `snap changes` there shows how far it is",
                last_line(&ended.output, "snapd is busy with another change")
            ),
        }),
        _ if ended.output.contains("unable to contact snap store") => {
            Err(store_is_silent(context, node, "error: unable to contact snap store").await)
        }
        status => Err(Failure::command(&format!("snap {what}"), status, &ended.output)),
    }
}

fn last_line(output: &str, default: &str) -> String {
    output.lines().rfind(|line| !line.trim().is_empty()).unwrap_or(default).to_owned()
}

/// Why the store does not answer a node: whether its name can be resolved there tells.
async fn store_is_silent(context: &Context, node: &str, said: &str) -> Failure {
    let program = Program::command(["getent", "ahosts", STORE]);
    let asked = context.run(node, Purpose::Probe, program).await;
    let reason = if asked.is_ok_and(|answer| answer.status == NOT_FOUND) {
        unresolved(STORE)
    } else {
        format!(
            "the snap store (https://{STORE}) does not answer it: {}. https://status.snapcraft.io tells of outages; a proxy is set with \
             `snap set system proxy.https=…`",
            said.trim_start_matches("error: ")
        )
    };
    Failure::Busy { reason }
}

/// A channel that the store does not list is refused with what it lists, before anything is downloaded.
pub(super) async fn refuse_unlisted(context: &Context, node: &str, wanted: &str) -> Result<(), Failure> {
    let program = Program::command(["/usr/bin/snap", "info", "microk8s"]);
    let answer = context.run(node, Purpose::Probe, program).await?;
    let listed = snap_info::channels(&answer.stdout);
    if listed.is_empty() {
        let said = last_line(&answer.stderr, "the snap store lists no channels of microk8s");
        return Err(store_is_silent(context, node, &said).await);
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
