//! `systemctl`.

use super::machine::{Unit, UnitFile};
use super::microk8s::Pace;
use super::process::{Call, Next, after};
use super::snap::service_of;
use super::{Machine, World};

/// What systemd knows of a unit.
fn unit(machine: &Machine, name: &str) -> Option<Unit> {
    if let Some(service) = service_of(name).filter(|_| name.starts_with("snap.")) {
        let snap = machine.microk8s.as_ref()?;
        return Some(Unit { file: UnitFile::Enabled, active: snap.active(service) });
    }
    let known = machine.units.get(name).copied();
    // A unit file somebody wrote counts as soon as it is there.
    known.or_else(|| {
        let written = machine.files.exists(&format!("/etc/systemd/system/{name}"));
        written.then_some(Unit { file: UnitFile::Disabled, active: false })
    })
}

fn full(name: &str) -> String {
    let suffixes = [".service", ".socket", ".target", ".timer", ".mount", ".path", ".slice", ".scope"];
    if suffixes.iter().any(|suffix| name.ends_with(suffix)) { name.to_owned() } else { format!("{name}.service") }
}

/// `systemctl VERB [UNIT…]`
pub(super) fn main(world: &mut World, call: &mut Call) -> Next {
    let args = call.args();
    let flag = |names: &[&str]| args.iter().any(|arg| names.contains(&arg.as_str()));
    let mut words = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if arg == "-p" || arg == "-t" || arg == "-n" || arg == "-o" {
            rest.next();
        } else if !arg.starts_with('-') {
            words.push(arg.clone());
        }
    }
    if flag(&["--version"]) {
        let version = world.machine(&call.machine).packages.get("systemd").cloned().unwrap_or_default();
        let major = version.split('.').next().unwrap_or_default().to_owned();
        return call.quit(0, format!("systemd {major} ({version})"));
    }
    let Some((verb, units)) = words.split_first() else {
        return Next::Exit(0);
    };
    let units: Vec<String> = units.iter().map(|name| full(name)).collect();
    let (quiet, now) = (flag(&["-q", "--quiet"]), flag(&["--now"]));
    match verb.as_str() {
        "is-active" => is_active(world, call, &units, quiet),
        "is-enabled" => is_enabled(world, call, &units, quiet),
        "is-system-running" => call.quit(0, "running"),
        "is-failed" => call.quit(1, "inactive"),
        "show" => show(world, call, &args, &units),
        "daemon-reload" | "reset-failed" | "list-units" | "list-unit-files" | "cat" => after(60, |_, _| Next::Exit(0)),
        "status" => {
            let active =
                units.iter().all(|name| unit(world.machine(&call.machine), name).is_some_and(|unit| unit.active));
            for name in &units {
                call.say(format!(
                    "● {name}\n     Active: {}",
                    if active { "active (running)" } else { "inactive (dead)" }
                ));
            }
            Next::Exit(if active { 0 } else { 3 })
        }
        _ if call.exec.user != "root" => call.fail(1, "Failed to connect to bus: Interactive authentication required."),
        "start" | "stop" | "restart" | "reload" | "try-restart" | "reload-or-restart" => {
            let verb = verb.clone();
            after(40, move |world, call| operate(world, call, &verb, &units))
        }
        "enable" | "disable" | "mask" | "unmask" => enable(world, call, verb, &units, now),
        "reboot" | "poweroff" if forced(&args) > 1 => {
            let comes_back = verb == "reboot";
            after(30, move |world, call| {
                let machine = call.machine.clone();
                if comes_back {
                    world.reboot(&machine);
                } else {
                    world.power_off(&machine);
                }
                Next::Exit(137)
            })
        }
        "reboot" | "poweroff" => call.fail(1, "Failed to talk to init daemon."),
        other => call.fail(1, format!("Unknown command verb {other}.")),
    }
}

/// How often `--force` is said: twice, and systemctl itself calls reboot(2) at once, whatever runs (systemctl(1)).
fn forced(args: &[String]) -> usize {
    let times = |arg: &String| match arg.as_str() {
        "--force" => 1,
        flags if flags.starts_with('-') && !flags.starts_with("--") => flags.matches('f').count(),
        _ => 0,
    };
    args.iter().map(times).sum()
}

fn is_active(world: &World, call: &mut Call, units: &[String], quiet: bool) -> Next {
    let mut status = 3;
    for name in units {
        let active = unit(world.machine(&call.machine), name).is_some_and(|unit| unit.active);
        if active {
            status = 0;
        }
        if !quiet {
            call.say(if active { "active" } else { "inactive" });
        }
    }
    after(8, move |_, _| Next::Exit(status))
}

fn is_enabled(world: &World, call: &mut Call, units: &[String], quiet: bool) -> Next {
    let mut status = 1;
    for name in units {
        match unit(world.machine(&call.machine), name) {
            Some(unit) => {
                if matches!(unit.file, UnitFile::Enabled | UnitFile::Static) {
                    status = 0;
                }
                if !quiet {
                    call.say(unit.file.word());
                }
            }
            None => call.complain(format!("Failed to get unit file state for {name}: No such file or directory")),
        }
    }
    after(8, move |_, _| Next::Exit(status))
}

fn show(world: &World, call: &mut Call, args: &[String], units: &[String]) -> Next {
    let mut wanted: Vec<String> = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let list = if arg == "-p" {
            rest.next().cloned()
        } else {
            arg.strip_prefix("--property=").or(arg.strip_prefix("-p")).map(str::to_owned)
        };
        wanted.extend(list.unwrap_or_default().split(',').filter(|name| !name.is_empty()).map(str::to_owned));
    }
    let value = args.iter().any(|arg| arg == "--value");
    for (at, name) in units.iter().enumerate() {
        let found = unit(world.machine(&call.machine), name);
        let active = found.is_some_and(|unit| unit.active);
        if at > 0 {
            call.say("");
        }
        let rows = [
            ("Id", name.clone()),
            ("LoadState", if found.is_some() { "loaded" } else { "not-found" }.to_owned()),
            ("ActiveState", if active { "active" } else { "inactive" }.to_owned()),
            ("SubState", if active { "running" } else { "dead" }.to_owned()),
            ("UnitFileState", found.map_or("", |unit| unit.file.word()).to_owned()),
        ];
        for (key, text) in rows {
            if wanted.is_empty() || wanted.iter().any(|name| name == key) {
                call.say(if value { text } else { format!("{key}={text}") });
            }
        }
    }
    after(8, |_, _| Next::Exit(0))
}

fn operate(world: &mut World, call: &mut Call, verb: &str, units: &[String]) -> Next {
    let machine = call.machine.clone();
    let mut status = 0;
    for name in units {
        let Some(found) = unit(world.machine(&machine), name) else {
            let lacks = if verb == "stop" { "loaded" } else { "found" };
            call.complain(format!("Failed to {verb} {name}: Unit {name} not {lacks}."));
            status = 5;
            continue;
        };
        if found.file == UnitFile::Masked && verb != "stop" {
            call.complain(format!("Failed to {verb} {name}: Unit {name} is masked."));
            status = 1;
            continue;
        }
        if let Some(service) = service_of(name).filter(|_| name.starts_with("snap.")) {
            if verb != "start" {
                world.stop_service(&machine, service);
            }
            if verb != "stop" {
                world.start_service(&machine, service, Pace::RESTART);
            }
        } else {
            let active = verb != "stop" && (found.active || !verb.starts_with("try"));
            if active && !can_start(world, call, name) {
                status = 1;
                continue;
            }
            world.machine_mut(&machine).units.insert(name.clone(), Unit { active, ..found });
        }
    }
    world.touch_all();
    after(150, move |_, _| Next::Exit(status))
}

fn enable(world: &mut World, call: &mut Call, verb: &str, units: &[String], now: bool) -> Next {
    let machine = call.machine.clone();
    let mut failed = false;
    for name in units {
        let Some(found) = unit(world.machine(&machine), name) else {
            return call.fail(1, format!("Failed to {verb} unit: Unit file {name} does not exist."));
        };
        if found.file == UnitFile::Masked && verb == "enable" {
            return call.fail(1, format!("Failed to enable unit: Unit file /etc/systemd/system/{name} is masked."));
        }
        let file = match verb {
            "mask" => UnitFile::Masked,
            "enable" => UnitFile::Enabled,
            _ if found.file == UnitFile::Static => UnitFile::Static,
            _ => UnitFile::Disabled,
        };
        let active = if now { verb == "enable" } else { found.active };
        let fails = now && active && !found.active && !can_start(world, call, name);
        let active = active && !fails;
        if service_of(name).is_none() {
            world.machine_mut(&machine).units.insert(name.clone(), Unit { file, active });
        }
        failed |= fails;
        if verb == "enable" && found.file != UnitFile::Enabled {
            call.complain(format!(
                "Created symlink /etc/systemd/system/multi-user.target.wants/{name} → /lib/systemd/system/{name}."
            ));
        }
    }
    world.touch_all();
    after(250, move |_, _| Next::Exit(i32::from(failed)))
}

/// Whether what a unit runs before its program lets it start; says so where not.
fn can_start(world: &mut World, call: &mut Call, name: &str) -> bool {
    let fine = name != "iscsid.service" || super::iscsi::check_start(world, &call.machine);
    if !fine {
        call.complain(format!(
            "Job for {name} failed because the control process exited with error code.\nSee \"systemctl status {name}\" and \
             \"journalctl -xeu {name}\" for details."
        ));
    }
    fine
}
