//! `snap refresh`, `--hold` and `--unhold`.

use super::super::microk8s::Pace;
use super::super::process::{Call, Next, after};
use super::super::{DATA, Machine, World};
use super::install::{begin, find};
use super::{can_hold, channel, may_change, names, store_down, tick};

/// `snap refresh …`
pub(super) fn refresh(world: &mut World, call: &mut Call, args: &[String]) -> Next {
    let holds = args.iter().find(|arg| arg.as_str() == "--hold" || arg.starts_with("--hold="));
    if let Some(hold) = holds.cloned() {
        return self::hold(world, call, &hold, &names(args));
    }
    if args.iter().any(|arg| arg == "--unhold") {
        return unhold(world, call, &names(args));
    }
    if args.iter().any(|arg| arg == "--time") {
        call.say("timer: 00:00~24:00/4\nlast: n/a\nnext: today at 19:26 UTC");
        if let Some(hold) = world.machine(&call.machine).snapd.settings.get("refresh.hold") {
            call.say(format!("hold: {hold}"));
        }
        return Next::Exit(0);
    }
    let Some(snap) = names(args).into_iter().next() else {
        return after(1_500, |_, call| call.fail(0, "All snaps up to date."));
    };
    if let Err(end) = may_change(world, call, &snap) {
        return end;
    }
    let Some(installed) = world.machine(&call.machine).snapd.snaps.get(&snap).cloned() else {
        return call.fail(1, format!("error: snap \"{snap}\" is not installed"));
    };
    if let Some(end) = store_down(world, call) {
        return end;
    }
    let wanted = channel(args).unwrap_or_else(|| installed.tracking.clone());
    let offer = match find(world, &wanted) {
        Ok(offer) => offer,
        Err(text) => return after(900, move |_, call| call.fail(1, text)),
    };
    if snap != "microk8s" || (offer.name == installed.tracking && offer.revision == installed.revision) {
        return after(900, move |_, call| call.fail(0, format!("snap \"{snap}\" has no updates available")));
    }
    let machine = call.machine.clone();
    let same = offer.revision == installed.revision;
    let took = if same { 1_000 } else { world.around(40_000) };
    begin(world, &machine, "refresh-snap", &format!("Refresh \"microk8s\" snap from \"{wanted}\" channel"), took);
    let version = offer.version.clone();
    world.later_on(&machine, took - 300, move |world, name| {
        if !same {
            world.stop_services(name);
            move_data(world.machine_mut(name), &offer.revision);
        }
        let now = world.now;
        let machine = world.machine_mut(name);
        if let Some(snap) = machine.snapd.snaps.get_mut("microk8s") {
            (snap.version, snap.revision) = (offer.version.clone(), offer.revision.clone());
            (snap.tracking, snap.refreshed) = (offer.name.clone(), now);
        }
        if let Some(snap) = machine.microk8s.as_mut() {
            (snap.version, snap.revision) = (offer.version.clone(), offer.revision.clone());
        }
        world.start_services(name, Pace::RESTART);
    });
    after(took, move |_, call| {
        let mark = tick(call);
        call.quit(0, format!("microk8s ({wanted}) {version} from Canonical{mark} refreshed"))
    })
}

/// snapd refreshes the snap by itself to a newer revision of its channel, unless that is held; whether it does. The
/// services are stopped all that time but its beginning (canonical/snapd `overlord/snapstate/autorefresh.go`).
pub(in super::super) fn auto(world: &mut World, machine: &str) -> bool {
    let now = world.now;
    let snapd = &world.machine(machine).snapd;
    let held = snapd.holds.contains_key("microk8s") || snapd.settings.contains_key("refresh.hold");
    let Some(installed) = snapd.snaps.get("microk8s").filter(|_| !held && snapd.running("microk8s", now).is_none())
    else {
        return false;
    };
    let revision = installed.revision.parse().map_or_else(|_| "x2".to_owned(), |old: u64| (old + 7).to_string());
    begin(world, machine, "auto-refresh", "Auto-refresh snap \"microk8s\"", 45_000);
    world.later_on(machine, 10_000, World::stop_services);
    world.later_on(machine, 44_700, move |world, name| {
        move_data(world.machine_mut(name), &revision);
        let machine = world.machine_mut(name);
        if let Some(snap) = machine.snapd.snaps.get_mut("microk8s") {
            snap.revision.clone_from(&revision);
        }
        if let Some(snap) = machine.microk8s.as_mut() {
            snap.revision = revision;
        }
        world.start_services(name, Pace::RESTART);
    });
    true
}

/// Every revision has its own copy of `$SNAP_DATA`; `current` points at the newest.
fn move_data(machine: &mut Machine, revision: &str) {
    let old = machine.microk8s.as_ref().map_or_else(String::new, |snap| snap.revision.clone());
    machine.files.remove(DATA);
    machine.files.rename(&format!("/var/snap/microk8s/{old}"), &format!("/var/snap/microk8s/{revision}"));
    machine.files.symlink(revision, DATA);
}

fn hold(world: &mut World, call: &mut Call, flag: &str, snaps: &[String]) -> Next {
    if !can_hold(world, &call.machine) {
        return call.fail(64, "error: unknown flag `hold'");
    }
    let until = flag.strip_prefix("--hold=").unwrap_or("forever").to_owned();
    let machine = call.machine.clone();
    let installed = world.machine(&machine).snapd.snaps.clone();
    for snap in snaps {
        if !installed.contains_key(snap) {
            return call.fail(1, format!("error: cannot hold refreshes: snap \"{snap}\" is not installed"));
        }
    }
    let when = if until == "forever" { "indefinitely".to_owned() } else { format!("for {until}") };
    let state = &mut world.machine_mut(&machine).snapd;
    if snaps.is_empty() {
        state.settings.insert("refresh.hold".to_owned(), until);
        return call.quit(0, format!("Auto-refresh of all snaps held {when}"));
    }
    for snap in snaps {
        state.holds.insert(snap.clone(), until.clone());
    }
    let quoted: Vec<String> = snaps.iter().map(|snap| format!("\"{snap}\"")).collect();
    after(200, move |_, call| call.quit(0, format!("General refreshes of {} held {when}", quoted.join(", "))))
}

fn unhold(world: &mut World, call: &mut Call, snaps: &[String]) -> Next {
    if !can_hold(world, &call.machine) {
        return call.fail(64, "error: unknown flag `unhold'");
    }
    let machine = call.machine.clone();
    for snap in snaps {
        world.machine_mut(&machine).snapd.holds.remove(snap);
    }
    let quoted: Vec<String> = snaps.iter().map(|snap| format!("\"{snap}\"")).collect();
    call.quit(0, format!("Removed general refresh hold of {}", quoted.join(", ")))
}
