//! `OpenEBS` with its Jiva engine is installed, judged by its objects.
//!
//! `microk8s enable community/openebs` ends with status 0 when iscsid is off and nothing was installed, calls itself enabled
//! as soon as a pod's name begins with `openebs-ndm`, waits for nothing, and cannot be run again after it has failed half-way
//! (canonical/microk8s-community-addons `addons/openebs/enable`; canonical/microk8s `scripts/wrappers/common/utils.py`).

use async_trait::async_trait;

use super::chart::Chart;
use super::{helm, jiva, seen};
use crate::facts::{Facts, StorageFacts};
use crate::inventory::model::Inventory;
use crate::inventory::storage::classes::{JIVA_STOCK, OPENEBS_HOSTPATH};
use crate::plan::{Place, Verdict};
use crate::ssh::Program;
use crate::steps::{Context, Failure, RustStep};

/// Jiva's kinds are served, its classes are there, and its pods are ready, one on every node.
pub struct OpenebsInstalled;

/// What Jiva consists of besides the `DaemonSet`: how the workloads' names end.
const WORKLOADS: [&str; 3] = ["jiva-operator", "jiva-csi-controller", "localpv-provisioner"];

/// The chart of the addon.
pub(super) fn chart(inventory: &Inventory) -> Chart<'_> {
    Chart {
        release: "openebs",
        name: "openebs",
        repository: "https://openebs.github.io/charts",
        version: "3.3.x",
        key: "chart",
        given: inventory.storage.chart.as_deref(),
    }
}

/// What is not there, in field terms.
fn missing(seen: &StorageFacts) -> Vec<String> {
    let mut missing = Vec::new();
    if !seen.jiva_served {
        missing.push("kind JivaVolume".to_owned());
    }
    if seen.jiva_node.is_none() {
        missing.push("DaemonSet jiva-csi-node".to_owned());
    }
    missing.extend(WORKLOADS.iter().filter(|name| seen.workload(name).is_none()).map(|name| (*name).to_owned()));
    let classes = [JIVA_STOCK, OPENEBS_HOSTPATH].into_iter().filter(|class| !seen.classes.contains_key(*class));
    missing.extend(classes.map(|class| format!("class {class}")));
    missing
}

fn not_ready(inventory: &Inventory, facts: &Facts, seen: &StorageFacts) -> (Vec<String>, Vec<String>) {
    let workloads = WORKLOADS.iter().filter(|name| seen.workload(name).is_none_or(|workload| !workload.ready));
    let mut waiting: Vec<String> = workloads.map(|name| (*name).to_owned()).collect();
    let ready_on = |name: &str| seen.jiva_node.as_ref().is_some_and(|set| set.ready_on.contains(name));
    let without: Vec<&str> =
        inventory.nodes.iter().map(|node| node.name.as_str()).filter(|name| !ready_on(name)).collect();
    let (lost, here): (Vec<&str>, Vec<&str>) = without.into_iter().partition(|name| facts.unreachable(name).is_some());
    waiting.extend(here.into_iter().map(|name| format!("jiva-csi-node on {name}")));
    (waiting, lost.into_iter().map(str::to_owned).collect())
}

#[async_trait]
impl RustStep for OpenebsInstalled {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        if !jiva(inventory) {
            return Verdict::Holds;
        }
        let Some(seen) = seen(facts) else { return Verdict::unknown("members-joined") };
        let missing = missing(seen);
        if !missing.is_empty() {
            let what = if missing.len() < 4 { "OpenEBS is there in part" } else { "OpenEBS is not installed" };
            return Verdict::differs(format!("{what}: no {}", missing.join(", no ")));
        }
        let (waiting, lost) = not_ready(inventory, facts, seen);
        match (waiting.is_empty(), lost.is_empty()) {
            (false, _) => Verdict::settling(format!("not ready: {}", waiting.join(", "))),
            (true, false) => {
                let why = format!("jiva-csi-node is not ready on {}", lost.join(", "));
                Verdict::Waits { nodes: lost, why }
            }
            (true, true) => Verdict::Holds,
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let seed = context.node()?.name.clone();
        let (inventory, chart) = (&context.inventory, chart(&context.inventory));
        let values = helm::openebs_values(&inventory.storage, &helm::kubelet_root(context.node_facts()?));
        let known = seen(&context.facts).is_some_and(|seen| seen.release(chart.release).is_some());
        if known || chart.given.is_some() {
            return helm::upgrade(context, &seed, &chart, &values).await;
        }
        chart.found(context, &seed).await?;
        match enable(context, &seed).await? {
            Enabled::Ran => Ok(()),
            // Its name is in use, or something of it is there: what the addon would do, done by hand.
            Enabled::CannotRun => helm::upgrade(context, &seed, &chart, &values).await,
        }
    }
}

enum Enabled {
    Ran,
    CannotRun,
}

async fn enable(context: &Context, seed: &str) -> Result<Enabled, Failure> {
    let replicas = context.inventory.storage.replicas.to_string();
    let argv = ["/snap/bin/microk8s", "enable", "community/openebs", "-j", &replicas].map(str::to_owned);
    let ended = context.job(seed, &argv.join(" "), Program::command(argv.clone())).await?;
    judge(seed, ended.status, &ended.output)
}

fn judge(seed: &str, status: i32, output: &str) -> Result<Enabled, Failure> {
    let failed = |reason: String| Err(Failure::Failed { reason, output: output.lines().map(str::to_owned).collect() });
    if output.contains("iscsid is not available or enabled") {
        return failed(format!(
            "the addon did nothing: on {seed} iscsid is not enabled (`systemctl enable --now iscsid`)"
        ));
    }
    if output.contains("community/openebs not found") {
        return failed(format!("{seed} has no addon repository `community` (`microk8s enable community`)"));
    }
    let in_use = output.contains("cannot re-use a name that is still in use");
    match status {
        _ if in_use || output.contains("is already enabled") => Ok(Enabled::CannotRun),
        0 => Ok(Enabled::Ran),
        _ => Err(Failure::command("`microk8s enable community/openebs`", status, output)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{facts, inventory, with};
    use super::*;

    fn check(facts: &Facts) -> Verdict {
        OpenebsInstalled.check(&inventory(3), facts, &Place::Cluster)
    }

    #[test]
    fn holds_by_its_objects() {
        assert_eq!(check(&facts()), Verdict::Holds);
    }

    #[test]
    fn nothing_there_is_told_from_a_part() {
        let text = |facts: &Facts| check(facts).text();
        insta::assert_snapshot!(text(&with(|storage| *storage = StorageFacts::default())), @"OpenEBS is not installed: no kind JivaVolume, no DaemonSet jiva-csi-node, no jiva-operator, no jiva-csi-controller, no localpv-provisioner, no class openebs-jiva-csi-default, no class openebs-hostpath");
        insta::assert_snapshot!(text(&with(|storage| drop(storage.classes.remove(JIVA_STOCK)))), @"OpenEBS is there in part: no class openebs-jiva-csi-default");
    }

    #[test]
    fn a_node_without_a_ready_pod_is_waited_for() {
        let facts = with(|storage| {
            storage.jiva_node.as_mut().unwrap().ready_on.remove("nuc2");
        });
        assert_eq!(check(&facts), Verdict::settling("not ready: jiva-csi-node on nuc2"));
        let mut lost = facts;
        lost.nodes.insert("nuc2".into(), crate::facts::Observation::Unreachable { reason: "off".into(), passes: true });
        assert!(matches!(check(&lost), Verdict::Waits { nodes, .. } if nodes == ["nuc2"]));
    }

    #[test]
    fn the_addons_lies_are_seen() {
        let iscsid = "iscsid is not available or enabled.\nMake sure iscsi is installed on all nodes.\n";
        assert!(judge("nuc1", 0, iscsid).is_err());
        assert!(judge("nuc1", 0, "Addon community/openebs not found\n").is_err());
        assert!(matches!(judge("nuc1", 0, "Addon community/openebs is already enabled\n"), Ok(Enabled::CannotRun)));
        let in_use = "Error: INSTALLATION FAILED: cannot re-use a name that is still in use\n";
        assert!(matches!(judge("nuc1", 1, in_use), Ok(Enabled::CannotRun)));
        assert!(matches!(judge("nuc1", 0, "OpenEBS is installed\n"), Ok(Enabled::Ran)));
        assert!(judge("nuc1", 1, "Error: something else\n").is_err());
    }
}
