//! Which program a command line means, and which programs a machine has.

use std::collections::BTreeSet;

use super::process::{Call, Next};
use super::{World, accounts, apt, dqlite, host, iscsi, microk8s, nft, snap, surroundings, systemctl};

/// Starts the program `argv[0]` names.
pub(super) fn dispatch(world: &mut World, call: &mut Call) -> Next {
    let program = call.exec.argv.first().and_then(|path| path.rsplit('/').next()).unwrap_or_default().to_owned();
    let machine = world.machine(&call.machine);
    let missing = match program.as_str() {
        "sudo" => return sudo(world, call),
        "snap" => !machine.packages.contains_key("snapd"),
        "iscsi-iname" | "iscsiadm" => !machine.packages.contains_key("open-iscsi"),
        "multipathd" => !machine.packages.contains_key("multipath-tools"),
        "microk8s" | "dqlite" => !machine.has_microk8s(),
        _ => false,
    };
    if missing {
        return call.fail(127, format!("sh: 1: {}: not found", call.exec.argv[0].clone()));
    }
    match program.as_str() {
        "snap" => snap::main(world, call),
        "microk8s" => microk8s::main(world, call),
        "dqlite" => dqlite::shell(world, call),
        "systemctl" => systemctl::main(world, call),
        "apt-get" | "apt" => apt::get(world, call),
        "dpkg" if call.exec.argv.iter().any(|word| word == "--configure") => apt::configure(world, call),
        "dpkg-query" | "dpkg" => apt::query(world, call),
        "getent" => surroundings::getent(world, call),
        "sysctl" => host::sysctl(world, call),
        "modprobe" => host::modprobe(world, call),
        "nft" => nft::main(world, call),
        "iscsi-iname" => iscsi::iname(world, call),
        "iscsiadm" => iscsi::adm(world, call),
        "multipathd" => multipathd(call),
        "lsmod" => host::lsmod(world, call),
        "hostnamectl" => host::hostnamectl(world, call),
        "hostname" => {
            let name = world.machine(&call.machine).hostname.clone();
            call.quit(0, name)
        }
        "timedatectl" => host::timedatectl(world, call),
        "cloud-init" => host::cloud_init(world, call),
        "usermod" | "groupadd" | "gpasswd" | "adduser" => accounts::main(world, call, &program),
        other => call.fail(127, format!("sh: 1: {other}: not found")),
    }
}

/// `multipathd COMMAND`, as the daemon's client: these machines have no device with several paths.
fn multipathd(call: &mut Call) -> Next {
    let words = call.args().join(" ");
    match words.as_str() {
        "reconfigure" | "reconfigure all" => call.quit(0, "ok"),
        show if show.starts_with("show ") || show.starts_with("list ") => call.quit(0, ""),
        _ => call.fail(1, "fail"),
    }
}

/// `sudo [FLAGS] [--] COMMAND…`: who may use it is not this world's business.
fn sudo(world: &mut World, call: &mut Call) -> Next {
    if !world.machine(&call.machine).packages.contains_key("sudo") {
        return call.fail(127, "sh: 1: sudo: not found");
    }
    let rest: Vec<String> = call.exec.argv.iter().skip(1).skip_while(|arg| arg.starts_with('-')).cloned().collect();
    if rest.is_empty() {
        return call.fail(1, "usage: sudo -h | -K | -k | -V");
    }
    call.exec.argv = rest;
    "root".clone_into(&mut call.exec.user);
    dispatch(world, call)
}

impl World {
    /// The paths of the programs that come and go with packages and snaps, and are on the machine now.
    pub fn programs(&self, machine: &str) -> BTreeSet<&'static str> {
        let mut programs = BTreeSet::new();
        let Some(machine) = self.machines.get(machine) else {
            return programs;
        };
        if machine.packages.contains_key("sudo") {
            programs.insert("/usr/bin/sudo");
        }
        if machine.packages.contains_key("open-iscsi") {
            programs.extend(["/usr/sbin/iscsi-iname", "/usr/sbin/iscsiadm"]);
        }
        if machine.packages.contains_key("multipath-tools") {
            programs.insert("/usr/sbin/multipathd");
        }
        if machine.packages.contains_key("snapd") {
            programs.insert("/usr/bin/snap");
        }
        if machine.packages.contains_key("cloud-init") {
            programs.insert("/usr/bin/cloud-init");
        }
        if machine.has_microk8s() {
            programs.extend(["/snap/bin/microk8s", "/snap/microk8s/current/bin/dqlite"]);
        }
        programs
    }
}
