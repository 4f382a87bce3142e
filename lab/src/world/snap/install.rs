//! `snap install`.

use std::fmt::Write as _;

use rand::RngExt as _;

use super::super::process::{Call, Next, after};
use super::super::surroundings::no_room_for_snap;
use super::super::{Channel, Notice, World};
use super::{Change, Installed, channel, may_change, names, option, store_down, tick};

/// `snap install NAME [--classic] [--channel=C]`
pub(super) fn install(world: &mut World, call: &mut Call, args: &[String]) -> Next {
    let Some(snap) = names(args).into_iter().next() else {
        return call.fail(64, "error: the required argument `<snap> (at least 1 argument)` was not provided");
    };
    let machine = call.machine.clone();
    if let Err(end) = may_change(world, call, &snap) {
        return end;
    }
    if world.machine(&machine).snapd.snaps.contains_key(&snap) {
        return call.fail(0, format!("snap \"{snap}\" is already installed, see 'snap help refresh'"));
    }
    if let Some(end) = store_down(world, call) {
        return end;
    }
    if snap != "microk8s" {
        return after(900, move |_, call| call.fail(1, format!("error: snap \"{snap}\" not found")));
    }
    let wanted = channel(args).unwrap_or_else(|| "latest/stable".to_owned());
    let offer = match find(world, &wanted) {
        Ok(offer) => offer,
        Err(text) => return after(900, move |_, call| call.fail(1, text)),
    };
    if !args.iter().any(|arg| arg == "--classic") {
        return after(900, |_, call| {
            call.fail(
                1,
                "error: This revision of snap \"microk8s\" was published using classic confinement and thus may perform\n       \
                 arbitrary system changes outside of the security sandbox that snaps are usually confined to,\n       which may put \
                 your system at risk.\n\n       If you understand and want to proceed repeat the command including --classic.",
            )
        });
    }
    if let Some(problem) = no_room_for_snap(world.machine(&machine)) {
        return after(900, move |_, call| call.fail(1, problem));
    }
    let took = 20_000 + world.rng.random_range(0..25_000);
    begin(world, &machine, "install-snap", &format!("Install \"microk8s\" snap from \"{wanted}\" channel"), took);
    let summary = offer.clone();
    world.later_on(&machine, took - 300, move |world, name| {
        finish(world, name, &offer);
    });
    if args.iter().any(|arg| arg == "--no-wait") {
        let id = world.machine(&machine).snapd.next_id() - 1;
        return call.quit(0, id.to_string());
    }
    after(took, move |world, call| {
        if option(&call.args(), "--quiet").is_some()
            || !world.machine(&call.machine).snapd.snaps.contains_key("microk8s")
        {
            return call.fail(
                1,
                "error: cannot perform the following tasks:\n- Run install hook of \"microk8s\" snap (aborted)",
            );
        }
        let mark = tick(call);
        let place = if summary.name == "latest/stable" { String::new() } else { format!(" ({})", summary.name) };
        call.quit(0, format!("microk8s{place} {} from Canonical{mark} installed", summary.version))
    })
}

/// The store's row for a channel, or its refusal.
pub(super) fn find(world: &World, wanted: &str) -> Result<Channel, String> {
    let offer = world.store.iter().find(|channel| channel.name == wanted).cloned();
    offer.ok_or_else(|| {
        let track = wanted.split('/').next().unwrap_or_default();
        let known = world.store.iter().any(|channel| channel.name.split('/').next() == Some(track));
        if known {
            return format!("error: snap \"microk8s\" not available on channel \"{wanted}\" (see 'snap info microk8s')");
        }
        let mut tracks: Vec<&str> = world.store.iter().filter_map(|channel| channel.name.split('/').next()).collect();
        tracks.dedup();
        let mut text = format!("error: snap \"microk8s\" is not available on {wanted} but is available to install on the\n       following tracks:\n\n");
        for track in tracks {
            let _ = writeln!(text, "       {track}/stable  snap install --channel={track} microk8s");
        }
        text.push_str("\n       Please be mindful that different tracks may include different features.\n       Get more information with 'snap info microk8s'.");
        text
    })
}

/// Notes a change that is under way for `took` milliseconds.
pub(super) fn begin(world: &mut World, machine: &str, kind: &'static str, summary: &str, took: u64) -> u64 {
    let now = world.now;
    let snapd = &mut world.machine_mut(machine).snapd;
    let id = snapd.next_id();
    snapd.changes.push(Change {
        id,
        kind,
        snap: "microk8s".to_owned(),
        summary: summary.to_owned(),
        spawned: now,
        ends: now + took,
        failed: false,
    });
    id
}

/// What the change's last tasks do: the snap is there and its services start.
fn finish(world: &mut World, name: &str, offer: &Channel) {
    let now = world.now;
    let snaps = &mut world.machine_mut(name).snapd.snaps;
    let base = Installed {
        version: "20250822".to_owned(),
        revision: "2133".to_owned(),
        tracking: "latest/stable".to_owned(),
        notes: "base".to_owned(),
        refreshed: now,
    };
    snaps.entry("core22".to_owned()).or_insert(base);
    snaps.insert(
        "microk8s".to_owned(),
        Installed {
            version: offer.version.clone(),
            revision: offer.revision.clone(),
            tracking: offer.name.clone(),
            notes: "classic".to_owned(),
            refreshed: now,
        },
    );
    world.install_microk8s(name, &offer.version, &offer.revision);
    if world.surroundings.eager_refresh {
        world.later_on(name, 400, |world, name| {
            super::auto_refresh(world, name);
        });
    }
    world.notices.push(Notice::ProgramsChanged(name.to_owned()));
}
