//! What homeprov did not set up is changed by it only after the user agreed: a question of its own, before anything else.

use super::repair::Ask;
use crate::facts::identity::short;
use crate::facts::{Facts, Identity, NodeFacts};
use crate::inventory::model::Inventory;

/// What is to be taken over, and so asked about; none where the cluster is recorded, or there is none yet.
pub fn pending(inventory: &Inventory, facts: &Facts) -> Option<String> {
    let name = &inventory.cluster.name;
    if facts.is_unrecorded() {
        let ca = facts.unrecorded.as_deref().unwrap_or_default();
        return Some(format!(
            "{} are a MicroK8s cluster that homeprov did not set up (certificate authority {}). It is taken over as {name}: which \
             cluster it is gets written down on its nodes and on this machine, and what differs from the inventory is changed",
            facts.unrecorded_nodes(inventory).join(", "),
            short(ca),
        ));
    }
    if facts.identity() != Identity::None {
        return None;
    }
    let first = inventory.control_planes().next()?;
    let namespaces = facts.lone_namespaces.get(&first.name).filter(|namespaces| !namespaces.is_empty())?;
    facts.node(&first.name).filter(|seen| seen.alone() && NodeFacts::healthy_member(seen))?;
    Some(format!(
        "{} is a MicroK8s that homeprov did not set up, and somebody uses it (namespaces {}). It is taken over as {name}: it keeps what \
         it holds, and what differs from the inventory is changed",
        first.name,
        namespaces.join(", "),
    ))
}

/// Asks; the reason for which nothing is to be changed, if so.
pub async fn agree(what: &str, ask: Option<Ask>) -> Result<(), String> {
    let Some(ask) = ask else {
        return Err(format!(
            "{what}. `homeprov up` asks about that on a terminal, and takes --yes for a yes; `homeprov plan` shows what would change"
        ));
    };
    let question = format!("{what}. `homeprov plan` shows what. Take it over?");
    match tokio::task::spawn_blocking(move || ask(&question)).await {
        Ok(true) => Ok(()),
        _ => Err(format!("left as it is, as you said. {what}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::fixture::{cluster, inventory};

    #[test]
    fn only_what_nobody_recorded_is_asked_about() {
        assert_eq!(pending(&inventory(3), &cluster(3, &[])), None);
        assert_eq!(pending(&inventory(3), &Facts::default()), None);
        let mut facts = Facts { recorded_here: None, ..cluster(3, &[]) };
        facts.unrecorded = facts.find_unrecorded(&inventory(3));
        let what = pending(&inventory(3), &facts).expect("it is to be taken over");
        assert!(what.contains("nuc1, nuc2, nuc3") && what.contains("aaaaaaaaaaaa"), "{what}");
    }

    #[test]
    fn a_machine_that_is_used_is_asked_about_and_a_fresh_one_is_not() {
        let mut facts = Facts { recorded_here: None, ..cluster(1, &[]) };
        facts.lone_namespaces.insert("nuc1".into(), vec![]);
        assert_eq!(pending(&inventory(1), &facts), None);
        facts.lone_namespaces.insert("nuc1".into(), vec!["blog".into()]);
        assert!(pending(&inventory(1), &facts).is_some_and(|what| what.contains("blog")));
    }
}
