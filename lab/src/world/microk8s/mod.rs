//! The snap `MicroK8s`: its services, its files and the scripts behind `microk8s …` (canonical/microk8s scripts/wrappers).

mod add_node;
mod addon_list;
mod addons;
mod agent;
mod config;
mod dbctl;
mod enable;
mod helm;
mod ingress;
mod join;
mod kubectl;
mod leave;
mod lifecycle;
mod metallb;
mod openebs;
mod remove_node;
mod state;
mod status;
mod worker;

use std::collections::BTreeMap;

use super::cluster::ClusterId;
use super::process::{Call, Next, after};
use super::{DATA, Millis, World};

pub(super) use helm::leave_failed;
pub(super) use lifecycle::{Pace, SERVICES};

/// One of the snap's services.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) active: bool,
    /// Counts starts, so that what an earlier start still had to do is dropped.
    pub(super) generation: u64,
}

/// An installed `MicroK8s`.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "four services that become ready one by one, each for itself")]
pub struct MicroK8s {
    /// Version, `v1.35.0`.
    pub version: String,
    /// Revision of the snap.
    pub revision: String,
    /// The cluster it is in, once its data store has started.
    pub cluster: Option<ClusterId>,
    /// Its dqlite id; `None` on a worker.
    pub member: Option<u64>,
    /// Whether k8s-dqlite serves.
    pub dqlite_ready: bool,
    /// Whether kubelite's API server and controllers run.
    pub kubelite_ready: bool,
    /// Whether the kubelet has registered its node and reports.
    pub kubelet_ready: bool,
    /// When the kubelet registered last.
    pub kubelet_since: Millis,
    /// Whether the cluster agent listens on 25000.
    pub agent_ready: bool,
    pub(super) services: BTreeMap<&'static str, Service>,
}

impl MicroK8s {
    /// Whether the service `daemon-NAME` runs.
    pub fn active(&self, service: &str) -> bool {
        self.services.get(service).is_some_and(|service| service.active)
    }

    pub(super) fn generation(&self, service: &str) -> u64 {
        self.services.get(service).map_or(0, |service| service.generation)
    }
}

const SUBCOMMANDS: [&str; 28] = [
    "add-node",
    "addons",
    "config",
    "ctr",
    "dashboard-proxy",
    "dbctl",
    "disable",
    "enable",
    "helm",
    "helm3",
    "images",
    "inspect",
    "istioctl",
    "join",
    "kubectl",
    "leave",
    "linkerd",
    "refresh-certs",
    "remove-node",
    "reset",
    "start",
    "status",
    "stop",
    "version",
    "kubectl-bin",
    "dqlite",
    "inspect-bin",
    "help",
];

/// `microk8s …`
pub(super) fn main(world: &mut World, call: &mut Call) -> Next {
    let mut args = call.args();
    if args.is_empty() {
        return help(call, 0);
    }
    let command = args.remove(0);
    if !may_use(world, call) && !matches!(command.as_str(), "help" | "--help" | "version") {
        let python =
            matches!(command.as_str(), "status" | "enable" | "disable" | "addons" | "join" | "leave" | "remove-node");
        return after(300, move |_, call| refuse(call, python));
    }
    match command.as_str() {
        "status" => status::status(world, call, &args),
        "version" => version(world),
        "add-node" => add_node::add_node(world, call, &args),
        "join" => join::join(world, call, args),
        "leave" => leave::leave(world, call),
        "remove-node" => remove_node::remove_node(world, call, args),
        "enable" => enable::enable(world, call, args),
        "disable" => enable::disable(world, call, args),
        "addons" => addons::addons(world, call, &args),
        "config" => config::config(world, call, args),
        "kubectl" => kubectl::kubectl(world, call, args),
        "dbctl" => dbctl::dbctl(world, call, &args),
        "helm" | "helm3" => helm::main(world, call, &command, args),
        "start" => state::start(world, call, &args),
        "stop" => state::stop(world),
        "inspect" => state::inspect(world),
        "help" | "--help" | "-h" => help(call, 0),
        other => {
            call.say(format!("'{other}' is not a valid MicroK8s subcommand."));
            help(call, 1)
        }
    }
}

fn help(call: &mut Call, status: i32) -> Next {
    call.say("Available subcommands are:");
    for command in SUBCOMMANDS.iter().take(24) {
        call.say(format!("\t{command}"));
    }
    Next::Exit(status)
}

fn version(world: &mut World) -> Next {
    let took = world.around(410);
    after(took, |world, call| {
        let text =
            world.machine(&call.machine).microk8s.as_ref().map(|snap| (snap.version.clone(), snap.revision.clone()));
        let (version, revision) = text.unwrap_or_default();
        call.quit(0, format!("MicroK8s {version} revision {revision}"))
    })
}

/// Whether the user may read the credentials: root, or a member of the group `microk8s`.
fn may_use(world: &World, call: &Call) -> bool {
    call.exec.user == "root" || super::accounts::in_group(world.machine(&call.machine), &call.exec.user, "microk8s")
}

fn refuse(call: &mut Call, python: bool) -> Next {
    let user = call.exec.user.clone();
    let text = format!(
        "Insufficient permissions to access MicroK8s.\nYou can either try again with sudo or add the user {user} to the \
         'microk8s' group:\n\n    sudo usermod -a -G microk8s {user}\n    sudo chown -R {user} ~/.kube\n\nAfter this, reload \
         the user groups either via a reboot or by running 'newgrp microk8s'."
    );
    if python {
        call.say(text);
    } else {
        call.complain(text);
    }
    Next::Exit(1)
}

/// Whether a lock is on this call's machine.
fn locked(world: &World, call: &Call, lock: &str) -> bool {
    world.machine(&call.machine).locked(lock)
}

/// Scripts that call `sudo`, also for root, end with 127 where it is not installed.
fn lacks_sudo(world: &World, call: &mut Call, script: &str) -> Option<Next> {
    let there = world.machine(&call.machine).packages.contains_key("sudo");
    let line = format!("/snap/microk8s/current/{script}: line 1: sudo: command not found");
    (!there).then(|| call.fail(127, line))
}

/// Where the agent's and the scripts' tokens are.
fn tokens_path() -> String {
    format!("{DATA}/credentials/cluster-tokens.txt")
}
