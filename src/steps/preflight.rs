//! The pre-flight: what must be so before anything is changed. These steps are checked, never applied.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use async_trait::async_trait;
use jiff::SignedDuration;

use super::{Context, Failure, RustStep};
use crate::facts::{Facts, NodeFacts};
use crate::inventory::model::{Inventory, Node, Role};
use crate::plan::{Place, Verdict};

/// `MicroK8s` keeps its control plane off machines with 512 MiB or less (canonical/microk8s `snap/hooks/install`);
/// what it needs to run at all is more: about 0.6 GiB for itself.
const CONTROL_PLANE_KIB: u64 = 1_500_000;
const WORKER_KIB: u64 = 900_000;
/// Room for the snap, its images and what the kubelet keeps free before it evicts (1 GiB).
const FRESH_DISK_KIB: u64 = 6 * 1024 * 1024;
const INSTALLED_DISK_KIB: u64 = 1536 * 1024;
/// The images of a fresh cluster are some ten thousand files; the kubelet evicts pods when fewer than 5 % are left.
const FRESH_INODES: u64 = 60_000;
const INSTALLED_INODES: u64 = 10_000;
/// What grows on a node: the snap's data with images and volumes, and snapd's own.
const GROWING: [&str; 2] = ["/var/snap", "/var/lib"];
/// More than this from the median and certificates or leases go wrong; the same bound k0sctl uses.
pub(super) const CLOCK: SignedDuration = SignedDuration::from_secs(30);

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
        problems.extend(elsewhere(inventory, node, seen).or_else(|| bound_elsewhere(node, seen)));
        if seen.installed && seen.host_name != node.name {
            problems.push(format!(
                "{} calls itself {}, and MicroK8s is installed there under that name; name it {} in the inventory, or remove MicroK8s first (`snap remove --purge microk8s`)",
                node.name, seen.host_name, seen.host_name,
            ));
        }
    }
    problems
}

/// What is wrong with a node that does not have its address.
fn elsewhere(inventory: &Inventory, node: &Node, seen: &NodeFacts) -> Option<String> {
    let own: Vec<Ipv4Addr> =
        seen.addresses.iter().filter(|(interface, _)| interface != "lo").map(|(_, address)| *address).collect();
    if own.is_empty() || own.contains(&node.address) {
        return None;
    }
    let shown: Vec<String> = own
        .iter()
        .map(|address| match inventory.nodes.iter().find(|other| other.address == *address) {
            Some(other) => format!("{address}, which is {}'s in the inventory", other.name),
            None => address.to_string(),
        })
        .collect();
    let bound = seen.info.as_ref().map(|info| info.address).filter(|address| !address.is_loopback());
    let way_out = match bound {
        Some(bound) => format!(
            "Its data store is bound to {bound}, for life: give it that address back (a fixed lease in the router, then `networkctl renew` \
             or a reboot). If it cannot have it: `microk8s remove-node {bound} --force` on another member, `microk8s leave` on {name}, \
             correct the inventory, and `up` joins it anew",
            name = node.name,
        ),
        None => "Correct the inventory or fix its lease in the router: MicroK8s ties a member to one address for life"
            .to_owned(),
    };
    Some(format!(
        "{} does not have the address {} of the inventory, it has {}. {way_out}",
        node.name,
        node.address,
        shown.join(" and "),
    ))
}

/// What is wrong with a member that has the inventory's address, but serves the data store under another one.
fn bound_elsewhere(node: &Node, seen: &NodeFacts) -> Option<String> {
    let bound = seen.info.as_ref()?.address;
    (!bound.is_loopback() && bound != node.address && !seen.worker).then(|| {
        format!(
            "{name} is a member of its data store as {bound} (info.yaml there says so), and the inventory says {address}: MicroK8s ties a \
             member to one address for life. Give it {bound} back and put that into the inventory; or take it out (`microk8s remove-node \
             {bound} --force` on another member, `microk8s leave` on {name}) and `up` joins it anew",
            name = node.name,
            address = node.address,
        )
    })
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
            "{name} has {} MiB free on {mount}{}, {} are needed; make room there: `df -h`, `apt-get clean` and \
             `journalctl --vacuum-size=200M` help",
            free / 1024,
            holds(seen, mount),
            floor / 1024
        ));
    }
    let floor = if seen.installed { INSTALLED_INODES } else { FRESH_INODES };
    for (mount, free) in seen.free_inodes.iter().filter(|(_, free)| **free < floor) {
        problems.push(format!(
            "{name} has {free} inodes free on {mount}{}, {floor} are needed: it holds too many small files; \
             `du --inodes -x -d 3 {mount} | sort -n | tail` shows where",
            holds(seen, mount),
        ));
    }
    problems
}

/// Which of the folders that grow lie on a file system, in brackets.
fn holds(seen: &NodeFacts, mount: &str) -> String {
    let there: Vec<&str> = GROWING.into_iter().filter(|folder| seen.mount_of(folder) == Some(mount)).collect();
    if there.is_empty() || there == [mount] { String::new() } else { format!(" ({})", there.join(", ")) }
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
    // They agree with each other and not with this machine: it is as likely the one that is wrong.
    if let [(first, _), .., (last, _)] = offsets[..]
        && median.is_zero()
        && (last - first).abs() <= CLOCK
        && first.abs().max(last.abs()) > CLOCK
    {
        let way = if first.is_positive() { "behind" } else { "ahead of" };
        return vec![format!(
            "the clock of this machine is {} s {way} those of all nodes, which agree; set it here: `timedatectl set-ntp true`, or there if \
             it is they that are wrong",
            first.as_secs().abs()
        )];
    }
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
