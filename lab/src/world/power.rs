//! Power, cables and new installations.

use super::faults::Notice;
use super::microk8s::Pace;
use super::{World, system};

impl World {
    /// The power goes: everything that runs there is gone at once, unfinished changes of snapd included.
    pub fn power_off(&mut self, name: &str) {
        let now = self.now;
        let Some(machine) = self.machines.get_mut(name).filter(|machine| machine.powered) else {
            return;
        };
        machine.powered = false;
        for change in &mut machine.snapd.changes {
            if change.ends > now {
                change.ends = now;
                change.failed = true;
            }
        }
        self.stop_services(name);
        for call in self.commands.values_mut().filter(|call| call.machine == name && call.exit.is_none()) {
            call.exit = Some(137);
            call.ended = now;
            call.addon_lock = false;
        }
        self.queue.retain(|_, due| match due {
            super::process::Due::Command(id, _) => self.commands.get(id).is_some_and(|call| call.exit.is_none()),
            super::process::Due::World(_) => true,
        });
        self.addon_locks.remove(name);
        self.touch_all();
        self.notices.push(Notice::PoweredOff(name.to_owned()));
    }

    /// The machine is switched on and boots; what was enabled starts by itself.
    pub fn power_on(&mut self, name: &str) {
        if self.machines.get(name).is_some_and(|machine| !machine.powered) {
            self.switch_on(name);
            self.notices.push(Notice::PoweredOn(name.to_owned()));
        }
    }

    pub(super) fn switch_on(&mut self, name: &str) {
        let id = self.hex(32);
        let boot_id = [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]].join("-");
        let now = self.now;
        let machine = self.machine_mut(name);
        system::boot(machine, boot_id, now);
        machine.fenced = false;
        machine.tables.clear();
        if machine.packages.contains_key("snapd") && machine.snapd.seeded.is_none() {
            machine.snapd.seeded = Some(now);
        }
        if machine.has_microk8s() {
            self.start_services(name, Pace::BOOT);
        }
        self.touch_all();
    }

    /// Off and on again.
    pub fn reboot(&mut self, name: &str) {
        self.power_off(name);
        self.power_on(name);
    }

    /// The network cable is pulled.
    pub fn cut_network(&mut self, name: &str) {
        self.plug(name, false);
    }

    /// The network cable is back.
    pub fn restore_network(&mut self, name: &str) {
        self.plug(name, true);
    }

    fn plug(&mut self, name: &str, connected: bool) {
        if let Some(machine) = self.machines.get_mut(name) {
            machine.connected = connected;
        }
        let ids: Vec<_> = self.clusters.keys().copied().collect();
        for id in ids {
            self.elect(id);
        }
        self.touch_all();
    }

    /// Rules on the machine drop all but SSH, for so long at the most: a timer of its own removes them.
    pub fn fence(&mut self, name: &str, lasts: super::Millis) {
        self.fence_off(name);
        self.later_on(name, lasts, |world, name| world.set_fence(name, false));
    }

    /// The same without a timer.
    pub(super) fn fence_off(&mut self, name: &str) {
        self.set_fence(name, true);
    }

    /// Those rules are removed.
    pub fn unfence(&mut self, name: &str) {
        self.set_fence(name, false);
    }

    fn set_fence(&mut self, name: &str, on: bool) {
        if let Some(machine) = self.machines.get_mut(name) {
            machine.fenced = on;
        }
        let ids: Vec<_> = self.clusters.keys().copied().collect();
        for id in ids {
            self.elect(id);
        }
        self.touch_all();
    }

    /// The machine is delivered anew: an empty disk, a new machine-id, the same name and address. The clusters it was in
    /// still list it.
    pub fn reinstall(&mut self, name: &str) {
        self.power_off(name);
        let id = self.hex(32);
        for cluster in self.clusters.values_mut() {
            for member in cluster.members.iter_mut().filter(|member| member.machine.as_deref() == Some(name)) {
                member.machine = None;
            }
        }
        let Some(mut old) = self.machines.remove(name) else {
            return;
        };
        old.files.wipe();
        let boots = old.boots;
        let mut machine = system::fresh(&old.spec, id, old.files);
        machine.boots = boots;
        self.faults.spoil_packages(&mut machine);
        self.machines.insert(name.to_owned(), machine);
        self.forget_empty_clusters();
        self.notices.push(Notice::Reinstalled(name.to_owned()));
        self.power_on(name);
    }
}
