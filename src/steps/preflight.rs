//! The pre-flight: what must be so before anything is changed. These steps are checked, never applied.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::SignedDuration;

use super::{Context, Failure, RustStep};
use crate::facts::{Facts, NodeFacts};
use crate::inventory::model::{Inventory, Role};
use crate::plan::{Place, Verdict};

/// `MicroK8s` keeps its control plane off machines with 512 MiB or less (canonical/microk8s `snap/hooks/install`);
/// what it needs to run at all is more: about 0.6 GiB for itself.
const CONTROL_PLANE_KIB: u64 = 1_500_000;
const WORKER_KIB: u64 = 900_000;
/// Room for the snap, its images and what the kubelet keeps free before it evicts (1 GiB).
const FRESH_DISK_KIB: u64 = 6 * 1024 * 1024;
const INSTALLED_DISK_KIB: u64 = 1536 * 1024;
/// More than this from the median and certificates or leases go wrong; the same bound k0sctl uses.
const CLOCK: SignedDuration = SignedDuration::from_secs(30);

/// No two machines share a host name, a machine id or an address.
pub struct MachinesDistinct;
/// A machine has the memory and the disk its role needs.
pub struct MachineFits;
/// No clock is far from the others.
pub struct ClocksAgree;
/// All nodes run the same minor version of `MicroK8s`.
pub struct VersionsAgree;

macro_rules! only_checked {
    ($($step:ty => $check:ident),*) => {$(
        #[async_trait]
        impl RustStep for $step {
            fn check(&self, inventory: &Inventory, facts: &Facts, place: &Place) -> Verdict {
                let problems = $check(inventory, facts, place);
                if problems.is_empty() { Verdict::Holds } else { Verdict::blocked(problems.join("\n")) }
            }

            async fn apply(&self, _: &Context) -> Result<(), Failure> {
                Ok(())
            }
        }
    )*};
}
only_checked!(MachinesDistinct => distinct, MachineFits => fits, ClocksAgree => clocks, VersionsAgree => versions);

fn distinct(inventory: &Inventory, facts: &Facts, _: &Place) -> Vec<String> {
    let mut problems = shared(
        inventory,
        facts,
        "machine id",
        "on one of them: `rm /etc/machine-id && systemd-machine-id-setup`, then reboot it",
        |seen| seen.machine_id.clone(),
    );
    problems.extend(shared(
        inventory,
        facts,
        "boot id",
        "two names of the inventory reach the same machine: check the addresses",
        |seen| seen.boot_id.clone(),
    ));
    for (node, seen) in facts.answering(inventory) {
        if !seen.addresses.is_empty() && !seen.addresses.iter().any(|(_, address)| *address == node.address) {
            let own: Vec<String> = seen
                .addresses
                .iter()
                .filter(|(interface, _)| interface != "lo")
                .map(|(_, address)| address.to_string())
                .collect();
            problems.push(format!(
                "{} does not have the address {} of the inventory, it has {}; fix its lease or the inventory: MicroK8s ties a member to one address for life",
                node.name, node.address, own.join(", "),
            ));
        }
        if seen.installed && seen.host_name != node.name {
            problems.push(format!(
                "{} calls itself {}, and MicroK8s is installed there under that name; name it {} in the inventory, or remove MicroK8s first (`snap remove --purge microk8s`)",
                node.name, seen.host_name, seen.host_name,
            ));
        }
    }
    problems
}

/// Nodes that share what should be each one's own.
fn shared(
    inventory: &Inventory,
    facts: &Facts,
    what: &str,
    remedy: &str,
    value: impl Fn(&NodeFacts) -> String,
) -> Vec<String> {
    let mut owners: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (node, seen) in facts.answering(inventory) {
        owners.entry(value(seen)).or_default().push(&node.name);
    }
    let shared = owners.into_iter().filter(|(value, names)| names.len() > 1 && !value.is_empty());
    shared.map(|(value, names)| format!("{} have the same {what} {value}; {remedy}", names.join(" and "))).collect()
}

fn fits(inventory: &Inventory, facts: &Facts, place: &Place) -> Vec<String> {
    let Place::Node(name) = place else { return Vec::new() };
    let (Some(node), Some(seen)) = (inventory.node(name), facts.node(name)) else { return Vec::new() };
    let mut problems = Vec::new();
    let (floor, hint) = match node.role {
        Role::ControlPlane => (CONTROL_PLANE_KIB, "add memory, or make it a worker (role = \"worker\")"),
        Role::Worker => (WORKER_KIB, "add memory, or leave it out"),
    };
    if seen.memory_kib < floor {
        problems.push(format!(
            "{name} has {} MiB of memory, a {} needs {}; {hint}",
            seen.memory_kib / 1024,
            title(node.role),
            floor / 1024
        ));
    }
    let floor = if seen.installed { INSTALLED_DISK_KIB } else { FRESH_DISK_KIB };
    for (mount, free) in seen.free_kib.iter().filter(|(_, free)| **free < floor) {
        problems.push(format!(
            "{name} has {} MiB free on {mount}, {} are needed; make room there",
            free / 1024,
            floor / 1024
        ));
    }
    problems
}

fn title(role: Role) -> &'static str {
    match role {
        Role::ControlPlane => "control plane",
        Role::Worker => "worker",
    }
}

fn clocks(inventory: &Inventory, facts: &Facts, _: &Place) -> Vec<String> {
    let mut offsets: Vec<(SignedDuration, &str)> =
        facts.answering(inventory).filter_map(|(node, seen)| Some((seen.clock_offset?, node.name.as_str()))).collect();
    offsets.sort();
    if offsets.is_empty() {
        return Vec::new();
    }
    // With one or two nodes there is no majority: the controller's own clock is what they are compared with.
    let median = if offsets.len() > 2 { offsets[offsets.len() / 2].0 } else { SignedDuration::ZERO };
    let off = offsets.iter().filter(|(offset, _)| (*offset - median).abs() > CLOCK);
    off.map(|(offset, name)| {
        let seconds = (*offset - median).as_secs();
        let way = if seconds > 0 { "ahead of" } else { "behind" };
        format!(
            "the clock of {name} is {} s {way} the others; set it: `timedatectl set-ntp true` there, and wait for it",
            seconds.abs()
        )
    })
    .collect()
}

fn versions(inventory: &Inventory, facts: &Facts, _: &Place) -> Vec<String> {
    let mut minors: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (node, seen) in facts.answering(inventory) {
        if let Some(minor) = seen.snap.as_ref().and_then(|snap| snap.minor()) {
            minors.entry(minor).or_default().push(&node.name);
        }
    }
    if minors.len() < 2 {
        return Vec::new();
    }
    let shown: Vec<String> = minors.iter().map(|(minor, names)| format!("{minor} on {}", names.join(", "))).collect();
    vec![format!(
        "the nodes run different minor versions of MicroK8s ({}); join accepts that and the cluster fails later. Bring them to {} one minor at a time: `snap refresh microk8s --channel=…`",
        shown.join("; "),
        inventory.cluster.channel,
    )]
}
