//! Machines that lose power at a certain moment: as a voter, in mid-join, with a volume mounted.

use crate::kubernetes;
use crate::world::World;
use crate::world::cluster::ClusterId;

/// The machine a fault is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// Whichever fits.
    Any,
    /// This one.
    Named(String),
}

impl From<Option<String>> for Target {
    fn from(name: Option<String>) -> Self {
        name.map_or(Self::Any, Self::Named)
    }
}

impl World {
    /// A voter dies some time after the cluster first had three.
    pub(in crate::world) fn watch_for_dead_voter(&mut self, id: ClusterId) {
        let Some(wish) = self.faults.dead_voter.clone() else {
            return;
        };
        let Some(cluster) = self.clusters.get(&id).filter(|cluster| cluster.voters() >= 3) else {
            return;
        };
        let voters = cluster.members.iter().filter(|member| member.role.number() == 0);
        let machines: Vec<String> = voters.filter_map(|member| member.machine.clone()).collect();
        let victim = match wish {
            Target::Named(name) if machines.contains(&name) => Some(name),
            _ => machines.last().cloned(),
        };
        if let Some(victim) = victim {
            self.faults.dead_voter = None;
            self.later(20_000, move |world| world.power_off(&victim));
        }
    }

    pub(super) fn condemn_voter(&mut self, chosen: Option<String>) {
        self.faults.dead_voter = Some(chosen.into());
        let ids: Vec<ClusterId> = self.clusters.keys().copied().collect();
        for id in ids {
            self.watch_for_dead_voter(id);
        }
    }

    /// A machine that has a volume mounted is switched off.
    pub(in crate::world) fn watch_for_mount(&mut self, id: ClusterId) {
        let Some(wish) = self.faults.terminating_stuck.clone() else { return };
        let Some(cluster) = self.clusters.get(&id) else { return };
        let view = cluster.kubernetes.storage_view();
        let volumes = view.mounts.iter().filter(|mount| matches!(mount.content, kubernetes::Content::Volume(_)));
        let mut holders = volumes.filter_map(|mount| {
            let machine = self.machines.values().find(|machine| machine.hostname == mount.node)?;
            Some(machine.name().to_owned())
        });
        let victim = match wish {
            Target::Named(name) => holders.find(|holder| *holder == name),
            Target::Any => holders.next(),
        };
        if let Some(victim) = victim {
            self.faults.terminating_stuck = None;
            self.later(10_000, move |world| world.power_off(&victim));
        }
    }

    /// A join passed its contact: the chosen machine loses power 13 s after the command began, and gets it back later.
    pub(in crate::world) fn half_joined_fires(&mut self, joiner: &str, members: usize) {
        let Some(wish) = self.faults.half_joined.clone() else {
            return;
        };
        let meant = match wish {
            Target::Named(name) => name == joiner,
            Target::Any => members >= 2 || self.order.len() < 3,
        };
        if meant {
            self.faults.half_joined = None;
            let name = joiner.to_owned();
            self.later(11_800, move |world| {
                world.power_off(&name);
                world.later(20_000, move |world| world.power_on(&name));
            });
        }
    }
}
