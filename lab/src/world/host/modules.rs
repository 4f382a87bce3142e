//! `modprobe` and `lsmod`.

use super::super::World;
use super::super::machine::Machine;
use super::super::process::{Call, Next, after};
use super::parameters::BRIDGE;

/// Modules the kernel has, besides those that are loaded.
const MODULES: [&str; 22] = [
    "br_netfilter",
    "dm_thin_pool",
    "ip6_tables",
    "ip_tables",
    "ip_vs",
    "ip_vs_rr",
    "ip_vs_sh",
    "ip_vs_wrr",
    "ipip",
    "iptable_nat",
    "iscsi_tcp",
    "libiscsi",
    "nbd",
    "nf_conntrack",
    "nf_nat",
    "nfs",
    "nfsd",
    "nfsv4",
    "nvme_tcp",
    "vxlan",
    "wireguard",
    "xt_conntrack",
];

/// `modprobe [-q] [-a] [-n] [-r] NAME…`
pub(in super::super) fn modprobe(world: &mut World, call: &mut Call) -> Next {
    let args = call.args();
    let flag = |names: &[&str]| args.iter().any(|arg| names.contains(&arg.as_str()));
    let kernel = world.machine(&call.machine).spec.kernel.clone();
    let all = flag(&["-a", "--all"]);
    let names: Vec<String> = args
        .iter()
        .filter(|arg| !arg.starts_with('-'))
        .take(if all { 64 } else { 1 })
        .map(|arg| arg.replace('-', "_"))
        .collect();
    let mut missing = false;
    for name in names {
        let machine = world.machine_mut(&call.machine);
        let known = MODULES.contains(&name.as_str()) || machine.modules.contains(&name);
        if !known {
            missing = true;
            if !flag(&["-q", "--quiet"]) {
                call.complain(format!("modprobe: FATAL: Module {name} not found in directory /lib/modules/{kernel}"));
            }
        } else if flag(&["-r", "--remove"]) {
            machine.modules.remove(&name);
        } else if call.exec.user != "root" && !machine.modules.contains(&name) {
            missing = true;
            call.complain(format!("modprobe: ERROR: could not insert '{name}': Operation not permitted"));
        } else if !flag(&["-n", "--dry-run", "--show"]) {
            load(machine, &name);
        }
    }
    after(15, move |_, _| Next::Exit(i32::from(missing)))
}

/// Loads a module, with the kernel parameters that come with it.
pub(in super::super) fn load(machine: &mut Machine, name: &str) {
    if machine.modules.insert(name.to_owned()) && name == "br_netfilter" {
        machine.sysctls.extend(BRIDGE.map(|name| (name.to_owned(), "1".to_owned())));
    }
}

/// `lsmod`
pub(in super::super) fn lsmod(world: &mut World, call: &mut Call) -> Next {
    call.say("Module                  Size  Used by");
    for name in world.machine(&call.machine).modules.clone() {
        call.say(format!("{name:<19} {:>8}  0", 32_768));
    }
    Next::Exit(0)
}
