//! Whether the step to the wanted channel is one that can be taken now.

use async_trait::async_trait;

use crate::facts::{Facts, Identity};
use crate::inventory::model::Inventory;
use crate::plan::{Place, Verdict};
use crate::steps::{Context, Failure, RustStep};

/// Every node answers, is a member, and is at the wanted minor version or the one before it.
pub struct UpgradeAllowed;

#[async_trait]
impl RustStep for UpgradeAllowed {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        let wanted = &inventory.cluster.channel;
        let Some(minor) = minor(wanted) else {
            return Verdict::blocked(format!("{wanted} names no minor version; write one such as 1.36/stable"));
        };
        if !matches!(facts.identity(), Identity::Known(_)) {
            return Verdict::blocked(
                "homeprov knows of no cluster here: `homeprov up` makes one, from the channel in the inventory",
            );
        }
        let problems: Vec<String> =
            inventory.nodes.iter().filter_map(|node| problem(facts, &node.name, minor, wanted)).collect();
        if !problems.is_empty() {
            return Verdict::blocked(problems.join("\n"));
        }
        let strays = inventory.nodes.iter().filter(|node| !facts.is_member(node)).map(|node| node.name.as_str());
        let strays: Vec<&str> = strays.collect();
        if strays.is_empty() {
            return Verdict::Holds;
        }
        // For a moment after its services were started anew nobody can tell.
        Verdict::settling(format!("{} is no member of the cluster: `homeprov up` comes first", strays.join(", ")))
    }

    async fn apply(&self, _: &Context) -> Result<(), Failure> {
        Ok(())
    }
}

fn problem(facts: &Facts, name: &str, wanted: (u32, u32), channel: &str) -> Option<String> {
    if let Some(reason) = facts.unreachable(name) {
        return Some(format!(
            "{name} does not answer ({reason}). Two nodes are never away at once: bring it back, or take it out with `homeprov remove --dead INVENTORY {name}`, and run this again"
        ));
    }
    let seen = facts.node(name)?;
    let Some(snap) = &seen.snap else { return Some(format!("{name} holds no MicroK8s: `homeprov up` comes first")) };
    let is = minor(&snap.version)?;
    if is.0 != wanted.0 || is.1 > wanted.1 {
        return Some(format!(
            "{name} runs {}: MicroK8s does not go back to {channel}, as its data store does not",
            snap.version
        ));
    }
    (is.1 + 1 < wanted.1).then(|| {
        format!(
            "{name} runs {}, and {channel} is more than one minor version further: Kubernetes skips none. `--channel {}.{}/{}` comes first",
            snap.version, is.0, is.1 + 1, channel.split_once('/').map_or("stable", |(_, risk)| risk),
        )
    })
}

/// `(1, 36)` of `1.36/stable` or `v1.36.2`.
pub(super) fn minor(text: &str) -> Option<(u32, u32)> {
    let text = text.trim_start_matches('v').split('/').next()?;
    let mut parts = text.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
