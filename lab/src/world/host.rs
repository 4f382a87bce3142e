//! `hostnamectl`, `timedatectl`, `sysctl`, `modprobe`, `lsmod` and `cloud-init`.

use super::World;
use super::machine::{Machine, UnitFile};
use super::process::{Call, Next, after};

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

/// Parameters that exist beyond those a fresh machine lists.
const PARAMETERS: [&str; 10] = [
    "fs.file-max",
    "fs.nr_open",
    "kernel.panic_on_oops",
    "kernel.pid_max",
    "net.core.somaxconn",
    "net.core.wmem_max",
    "net.ipv4.conf.all.forwarding",
    "net.ipv4.conf.default.rp_filter",
    "net.ipv6.conf.all.forwarding",
    "net.netfilter.nf_conntrack_max",
];

const BRIDGE: [&str; 2] = [
    "net.bridge.bridge-nf-call-iptables",
    "net.bridge.bridge-nf-call-ip6tables",
];

fn parameter_exists(machine: &Machine, name: &str) -> bool {
    machine.sysctls.contains_key(name)
        || PARAMETERS.contains(&name)
        || (BRIDGE.contains(&name) && machine.modules.contains("br_netfilter"))
}

/// Sets what the files under `/etc/sysctl.d` and `/etc/sysctl.conf` say.
pub(super) fn apply_sysctl_files(machine: &mut Machine) {
    let names = machine.files.list("/etc/sysctl.d");
    let paths = names
        .iter()
        .map(|name| format!("/etc/sysctl.d/{name}"))
        .chain(["/etc/sysctl.conf".to_owned()]);
    for path in paths.collect::<Vec<_>>() {
        apply_sysctl_file(machine, &path);
    }
}

/// Sets what one file says; the names it set, and those that do not exist.
fn apply_sysctl_file(machine: &mut Machine, path: &str) -> (Vec<(String, String)>, Vec<String>) {
    let text = machine.text(path).unwrap_or_default();
    let (mut set, mut unknown) = (Vec::new(), Vec::new());
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with(['#', ';']))
    {
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let name = name.trim().trim_start_matches('-').replace('/', ".");
        if parameter_exists(machine, &name) {
            machine
                .sysctls
                .insert(name.clone(), value.trim().to_owned());
            set.push((name, value.trim().to_owned()));
        } else {
            unknown.push(name);
        }
    }
    (set, unknown)
}

fn no_parameter(call: &mut Call, name: &str) {
    call.complain(format!(
        "sysctl: cannot stat /proc/sys/{}: No such file or directory",
        name.replace('.', "/")
    ));
}

/// `sysctl [-n] [-q] [-w] NAME[=VALUE]… | -p [FILE] | --system | -a`
pub(super) fn sysctl(world: &mut World, call: &mut Call) -> Next {
    let args = call.args();
    let flag = |names: &[&str]| args.iter().any(|arg| names.contains(&arg.as_str()));
    let (bare, quiet, lenient) = (
        flag(&["-n", "--values"]),
        flag(&["-q", "--quiet"]),
        flag(&["-e", "--ignore"]),
    );
    let words: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let root = call.exec.user == "root";
    let machine = world.machine_mut(&call.machine);
    if flag(&["-a", "--all"]) {
        for (name, value) in machine.sysctls.clone() {
            call.say(format!("{name} = {value}"));
        }
        return Next::Exit(0);
    }
    let mut missing = false;
    let mut set = Vec::new();
    if flag(&["--system"]) {
        for name in machine.files.list("/etc/sysctl.d") {
            if !quiet {
                call.say(format!("* Applying /etc/sysctl.d/{name} ..."));
            }
            set.extend(apply_sysctl_file(machine, &format!("/etc/sysctl.d/{name}")).0);
        }
    } else if let Some(file) = args
        .iter()
        .find(|arg| arg.starts_with("-p") || arg.starts_with("--load"))
    {
        let path = file
            .strip_prefix("--load=")
            .map(str::to_owned)
            .or_else(|| words.first().map(|path| (*path).clone()));
        let path = path.unwrap_or_else(|| "/etc/sysctl.conf".to_owned());
        if !machine.files.exists(&path) {
            return call.fail(
                255,
                format!("sysctl: cannot open \"{path}\": No such file or directory"),
            );
        }
        let (done, unknown) = apply_sysctl_file(machine, &path);
        set.extend(done);
        for name in unknown {
            no_parameter(call, &name);
            missing = !lenient;
        }
    } else {
        for word in words {
            let (name, value) = word
                .split_once('=')
                .map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
            let name = name.trim().replace('/', ".");
            if !parameter_exists(machine, &name) {
                no_parameter(call, &name);
                missing = !lenient;
            } else if let Some(value) = value {
                if !root {
                    call.complain(format!("sysctl: permission denied on key \"{name}\""));
                    missing = true;
                    continue;
                }
                machine
                    .sysctls
                    .insert(name.clone(), value.trim().to_owned());
                set.push((name, value.trim().to_owned()));
            } else {
                let value = machine
                    .sysctls
                    .get(&name)
                    .cloned()
                    .unwrap_or_else(|| "0".to_owned());
                call.say(if bare {
                    value
                } else {
                    format!("{name} = {value}")
                });
            }
        }
    }
    for (name, value) in set {
        if !quiet {
            call.say(if bare {
                value
            } else {
                format!("{name} = {value}")
            });
        }
    }
    after(4, move |_, _| Next::Exit(i32::from(missing)))
}

/// `modprobe [-q] [-a] [-n] [-r] NAME…`
pub(super) fn modprobe(world: &mut World, call: &mut Call) -> Next {
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
                call.complain(format!(
                    "modprobe: FATAL: Module {name} not found in directory /lib/modules/{kernel}"
                ));
            }
        } else if flag(&["-r", "--remove"]) {
            machine.modules.remove(&name);
        } else if call.exec.user != "root" && !machine.modules.contains(&name) {
            missing = true;
            call.complain(format!(
                "modprobe: ERROR: could not insert '{name}': Operation not permitted"
            ));
        } else if !flag(&["-n", "--dry-run", "--show"]) {
            if name == "br_netfilter" && !machine.modules.contains(&name) {
                machine
                    .sysctls
                    .extend(BRIDGE.map(|name| (name.to_owned(), "1".to_owned())));
            }
            machine.modules.insert(name);
        }
    }
    after(15, move |_, _| Next::Exit(i32::from(missing)))
}

/// `lsmod`
pub(super) fn lsmod(world: &mut World, call: &mut Call) -> Next {
    call.say("Module                  Size  Used by");
    for name in world.machine(&call.machine).modules.clone() {
        call.say(format!("{name:<19} {:>8}  0", 32_768));
    }
    Next::Exit(0)
}

/// `hostnamectl [hostname|set-hostname NAME|--static|status]`
pub(super) fn hostnamectl(world: &mut World, call: &mut Call) -> Next {
    let args = call.args();
    let words: Vec<&str> = args
        .iter()
        .map(String::as_str)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let machine = world.machine(&call.machine);
    match words.as_slice() {
        ["set-hostname" | "hostname", name] => {
            let name = (*name).to_owned();
            if call.exec.user != "root" {
                return call.fail(1, "Could not set static hostname: Access denied");
            }
            let machine = world.machine_mut(&call.machine);
            machine
                .files
                .write("/etc/hostname", format!("{name}\n").as_bytes(), 0o644);
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

fn ntp_runs(machine: &Machine) -> bool {
    ["systemd-timesyncd.service", "chrony.service"]
        .iter()
        .any(|unit| machine.units.get(*unit).is_some_and(|unit| unit.active))
}

/// `timedatectl [status|show [-p NAME] [--value]|set-ntp BOOL|set-timezone ZONE]`
pub(super) fn timedatectl(world: &mut World, call: &mut Call) -> Next {
    let args = call.args();
    let clock = world.machine_clock(&call.machine);
    let machine = world.machine_mut(&call.machine);
    let ntp = ntp_runs(machine);
    let synced = machine.time_synced && ntp;
    let word = |value: bool| if value { "yes" } else { "no" };
    match args
        .iter()
        .find(|arg| !arg.starts_with('-'))
        .map(String::as_str)
    {
        Some("show") => {
            let wanted = args
                .windows(2)
                .find(|pair| pair[0] == "-p")
                .map(|pair| pair[1].clone());
            let wanted = wanted.or_else(|| {
                args.iter().find_map(|arg| {
                    arg.strip_prefix("--property=")
                        .or(arg.strip_prefix("-p"))
                        .map(str::to_owned)
                })
            });
            let wanted = wanted.filter(|name| !name.is_empty());
            let value = args.iter().any(|arg| arg == "--value");
            let rows = [
                ("Timezone", "Etc/UTC".to_owned()),
                ("LocalRTC", "no".to_owned()),
                ("CanNTP", "yes".to_owned()),
                ("NTP", word(ntp).to_owned()),
                ("NTPSynchronized", word(synced).to_owned()),
                (
                    "TimeUSec",
                    clock.strftime("%a %Y-%m-%d %H:%M:%S UTC").to_string(),
                ),
            ];
            for (name, text) in rows {
                if wanted.as_deref().is_none_or(|wanted| wanted == name) {
                    call.say(if value {
                        text
                    } else {
                        format!("{name}={text}")
                    });
                }
            }
            Next::Exit(0)
        }
        Some("set-ntp") => {
            let on = args
                .iter()
                .any(|arg| ["true", "yes", "1", "on"].contains(&arg.as_str()));
            if let Some(unit) = machine.units.get_mut("systemd-timesyncd.service") {
                unit.active = on;
                unit.file = if on {
                    UnitFile::Enabled
                } else {
                    UnitFile::Disabled
                };
                return after(300, |_, _| Next::Exit(0));
            }
            if machine.units.contains_key("chrony.service") {
                return Next::Exit(0);
            }
            call.fail(1, "Failed to set ntp: NTP not supported")
        }
        Some("set-timezone") => Next::Exit(0),
        None | Some("status") => {
            let time = clock.strftime("%a %Y-%m-%d %H:%M:%S UTC");
            call.say(format!(
                "               Local time: {time}\n           Universal time: {time}"
            ));
            call.say("                Time zone: Etc/UTC (UTC, +0000)");
            call.say(format!("System clock synchronized: {}", word(synced)));
            call.say(format!(
                "              NTP service: {}",
                if ntp { "active" } else { "inactive" }
            ));
            call.quit(0, "          RTC in local TZ: no")
        }
        Some(other) => call.fail(1, format!("Unknown command verb '{other}'.")),
    }
}

/// `cloud-init status [--wait]`
pub(super) fn cloud_init(world: &mut World, call: &mut Call) -> Next {
    if !world
        .machine(&call.machine)
        .packages
        .contains_key("cloud-init")
    {
        return call.fail(127, "sh: 1: cloud-init: not found");
    }
    after(200, |_, call| call.quit(0, "status: done"))
}
