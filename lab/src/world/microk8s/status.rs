//! `microk8s status` (canonical/microk8s scripts/wrappers/status.py).

use super::super::process::{Call, Next, after};
use super::super::roles::Role;
use super::super::{Millis, World};
use super::addon_list::Addon;

const NOT_RUNNING: &str = "microk8s is not running. Use microk8s inspect for a deeper inspection.";

#[derive(Debug, Clone, Default)]
struct Options {
    format: String,
    wait: bool,
    timeout: Millis,
    addon: Option<String>,
}

fn parse(args: &[String]) -> Result<Options, String> {
    let mut options = Options { format: "pretty".to_owned(), ..Options::default() };
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let (flag, inline) =
            arg.split_once('=').map_or((arg.as_str(), None), |(flag, value)| (flag, Some(value.to_owned())));
        let mut value = |flag: &str| {
            inline
                .clone()
                .or_else(|| rest.next().cloned())
                .ok_or_else(|| format!("argument {flag}: expected one argument"))
        };
        match flag {
            "-w" | "--wait-ready" => options.wait = true,
            "--yaml" => options.format = "yaml".into(),
            "--format" => {
                options.format = value("--format")?;
                if !["yaml", "short", "pretty"].contains(&options.format.as_str()) {
                    return Err(format!(
                        "argument --format: invalid choice: '{}' (choose from 'yaml', 'short', 'pretty')",
                        options.format
                    ));
                }
            }
            "-t" | "--timeout" => {
                let text = value("-t/--timeout")?;
                let seconds: u64 =
                    text.parse().map_err(|_| format!("argument -t/--timeout: invalid int value: '{text}'"))?;
                options.timeout = seconds * 1_000;
            }
            "-a" | "--addon" => options.addon = Some(value("-a/--addon")?),
            other => return Err(format!("unrecognized arguments: {other}")),
        }
    }
    Ok(options)
}

/// `microk8s status`
pub(super) fn status(world: &mut World, call: &mut Call, args: &[String]) -> Next {
    let machine = world.machine(&call.machine);
    if machine.is_worker() {
        let text = "This MicroK8s deployment is acting as a node in a cluster.\nPlease use the control plane node.";
        return after(1_060, move |_, call| call.quit(0, text));
    }
    if machine.locked("low-memory-guard.lock") {
        return after(300, |_, call| super::state::low_memory(call));
    }
    let options = match parse(args) {
        Ok(options) => options,
        Err(error) => {
            let usage = "usage: microk8s status [-h] [--format {yaml,short,pretty}] [-w] [-t TIMEOUT]\n                       \
                         [-a ADDON] [--yaml]";
            return after(610, move |_, call| call.fail(2, format!("{usage}\nmicrok8s status: error: {error}")));
        }
    };
    let started = world.now;
    after(600, move |world, call| {
        if world.machine(&call.machine).locked("stopped.lock") {
            return call.quit(0, "microk8s is not running, try microk8s start");
        }
        look(world, call, options, started)
    })
}

/// Looks whether the cluster is ready, again every two seconds if asked to wait.
fn look(world: &mut World, call: &mut Call, options: Options, started: Millis) -> Next {
    let ready = world.cluster_ready(&call.machine);
    // Without a limit the script waits for ever, as the real one does.
    let patient = options.timeout == 0 || world.now - started < options.timeout;
    if !ready && options.wait && patient {
        return after(2_000, move |world, call| look(world, call, options, started));
    }
    let known = world.members_seen_from(&call.machine).is_some();
    let tries = if known || (!ready && options.format != "yaml") { 0 } else { 40_000 };
    let took = world.around(900) + tries;
    after(took, move |world, call| print(world, call, &options, ready))
}

fn print(world: &mut World, call: &mut Call, options: &Options, ready: bool) -> Next {
    let machine = call.machine.clone();
    let (enabled, disabled) = if ready { world.addons_by_state(&machine) } else { (Vec::new(), Vec::new()) };
    if let Some(wanted) = &options.addon {
        let matches = |addon: &Addon| addon.name == wanted || format!("{}/{}", addon.repository, addon.name) == *wanted;
        call.say(if enabled.iter().any(matches) { "enabled" } else { "disabled" });
        return Next::Exit(i32::from(!ready));
    }
    match options.format.as_str() {
        "yaml" => yaml(world, call, ready, &enabled, &disabled),
        "short" => short(call, ready, &enabled, &disabled),
        _ => pretty(world, call, ready, &enabled, &disabled),
    }
    Next::Exit(i32::from(!ready))
}

fn addresses(world: &World, machine: &str, role: Role) -> Vec<String> {
    let members = world.members_seen_from(machine).map_or(&[][..], |cluster| &cluster.members);
    members.iter().filter(|member| member.role == role).map(|member| member.address.clone()).collect()
}

fn listed(addresses: &[String]) -> String {
    if addresses.is_empty() { "none".to_owned() } else { addresses.join(" ") }
}

fn pretty(world: &World, call: &mut Call, ready: bool, enabled: &[Addon], disabled: &[Addon]) {
    if !ready {
        return call.say(NOT_RUNNING);
    }
    call.say("microk8s is running");
    let voters = addresses(world, &call.machine, Role::Voter);
    let standbys = addresses(world, &call.machine, Role::StandBy);
    call.say(format!("high-availability: {}", if voters.len() >= 3 { "yes" } else { "no" }));
    call.say(format!("  datastore master nodes: {}", listed(&voters)));
    call.say(format!("  datastore standby nodes: {}", listed(&standbys)));
    call.say("addons:");
    for (title, addons) in [("enabled", enabled), ("disabled", disabled)] {
        if !addons.is_empty() {
            call.say(format!("  {title}:"));
        }
        for addon in addons {
            call.say(format!("    {:<20} # ({}) {}", addon.name, addon.repository, addon.description));
        }
    }
}

fn short(call: &mut Call, ready: bool, enabled: &[Addon], disabled: &[Addon]) {
    if !ready {
        return call.say(NOT_RUNNING);
    }
    call.say("microk8s is running\naddons:");
    for (state, addons) in [("enabled", enabled), ("disabled", disabled)] {
        for addon in addons {
            call.say(format!("{}/{}: {state}", addon.repository, addon.name));
        }
    }
}

fn yaml(world: &World, call: &mut Call, ready: bool, enabled: &[Addon], disabled: &[Addon]) {
    let ha = super::locked(world, call, "ha-cluster");
    let python = |value: bool| if value { "True" } else { "False" };
    call.say(format!("microk8s:\n  running: {}\nhigh-availability:\n  enabled: {}", python(ready), python(ha)));
    if ha {
        call.say("  nodes:");
        let members = world.members_seen_from(&call.machine).map_or(&[][..], |cluster| &cluster.members);
        for member in members {
            call.say(format!("    - address: {}\n      role: {}", member.address, member.role.word()));
        }
    }
    if !ready {
        return call.say(format!("  message: {NOT_RUNNING}"));
    }
    call.say("addons:");
    for (state, addons) in [("enabled", enabled), ("disabled", disabled)] {
        for addon in addons {
            call.say(format!(
                "  - name: {}\n    repository: {}\n    description: {}\n    version: {}\n    status: {state}",
                addon.name, addon.repository, addon.description, addon.version
            ));
        }
    }
}
