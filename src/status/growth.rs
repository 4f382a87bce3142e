//! What a larger cluster can have that the smaller one could not, in words.

use crate::facts::Facts;
use crate::inventory::Inventory;
use crate::inventory::model::Engine;

/// How many control planes survive the loss of one.
const ENOUGH: usize = 3;

/// What is turned on from one inventory to the next, and what stays as it was; one sentence each.
pub fn growth(before: &Inventory, after: &Inventory, facts: &Facts) -> Vec<String> {
    let mut lines = Vec::new();
    let (was, is) = (before.control_planes().count(), after.control_planes().count());
    if was < ENOUGH && is >= ENOUGH {
        lines.push(format!(
            "With {is} control planes the data store gets three voters: the cluster survives the loss of one."
        ));
    }
    let (old, new) = (&before.storage, &after.storage);
    if old.engine != Engine::Jiva && new.engine == Engine::Jiva {
        lines.push(format!(
            "New volumes get {} replicas on as many nodes (class {}).",
            new.replicas,
            crate::inventory::storage::classes::JIVA_RETAIN
        ));
        lines.extend(left_behind(facts));
    } else if new.engine == Engine::Jiva && new.replicas > old.replicas {
        lines.push(format!(
            "New volumes get {} replicas. Existing ones keep the {} they were made with: `kubectl -n openebs patch jivavolume NAME --type merge -p '{{\"spec\":{{\"desiredReplicationFactor\":{}}}}}'` adds one to a volume whose replicas are all RW.",
            new.replicas, old.replicas, old.replicas + 1,
        ));
    }
    lines
}

/// Volumes on one disk do not become replicated by themselves.
fn left_behind(facts: &Facts) -> Option<String> {
    let storage = &facts.cluster.as_ref()?.storage;
    let local = storage
        .volumes
        .iter()
        .filter(|(id, volume)| volume.phase == "Bound" && !volume.nodes.is_empty() && !storage.is_replica(id));
    let claims: Vec<String> = local
        .filter_map(|(_, volume)| volume.claim.as_ref().map(|(namespace, claim)| format!("{namespace}/{claim}")))
        .collect();
    (!claims.is_empty()).then(|| {
        format!(
            "Existing volumes stay where they are, on one disk each: {}. To have one replicated, copy its content into a new claim.",
            claims.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::fixture::{cluster, inventory};
    use crate::facts::storage::Volume;

    fn inventory_of(nodes: u8) -> Inventory {
        let mut inventory = inventory(3);
        if nodes < 3 {
            inventory.nodes.truncate(nodes.into());
            inventory.storage.engine = Engine::Hostpath;
            inventory.storage.replicas = 1;
        }
        inventory
    }

    #[test]
    fn three_nodes_have_what_two_had_not_and_old_volumes_stay() {
        let mut facts = cluster(2, &[]);
        let volume = Volume {
            claim: Some(("photos".into(), "album".into())),
            phase: "Bound".into(),
            nodes: vec!["nuc1".into()],
            ..Volume::default()
        };
        facts.cluster.as_mut().expect("there is one").storage.volumes.insert("pvc-1".into(), volume);
        let lines = growth(&inventory_of(2), &inventory_of(3), &facts).join("\n");
        for words in ["three voters", "New volumes get 3 replicas", "photos/album"] {
            assert!(lines.contains(words), "{words}: {lines}");
        }
    }

    #[test]
    fn a_fourth_node_turns_nothing_on() {
        let mut four = inventory_of(3);
        four.nodes.push(inventory(4).nodes[3].clone());
        assert_eq!(growth(&inventory_of(3), &four, &cluster(3, &[])), Vec::<String>::new());
    }
}
