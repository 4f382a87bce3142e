//! `microk8s enable` and `disable` (canonical/microk8s scripts/wrappers/common/utils.py and enable.py).

use super::super::process::{Call, Next, after};
use super::super::{COMMON, Millis, World};
use super::addon_list::Addon;

/// An addon as asked for: its name, maybe with a repository, and the arguments of its hook.
#[derive(Debug, Clone)]
struct Wanted {
    name: String,
    args: Vec<String>,
}

fn split(text: &str) -> Wanted {
    // The script splits at every colon, which is why an IPv6 range does not survive this form.
    let mut parts = text.split(':').map(str::to_owned);
    Wanted { name: parts.next().unwrap_or_default(), args: parts.collect() }
}

/// `microk8s enable [REPO/]ADDON [ARGS…]`
pub(super) fn enable(world: &mut World, call: &mut Call, args: Vec<String>) -> Next {
    begin(world, call, args, true)
}

/// `microk8s disable [REPO/]ADDON`
pub(super) fn disable(world: &mut World, call: &mut Call, args: Vec<String>) -> Next {
    begin(world, call, args, false)
}

fn begin(world: &mut World, call: &mut Call, args: Vec<String>, on: bool) -> Next {
    let verb = if on { "enable" } else { "disable" };
    let Some(first) = args.first() else {
        return after(300, move |_, call| {
            call.fail(2, format!("Usage: microk8s {verb} [OPTIONS] ADDONS...\nError: Missing argument 'ADDONS...'."))
        });
    };
    if args.iter().any(|arg| arg == "-h" || arg == "--help") {
        let name = split(first).name;
        return after(300, move |_, call| call.quit(0, format!("Addon {name} does not yet have a help message.")));
    }
    if world.machine(&call.machine).is_worker() {
        return after(400, |_, call| {
            call.say("This MicroK8s deployment is acting as a node in a cluster.");
            call.quit(1, "Please use the master node.")
        });
    }
    if world.machine(&call.machine).locked("stopped.lock") {
        return after(300, |_, call| call.quit(0, "microk8s is not running, try microk8s start"));
    }
    let started = world.now;
    after(500, move |world, call| wait_api(world, call, args, on, started))
}

/// Waits up to 30 s for the API server; then goes on all the same.
fn wait_api(world: &mut World, call: &mut Call, args: Vec<String>, on: bool, started: Millis) -> Next {
    if !world.api_up(&call.machine) && world.now - started < 30_000 {
        return after(1_000, move |world, call| wait_api(world, call, args, on, started));
    }
    lock(world, call, args, on)
}

/// Waits, without a limit, for the lock every `enable` of the machine takes.
fn lock(world: &mut World, call: &mut Call, args: Vec<String>, on: bool) -> Next {
    if !world.take_addon_lock(call) {
        return after(500, move |world, call| lock(world, call, args, on));
    }
    let took = world.around(400);
    after(took, move |world, call| {
        let wanted = wanted(world, call, &args);
        next(world, call, wanted, on)
    })
}

fn wanted(world: &World, call: &mut Call, args: &[String]) -> Vec<Wanted> {
    let available = world.available_addons(&call.machine);
    let known = |arg: &String| {
        let name = split(arg).name;
        available.iter().any(|addon| addon.name == name || format!("{}/{}", addon.repository, addon.name) == name)
    };
    if args.len() > 1 && args.iter().all(known) {
        call.say("WARNING: Do not enable or disable multiple addons in one command.\n         This form of chained operations on addons will be DEPRECATED in the future.");
        call.say(format!("         Please, {} one addon at a time: 'microk8s enable <addon>'", "enable"));
        return args.iter().map(|arg| split(arg)).collect();
    }
    let mut first = split(&args[0]);
    first.args.extend(args[1..].iter().cloned());
    vec![first]
}

/// Takes on the first of the wanted addons.
fn next(world: &mut World, call: &mut Call, mut wanted: Vec<Wanted>, on: bool) -> Next {
    if wanted.is_empty() {
        return Next::Exit(0);
    }
    let this = wanted.remove(0);
    let machine = call.machine.clone();
    let addon = match find(world, call, &this.name) {
        Ok(addon) => addon,
        Err(status) => return Next::Exit(status),
    };
    if !world.api_up(&machine) {
        let text = "Traceback (most recent call last):\nsubprocess.CalledProcessError: Command \
                    '['/snap/microk8s/current/microk8s-kubectl.wrapper', 'get', 'all,ingress,ingressclass', '--all-namespaces']' \
                    returned non-zero exit status 1.";
        return call.fail(1, text);
    }
    let rows = world.api_rows(&machine);
    if world.addon_enabled(&machine, &addon, &rows) == on {
        let state = if on { "enabled" } else { "disabled" };
        call.say(format!("Addon {}/{} is already {state}", addon.repository, addon.name));
        return after(200, move |world, call| next(world, call, wanted, on));
    }
    let ended = if on { hook(world, call, &addon, &this.args) } else { unhook(world, call, &addon) };
    match ended {
        Next::Exit(0) if !wanted.is_empty() => after(200, move |world, call| next(world, call, wanted, on)),
        other => other,
    }
}

fn find(world: &World, call: &mut Call, name: &str) -> Result<Addon, i32> {
    let available = world.available_addons(&call.machine);
    if let Some((repository, bare)) = name.split_once('/') {
        let addon = available.iter().find(|addon| addon.repository == repository && addon.name == bare);
        return addon.copied().ok_or_else(|| {
            call.say(format!("Addon {name} not found"));
            0
        });
    }
    match available.iter().filter(|addon| addon.name == name).collect::<Vec<_>>()[..] {
        [] => {
            call.complain(format!("Addon {name} was not found in any repository"));
            let bundled = super::addon_list::ADDONS.iter().any(|addon| addon.name == name);
            if bundled {
                call.complain(format!(
                    "To use the community maintained flavor enable the respective repository:\n\n    microk8s enable community\n{}",
                    ""
                ));
            }
            Err(1)
        }
        [one] => {
            call.complain(format!("Infer repository {} for addon {name}", one.repository));
            Ok(*one)
        }
        _ => {
            call.complain(format!("Addon {name} exists in more than repository. Please explicitly specify"));
            call.complain("the repository using any of:");
            Err(1)
        }
    }
}

fn hook(world: &mut World, call: &mut Call, addon: &Addon, args: &[String]) -> Next {
    match addon.name {
        "metallb" => super::metallb::enable(world, call, args),
        "community" => super::addons::enable_community(world, call),
        "hostpath-storage" | "storage" => after(1_800, |world, call| {
            call.say("Enabling default storage class.");
            call.say("WARNING: Hostpath storage is not suitable for production environments.");
            call.say("         A hostpath volume can grow beyond the size limit set in the volume claim manifest.\n");
            let machine = call.machine.clone();
            world.machine_mut(&machine).files.make_dir(&format!("{COMMON}/default-storage"), 0o755);
            let Some(applied) = world.apply_hostpath(&machine) else { return Next::Exit(1) };
            call.print(applied);
            call.quit(0, "Storage will be available soon.")
        }),
        "openebs" => super::openebs::enable(world, call, args),
        "ingress" => super::ingress::enable(world, call, args),
        name => {
            let name = name.to_owned();
            call.say(format!("Enabling {name}"));
            after(2_000, move |_, call| call.fail(1, format!("The images of {name} cannot be pulled in this homelab.")))
        }
    }
}

fn unhook(world: &mut World, call: &mut Call, addon: &Addon) -> Next {
    match addon.name {
        "ha-cluster" => {
            call.say("Disabling HA will reset your cluster in a clean state.");
            Next::Exit(2)
        }
        "metallb" => {
            let machine = call.machine.clone();
            call.say("Disabling MetalLB");
            after(6_000, move |world, call| {
                world.delete_object(&machine, "/api/v1/namespaces/metallb-system");
                call.quit(0, "MetalLB is terminating")
            })
        }
        "hostpath-storage" => {
            let machine = call.machine.clone();
            after(1_500, move |world, call| {
                world.delete_object(&machine, "/apis/apps/v1/namespaces/kube-system/deployments/hostpath-provisioner");
                world.delete_object(&machine, "/apis/storage.k8s.io/v1/storageclasses/microk8s-hostpath");
                call.quit(0, "Storage removed")
            })
        }
        "openebs" => super::openebs::disable(world, call),
        "ingress" => super::ingress::disable(world, call),
        "community" => {
            world.machine_mut(&call.machine).files.remove(&format!("{COMMON}/addons/community"));
            call.quit(0, "Community repository is now disabled")
        }
        name => {
            let name = name.to_owned();
            after(1_500, move |_, call| call.quit(0, format!("{name} is disabled")))
        }
    }
}

impl World {
    /// Takes the machine's addon lock for a command, unless another holds it.
    fn take_addon_lock(&mut self, call: &mut Call) -> bool {
        let path = format!("{}/var/lock/.microk8s-addon-lock", super::super::DATA);
        let free = !self.addon_locks.contains_key(&call.machine);
        if free {
            self.addon_locks.insert(call.machine.clone(), call.id);
            call.addon_lock = true;
            let machine = self.machine_mut(&call.machine);
            if !machine.files.exists(&path) {
                machine.files.write(&path, b"", 0o664);
            }
        }
        free
    }

    /// The kernel frees the lock of a process that ended, however it ended.
    pub(in super::super) fn release_addon_lock(&mut self, call: &mut Call) {
        if std::mem::take(&mut call.addon_lock) {
            self.addon_locks.remove(&call.machine);
        }
    }
}
