//! `snap info` and `snap version`.

use super::super::World;
use super::super::config::Os;
use super::super::process::{Call, Next, after};
use super::{names, tick};

const SIZE: &str = "222MB";

/// `snap info NAME`
pub(super) fn info(world: &mut World, call: &mut Call, args: &[String]) -> Next {
    let Some(snap) = names(args).into_iter().next() else {
        return call.fail(64, "error: the required argument `<snap> (at least 1 argument)` was not provided");
    };
    let installed = world.machine(&call.machine).snapd.snaps.get(&snap).cloned();
    let down = world.fit_store() || !world.resolves(&call.machine);
    if snap != "microk8s" || (down && installed.is_none()) {
        let took = if down { 8_000 } else { 300 };
        return after(took, move |_, call| call.fail(1, format!("error: no snap found for \"{snap}\"")));
    }
    call.say("name:      microk8s");
    call.say("summary:   Kubernetes for workstations and appliances");
    call.say(format!("publisher: Canonical{}", tick(call)));
    call.say("store-url: https://snapcraft.io/microk8s");
    call.say("license:   Apache-2.0");
    call.say("description: |\n  MicroK8s is the smallest, simplest, pure production Kubernetes for clusters.");
    call.say("snap-id: EaXqgt1lyCaxKaQCU349mlodBkDCXRcg");
    if let Some(snap) = &installed {
        call.say(format!("tracking:     {}", snap.tracking));
        let day = world.time_at(snap.refreshed).strftime("%Y-%m-%d").to_string();
        call.say(format!("refresh-date: {day}"));
    }
    if !down {
        call.say("channels:");
        let channels = world.store.clone();
        let width = channels.iter().map(|channel| channel.name.len() + 1).max().unwrap_or(0);
        for channel in channels {
            let name = format!("{}:", channel.name);
            call.say(format!(
                "  {name:<width$}  {}  2026-07-01 ({}) {SIZE} classic",
                channel.version, channel.revision
            ));
        }
    }
    if let Some(snap) = &installed {
        call.say(format!("installed:          {}            ({}) {SIZE} {}", snap.version, snap.revision, snap.notes));
    }
    Next::Exit(0)
}

/// `snap version`
pub(super) fn version(world: &mut World, call: &mut Call) -> Next {
    let version = super::version(world, &call.machine);
    let machine = world.machine(&call.machine);
    let os = match machine.spec.os {
        Os::Debian12 => "debian",
        Os::Ubuntu2404 => "ubuntu",
    };
    call.say(format!("snap    {version}\nsnapd   {version}\nseries  16"));
    call.say(format!("{os:<7} {}\nkernel  {}", machine.os_version(), machine.spec.kernel));
    Next::Exit(0)
}
