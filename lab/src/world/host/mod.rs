//! What belongs to the host: its name, clock, kernel parameters and modules.

mod clock;
mod modules;
mod parameters;

use super::World;
use super::process::{Call, Next, after};

pub(super) use clock::timedatectl;
pub(super) use modules::{load, lsmod, modprobe};
pub(super) use parameters::{apply_sysctl_files, sysctl};

/// `hostnamectl [hostname|set-hostname NAME|--static|status]`
pub(super) fn hostnamectl(world: &mut World, call: &mut Call) -> Next {
    let args = call.args();
    let words: Vec<&str> = args.iter().map(String::as_str).filter(|arg| !arg.starts_with('-')).collect();
    let machine = world.machine(&call.machine);
    match words.as_slice() {
        ["set-hostname" | "hostname", name] => {
            let name = (*name).to_owned();
            if call.exec.user != "root" {
                return call.fail(1, "Could not set static hostname: Access denied");
            }
            let machine = world.machine_mut(&call.machine);
            machine.files.write("/etc/hostname", format!("{name}\n").as_bytes(), 0o644);
            machine.hostname = name;
            Next::Exit(0)
        }
        ["hostname"] => call.quit(0, machine.hostname.clone()),
        [] if args.iter().any(|arg| arg == "--static") => call.quit(0, machine.hostname.clone()),
        [] | ["status"] => {
            let text = format!(
                " Static hostname: {}\n       Icon name: computer\n      Machine ID: {}\n         Boot ID: {}\nOperating System: {}\n          Kernel: Linux {}\n    Architecture: x86-64",
                machine.hostname,
                machine.machine_id,
                machine.boot_id.replace('-', ""),
                machine.os_image(),
                machine.spec.kernel
            );
            call.quit(0, text)
        }
        [other, ..] => call.fail(1, format!("Unknown command verb '{other}'.")),
    }
}

/// `cloud-init status [--wait]`
pub(super) fn cloud_init(world: &mut World, call: &mut Call) -> Next {
    if !world.machine(&call.machine).packages.contains_key("cloud-init") {
        return call.fail(127, "sh: 1: cloud-init: not found");
    }
    after(200, |_, call| call.quit(0, "status: done"))
}
