//! `sysctl`.

use super::super::World;
use super::super::machine::Machine;
use super::super::process::{Call, Next, after};

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

pub(super) const BRIDGE: [&str; 2] = ["net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables"];

fn parameter_exists(machine: &Machine, name: &str) -> bool {
    machine.sysctls.contains_key(name)
        || PARAMETERS.contains(&name)
        || (BRIDGE.contains(&name) && machine.modules.contains("br_netfilter"))
}

/// Sets what the files under `/etc/sysctl.d` and `/etc/sysctl.conf` say.
pub(in super::super) fn apply_sysctl_files(machine: &mut Machine) {
    let names = machine.files.list("/etc/sysctl.d");
    let paths = names.iter().map(|name| format!("/etc/sysctl.d/{name}")).chain(["/etc/sysctl.conf".to_owned()]);
    for path in paths.collect::<Vec<_>>() {
        apply_sysctl_file(machine, &path);
    }
}

/// Sets what one file says; the names it set, and those that do not exist.
fn apply_sysctl_file(machine: &mut Machine, path: &str) -> (Vec<(String, String)>, Vec<String>) {
    let text = machine.text(path).unwrap_or_default();
    let (mut set, mut unknown) = (Vec::new(), Vec::new());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let name = name.trim().trim_start_matches('-').replace('/', ".");
        if parameter_exists(machine, &name) {
            machine.sysctls.insert(name.clone(), value.trim().to_owned());
            set.push((name, value.trim().to_owned()));
        } else {
            unknown.push(name);
        }
    }
    (set, unknown)
}

fn no_parameter(call: &mut Call, name: &str) {
    call.complain(format!("sysctl: cannot stat /proc/sys/{}: No such file or directory", name.replace('.', "/")));
}

/// `sysctl [-n] [-q] [-w] NAME[=VALUE]… | -p [FILE] | --system | -a`
pub(in super::super) fn sysctl(world: &mut World, call: &mut Call) -> Next {
    let args = call.args();
    let flag = |names: &[&str]| args.iter().any(|arg| names.contains(&arg.as_str()));
    let (bare, quiet, lenient) = (flag(&["-n", "--values"]), flag(&["-q", "--quiet"]), flag(&["-e", "--ignore"]));
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
    } else if let Some(file) = args.iter().find(|arg| arg.starts_with("-p") || arg.starts_with("--load")) {
        let path =
            file.strip_prefix("--load=").map(str::to_owned).or_else(|| words.first().map(|path| (*path).clone()));
        let path = path.unwrap_or_else(|| "/etc/sysctl.conf".to_owned());
        if !machine.files.exists(&path) {
            return call.fail(255, format!("sysctl: cannot open \"{path}\": No such file or directory"));
        }
        let (done, unknown) = apply_sysctl_file(machine, &path);
        set.extend(done);
        for name in unknown {
            no_parameter(call, &name);
            missing = !lenient;
        }
    } else {
        for word in words {
            let (name, value) = word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
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
                machine.sysctls.insert(name.clone(), value.trim().to_owned());
                set.push((name, value.trim().to_owned()));
            } else {
                let value = machine.sysctls.get(&name).cloned().unwrap_or_else(|| "0".to_owned());
                call.say(if bare { value } else { format!("{name} = {value}") });
            }
        }
    }
    for (name, value) in set {
        if !quiet {
            call.say(if bare { value } else { format!("{name} = {value}") });
        }
    }
    after(4, move |_, _| Next::Exit(i32::from(missing)))
}
