//! The `ingress` addon is enabled, judged by its objects (canonical/microk8s-core-addons `addons/ingress`).

use async_trait::async_trait;

use super::both;
use crate::facts::Facts;
use crate::facts::mastodon::MastodonFacts;
use crate::inventory::model::{Inventory, Mastodon};
use crate::plan::{Place, Verdict};
use crate::ssh::Program;
use crate::steps::{Context, Failure, RustStep};

/// The ingress class is there, and the addon's controller is ready on every node.
pub struct IngressEnabled;

/// The class of the addon.
pub(super) const ADDON_CLASS: &str = "public";

/// Whether the addon's controller is the one wanted, and not another one of the user's.
pub(super) fn addon_wanted(wanted: &Mastodon) -> bool {
    wanted.ingress.class == ADDON_CLASS
}

fn foreign(class: &str, seen: &MastodonFacts) -> Verdict {
    if seen.ingress.classes.contains(class) {
        return Verdict::Holds;
    }
    Verdict::blocked(format!(
        "the inventory names the ingress class {class}, and the cluster has none of that name: install that controller, or take \
         the addon's with `class = \"{ADDON_CLASS}\"` in [mastodon.ingress]"
    ))
}

#[async_trait]
impl RustStep for IngressEnabled {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        let (wanted, seen) = match both(inventory, facts) {
            Ok((wanted, _, seen)) => (wanted, seen),
            Err(verdict) => return verdict,
        };
        if !addon_wanted(wanted) {
            return foreign(&wanted.ingress.class, seen);
        }
        let Some(controller) = &seen.ingress.controller else {
            return Verdict::differs("the ingress addon is not enabled");
        };
        if !seen.ingress.classes.contains(ADDON_CLASS) {
            return Verdict::settling(format!("there is no IngressClass {ADDON_CLASS} yet"));
        }
        let without: Vec<&str> = inventory
            .nodes
            .iter()
            .map(|node| node.name.as_str())
            .filter(|node| !controller.ready_on.contains(*node))
            .collect();
        let (lost, here): (Vec<&str>, Vec<&str>) =
            without.into_iter().partition(|name| facts.unreachable(name).is_some());
        let waits = |on: &[&str]| format!("DaemonSet {} is not ready on {}", controller.name, on.join(", "));
        match (here.is_empty(), lost.is_empty()) {
            (false, _) => Verdict::settling(waits(&here)),
            (true, false) => Verdict::Waits { why: waits(&lost), nodes: lost.into_iter().map(str::to_owned).collect() },
            (true, true) => Verdict::Holds,
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let seed = context.node()?.name.clone();
        let argv = ["/snap/bin/microk8s", "enable", "ingress"];
        let ended = context.job(&seed, &argv.join(" "), Program::command(argv)).await?;
        match ended.status {
            0 if ended.output.contains("is already enabled") => Err(Failure::Failed {
                reason: "MicroK8s calls the addon enabled although its controller is not there: `microk8s disable ingress`, \
                         then run `up` again"
                    .to_owned(),
                output: ended.output.lines().map(str::to_owned).collect(),
            }),
            0 => Ok(()),
            status => Err(Failure::command("`microk8s enable ingress`", status, &ended.output)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{facts, inventory, with};
    use super::*;

    fn check(facts: &Facts) -> Verdict {
        IngressEnabled.check(&inventory(), facts, &Place::Cluster)
    }

    #[test]
    fn holds_by_its_objects() {
        assert_eq!(check(&facts()), Verdict::Holds);
        let none = check(&with(|seen| seen.ingress.controller = None));
        assert_eq!(none, Verdict::differs("the ingress addon is not enabled"));
    }

    #[test]
    fn a_node_without_a_ready_pod_is_waited_for() {
        let mut facts = with(|seen| {
            seen.ingress.controller.as_mut().unwrap().ready_on.remove("nuc2");
        });
        let why = "DaemonSet nginx-ingress-microk8s-controller is not ready on nuc2";
        assert_eq!(check(&facts), Verdict::settling(why));
        facts
            .nodes
            .insert("nuc2".into(), crate::facts::Observation::Unreachable { reason: "off".into(), passes: true });
        assert!(matches!(check(&facts), Verdict::Waits { nodes, .. } if nodes == ["nuc2"]));
    }

    #[test]
    fn a_class_of_the_users_is_not_made() {
        let mut inventory = inventory();
        inventory.mastodon.as_mut().unwrap().ingress.class = "haproxy".into();
        let check = |facts: &Facts| IngressEnabled.check(&inventory, facts, &Place::Cluster);
        assert!(matches!(check(&facts()), Verdict::Blocked { .. }));
        let there = with(|seen| seen.ingress.classes.extend(["haproxy".to_owned()]));
        assert_eq!(check(&there), Verdict::Holds);
    }
}
