//! A node's disk has room for volumes.

use async_trait::async_trait;

use crate::facts::Facts;
use crate::inventory::model::{Engine, Inventory};
use crate::plan::{Place, Verdict};
use crate::steps::{Context, Failure, RustStep};

/// The inventory's reserve is free where volumes lie.
pub struct DiskRoom;

/// Where an engine keeps volumes on a node.
pub fn directory(engine: Engine) -> &'static str {
    match engine {
        Engine::Jiva => "/var/snap/microk8s/common/var/openebs/local",
        Engine::Hostpath => "/var/snap/microk8s/common/default-storage",
        Engine::ExistingClass | Engine::None => "/var/snap/microk8s/common",
    }
}

#[async_trait]
impl RustStep for DiskRoom {
    fn check(&self, inventory: &Inventory, facts: &Facts, place: &Place) -> Verdict {
        let Place::Node(name) = place else { return Verdict::Holds };
        let storage = &inventory.storage;
        let directory = directory(storage.engine);
        let free = facts.node(name).and_then(|seen| seen.free_kib_for(directory));
        let Some(free) = free.filter(|_| storage.engine != Engine::None) else { return Verdict::Holds };
        if free >= storage.reserve / 1024 {
            return Verdict::Holds;
        }
        Verdict::blocked(format!(
            "{name} has {} free for volumes ({directory}), the reserve is {}; make room there, mount a larger disk there, or lower [storage] reserve",
            shown(free * 1024),
            shown(storage.reserve)
        ))
    }

    async fn apply(&self, _: &Context) -> Result<(), Failure> {
        Ok(())
    }
}

/// Bytes for people, in GiB from one on.
pub fn shown(bytes: u64) -> String {
    let (unit, name) = if bytes >= 1 << 30 { (1 << 30, "GiB") } else { (1 << 20, "MiB") };
    let tenths = bytes * 10 / unit;
    if tenths.is_multiple_of(10) {
        format!("{} {name}", tenths / 10)
    } else {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{facts, inventory};
    use super::*;
    use crate::facts::Observation;

    #[test]
    fn the_reserve_is_free_or_the_figures_are_told() {
        let mut facts = facts();
        let place = Place::Node("nuc2".into());
        assert_eq!(DiskRoom.check(&inventory(3), &facts, &place), Verdict::Holds);
        let Some(Observation::Seen(seen)) = facts.nodes.get_mut("nuc2") else { panic!("it was seen") };
        seen.facts.free_kib = [("/".to_owned(), 3_700_000)].into();
        insta::assert_snapshot!(DiskRoom.check(&inventory(3), &facts, &place).text(), @"nuc2 has 3.5 GiB free for volumes (/var/snap/microk8s/common/var/openebs/local), the reserve is 5 GiB; make room there, mount a larger disk there, or lower [storage] reserve");
    }
}
