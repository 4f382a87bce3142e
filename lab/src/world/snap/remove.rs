//! `snap remove`.

use super::super::process::{Call, Next, after};
use super::super::{COMMON, Notice, World};
use super::install::begin;
use super::{may_change, names};

/// `snap remove [--purge] NAME`
pub(super) fn remove(world: &mut World, call: &mut Call, args: &[String]) -> Next {
    let Some(snap) = names(args).into_iter().next() else {
        return call.fail(64, "error: the required argument `<snap> (at least 1 argument)` was not provided");
    };
    if let Err(end) = may_change(world, call, &snap) {
        return end;
    }
    if !world.machine(&call.machine).snapd.snaps.contains_key(&snap) {
        return call.fail(0, format!("snap \"{snap}\" is not installed"));
    }
    let machine = call.machine.clone();
    let took = world.around(18_000);
    begin(world, &machine, "remove-snap", &format!("Remove \"{snap}\" snap"), took);
    let name = snap.clone();
    world.later_on(&machine, 3_000, |world, machine| {
        world.stop_services(machine);
    });
    world.later_on(&machine, took - 300, move |world, machine| {
        world.remove_snap(machine, &name);
    });
    after(took, move |_, call| call.quit(0, format!("{snap} removed")))
}

impl World {
    fn remove_snap(&mut self, name: &str, snap: &str) {
        let machine = self.machine_mut(name);
        machine.snapd.snaps.remove(snap);
        machine.snapd.holds.remove(snap);
        if snap == "microk8s" {
            machine.microk8s = None;
            machine.files.remove("/var/snap/microk8s");
            machine.files.remove(COMMON);
            self.forget_empty_clusters();
            self.notices.push(Notice::ProgramsChanged(name.to_owned()));
        }
    }
}
