//! `apt-get` and `dpkg-query`.

use super::process::{Call, Next, after};
use super::surroundings::{completed, interrupted, no_room_for_archives};
use super::system::{archive_version, install};
use super::{Notice, World};

/// `apt-get update|install|…`
pub(super) fn get(world: &mut World, call: &mut Call) -> Next {
    let args = call.args();
    let patience = args.iter().find_map(|arg| arg.split_once("Lock::Timeout=")?.1.parse::<i64>().ok()).unwrap_or(0);
    let mut words = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if arg == "-o" || arg == "-t" || arg == "-c" {
            rest.next();
        } else if !arg.starts_with('-') {
            words.push(arg.clone());
        }
    }
    let Some(command) = words.first().cloned() else {
        return call.quit(0, "apt 2.6.1 (amd64)\nUsage: apt-get [options] command");
    };
    if call.exec.user != "root" {
        call.complain("E: Could not open lock file /var/lib/dpkg/lock-frontend - open (13: Permission denied)");
        return call
            .fail(100, "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), are you root?");
    }
    if let Some(until) = world.fit_apt_lock() {
        let wait = until - world.now;
        if patience != 0 {
            call.say("Waiting for cache lock: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 1482 (unattended-upgr)...");
        }
        if patience < 0 || i64::try_from(wait).is_ok_and(|wait| patience * 1_000 >= wait) {
            return after(wait, move |world, call| work(world, call, &command, &words));
        }
        let limit = u64::try_from(patience * 1_000).unwrap_or(0);
        return after(300 + limit, move |_, call| refuse_lock(call, &command));
    }
    work(world, call, &command, &words)
}

fn refuse_lock(call: &mut Call, command: &str) -> Next {
    if command == "update" {
        call.say("Reading package lists...");
        call.complain("E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1482 (apt-get)");
        call.complain("N: Be aware that removing the lock file is not a solution and may break your system.");
        return call.fail(100, "E: Unable to lock directory /var/lib/apt/lists/");
    }
    call.complain("E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 1482 (unattended-upgr)");
    call.complain("N: Be aware that removing the lock file is not a solution and may break your system.");
    call.fail(
        100,
        "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?",
    )
}

fn work(world: &mut World, call: &mut Call, command: &str, words: &[String]) -> Next {
    let connected = world.machine(&call.machine).connected;
    let resolves = world.resolves(&call.machine);
    let machine = world.machine(&call.machine);
    if !["update", "clean", "autoclean"].contains(&command) && interrupted(machine) {
        return call.fail(
            100,
            "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem. ",
        );
    }
    let no_room = no_room_for_archives(machine);
    match command {
        "update" if connected && !resolves => after(10_000, |_, call| {
            call.complain(
                "W: Failed to fetch http://deb.debian.org/debian/dists/stable/InRelease  Temporary failure resolving 'deb.debian.org'",
            );
            call.complain("W: Some index files failed to download. They have been ignored, or old ones used instead.");
            Next::Exit(0)
        }),
        "update" if !connected => after(12_000, |_, call| {
            call.complain("W: Some index files failed to download. They have been ignored, or old ones used instead.");
            Next::Exit(0)
        }),
        "update" => {
            let took = world.around(2_500);
            after(took, |world, call| {
                world.faults.lists_updated(&call.machine);
                call.quit(0, "Reading package lists...")
            })
        }
        "install" => {
            let os = world.machine(&call.machine).spec.os;
            call.say("Reading package lists...\nBuilding dependency tree...\nReading state information...");
            let packages: Vec<String> = words[1..].to_vec();
            let listed =
                |name: &str| archive_version(os, name).is_some() && !world.faults.unlisted(&call.machine, name);
            let unknown: Vec<String> = packages.iter().filter(|name| !listed(name)).cloned().collect();
            for name in &unknown {
                call.complain(format!("E: Unable to locate package {name}"));
            }
            if !unknown.is_empty() {
                return Next::Exit(100);
            }
            let there = &world.machine(&call.machine).packages;
            let new: Vec<String> = packages.iter().filter(|name| !there.contains_key(*name)).cloned().collect();
            for name in packages.iter().filter(|name| there.contains_key(*name)) {
                call.say(format!("{name} is already the newest version ({}).", there[name]));
            }
            if new.is_empty() {
                return after(600, |_, call| {
                    call.quit(0, "0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.")
                });
            }
            if !connected {
                return after(12_000, |_, call| {
                    call.fail(
                        100,
                        "E: Unable to fetch some archives, maybe run apt-get update or try with --fix-missing?",
                    )
                });
            }
            if let Some(problem) = no_room {
                return call.fail(100, problem);
            }
            if !resolves {
                return after(10_000, |_, call| {
                    call.complain("E: Failed to fetch http://deb.debian.org/debian/pool/main/  Temporary failure resolving 'deb.debian.org'");
                    call.fail(
                        100,
                        "E: Unable to fetch some archives, maybe run apt-get update or try with --fix-missing?",
                    )
                });
            }
            call.say("The following NEW packages will be installed:");
            call.say(format!("  {}", new.join(" ")));
            call.say(format!("0 upgraded, {} newly installed, 0 to remove and 0 not upgraded.", new.len()));
            let took = world.around(2_000 + 1_500 * new.len() as u64);
            after(took, move |world, call| set_up(world, call, &new))
        }
        "remove" | "purge" => {
            for name in &words[1..] {
                let machine = world.machine_mut(&call.machine);
                if name == "nfs-common" {
                    super::nfs::remove(machine);
                }
                machine.packages.remove(name);
            }
            world.touch_all();
            world.notices.push(Notice::ProgramsChanged(call.machine.clone()));
            after(2_000, |_, _| Next::Exit(0))
        }
        "upgrade" | "dist-upgrade" | "autoremove" | "clean" | "autoclean" => after(1_500, |_, _| Next::Exit(0)),
        other => call.fail(100, format!("E: Invalid operation {other}")),
    }
}

fn set_up(world: &mut World, call: &mut Call, new: &[String]) -> Next {
    let now = world.now;
    for name in new {
        let Some(machine) = world.machines.get_mut(&call.machine) else { continue };
        install(machine, name);
        if name == "open-iscsi" {
            world.faults.spoil_packages(machine);
        }
        if name == "snapd" {
            machine.snapd.seeded = Some(now + super::snap::SEEDING);
        }
        let version = machine.packages.get(name).cloned().unwrap_or_default();
        call.say(format!("Setting up {name} ({version}) ..."));
    }
    world.touch_all();
    world.notices.push(Notice::ProgramsChanged(call.machine.clone()));
    Next::Exit(0)
}

/// `dpkg --configure -a`: completes what an interrupted dpkg left.
pub(super) fn configure(world: &mut World, call: &mut Call) -> Next {
    if call.exec.user != "root" {
        return call.fail(2, "dpkg: error: requested operation requires superuser privilege");
    }
    if world.fit_apt_lock().is_some() {
        call.complain("dpkg: error: dpkg frontend lock was locked by another process with pid 1482");
        return call.fail(2, "Note: removing the lock file is always wrong, can damage the locked area");
    }
    if !interrupted(world.machine(&call.machine)) {
        return Next::Exit(0);
    }
    after(3_000, |world, call| {
        completed(world.machine_mut(&call.machine));
        call.quit(0, "Setting up libc-bin ...")
    })
}

/// `dpkg-query -W [-f FORMAT] NAME…` and `dpkg -s NAME…`
pub(super) fn query(world: &mut World, call: &mut Call) -> Next {
    let args = call.args();
    let mut format = "${Package}\\t${Version}\\n".into();
    let mut names = Vec::new();
    let mut rest = args.iter();
    let mut status = false;
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "-f" | "--showformat" => format = rest.next().cloned().unwrap_or_default(),
            "-s" | "--status" => status = true,
            "-W" | "--show" | "-l" => {}
            text if text.starts_with("--showformat=") => {
                format = String::from(&text["--showformat=".len()..]);
            }
            text if text.starts_with("-f=") => format = String::from(&text[3..]),
            text if text.starts_with("-f") => format = String::from(&text[2..]),
            text if text.starts_with('-') => {}
            text => names.push(text.to_owned()),
        }
    }
    if status {
        format = "Package: ${Package}\\nStatus: ${Status}\\nArchitecture: amd64\\nVersion: ${Version}\\n".into();
    }
    let packages = world.machine(&call.machine).packages.clone();
    if names.is_empty() {
        names = packages.keys().cloned().collect();
    }
    let mut missing = false;
    for name in &names {
        let bare = name.split(':').next().unwrap_or(name);
        match packages.get(bare) {
            Some(version) => call.print(show(&format, bare, version)),
            None if status => {
                missing = true;
                call.complain(format!("dpkg-query: package '{name}' is not installed and no information is available"));
            }
            None => {
                missing = true;
                call.complain(format!("dpkg-query: no packages found matching {name}"));
            }
        }
    }
    after(5, move |_, _| Next::Exit(i32::from(missing)))
}

fn show(format: &str, name: &str, version: &str) -> String {
    let fields = [
        ("${Package}", name),
        ("${binary:Package}", name),
        ("${Version}", version),
        ("${Status}", "install ok installed"),
        ("${db:Status-Status}", "installed"),
        ("${db:Status-Abbrev}", "ii "),
        ("${db:Status-Want}", "install"),
        ("${Architecture}", "amd64"),
    ];
    let text = fields.iter().fold(format.to_owned(), |text, (field, value)| text.replace(field, value));
    text.replace("\\n", "\n").replace("\\t", "\t")
}
