//! What goes wrong around the machines: disks that fill up, names that do not resolve, addresses that move, another
//! device in the pool, API servers that come and go, a refresh nobody asked for.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::process::{Call, Next, after};
use super::{Machine, Millis, World, snap};

/// Below this `snap install` finds no room: the snap, unpacked beside its download.
const SNAP_ROOM_MIB: u64 = 1_024;
/// Below this `apt-get` cannot keep what it fetches.
const ARCHIVE_ROOM_MIB: u64 = 64;
/// What dpkg leaves when it is cut off: `apt-get` refuses to work until it is completed (apt, `apt-pkg/deb/debsystem.cc`).
const LEFT_BY_DPKG: &str = "/var/lib/dpkg/updates/0001";

/// API servers that do not answer for a while, again and again.
#[derive(Debug, Clone, Copy)]
struct Flaps {
    until: Millis,
    every: Millis,
    down: Millis,
}

/// What surrounds the machines.
#[derive(Debug, Clone, Default)]
pub(super) struct Surroundings {
    /// Machines whose DNS does not answer, with the end of that.
    unresolved: BTreeMap<String, Millis>,
    /// Other devices on the home network, with their MAC addresses.
    neighbours: BTreeMap<Ipv4Addr, String>,
    flaps: Option<Flaps>,
    /// Whether snapd refreshes the snap as soon as it is installed.
    pub(super) eager_refresh: bool,
}

impl Surroundings {
    /// Whether no API server answers now.
    pub(super) fn api_is_away(&self, now: Millis) -> bool {
        self.flaps.is_some_and(|flaps| now < flaps.until && now % flaps.every < flaps.down)
    }
}

impl World {
    /// Leaves so much free on a machine's disk.
    pub fn fill_disk(&mut self, name: &str, free_mib: u64) {
        let machine = self.machine_mut(name);
        machine.disk_used_mib += machine.spec.disk_mib.saturating_sub(free_mib);
        machine.spec.disk_mib = free_mib;
    }

    /// A machine's DNS does not answer for so long.
    pub fn mute_dns(&mut self, name: &str, lasts: Millis) {
        self.surroundings.unresolved.insert(name.to_owned(), self.now + lasts);
    }

    /// Whether names of the world outside can be resolved on a machine.
    pub(super) fn resolves(&self, name: &str) -> bool {
        let muted = self.surroundings.unresolved.get(name).is_some_and(|until| self.now < *until);
        self.machine(name).connected && !muted
    }

    /// A device that is none of the machines has this address.
    pub fn take_address(&mut self, address: Ipv4Addr, mac: &str) {
        self.surroundings.neighbours.insert(address, mac.to_owned());
    }

    /// Other devices on the home network, with their MAC addresses.
    pub fn neighbours(&self) -> &BTreeMap<Ipv4Addr, String> {
        &self.surroundings.neighbours
    }

    /// For so long no API server answers during the first `down` of every `every` milliseconds.
    pub fn flap_api(&mut self, lasts: Millis, every: Millis, down: Millis) {
        self.surroundings.flaps = Some(Flaps { until: self.now + lasts, every, down });
    }

    /// DHCP gives a machine another address. What is bound to the old one does not serve any more.
    pub fn give_address(&mut self, name: &str, address: Ipv4Addr) {
        self.machine_mut(name).spec.address = address;
        // Elections happen as they do when a cable is put in.
        self.restore_network(name);
    }

    /// snapd on a machine takes connections and answers none of them for so long.
    pub fn silence_snapd(&mut self, name: &str, lasts: Millis) {
        let until = self.now + lasts;
        self.machine_mut(name).snapd.silent_until = until;
    }

    /// dpkg was cut off on a machine, by a power cut or somebody's Ctrl-C.
    pub fn interrupt_dpkg(&mut self, name: &str) {
        let text = b"Package: libc-bin\nStatus: install ok half-configured\n";
        self.machine_mut(name).files.write(LEFT_BY_DPKG, text, 0o644);
    }

    /// snapd refreshes `MicroK8s` by itself, unless that is held; whether it does.
    pub fn auto_refresh(&mut self, name: &str) -> bool {
        snap::auto_refresh(self, name)
    }
}

/// Whether dpkg has something to complete.
pub(super) fn interrupted(machine: &Machine) -> bool {
    machine.files.exists(LEFT_BY_DPKG)
}

/// dpkg has completed it.
pub(super) fn completed(machine: &mut Machine) {
    machine.files.remove(LEFT_BY_DPKG);
}

/// Why `apt-get` has no room, if so (apt, `apt-private/private-install.cc`).
pub(super) fn no_room_for_archives(machine: &Machine) -> Option<&'static str> {
    (machine.spec.disk_mib < ARCHIVE_ROOM_MIB)
        .then_some("E: You don't have enough free space in /var/cache/apt/archives/.")
}

/// Why snapd has no room, if so (canonical/snapd `cmd/snap/error.go`).
pub(super) fn no_room_for_snap(machine: &Machine) -> Option<&'static str> {
    (machine.spec.disk_mib < SNAP_ROOM_MIB).then_some("error: cannot install \"microk8s\" due to low disk space")
}

/// `getent ahosts|hosts NAME`
pub(super) fn getent(world: &mut World, call: &mut Call) -> Next {
    let args = call.args();
    let [database, name] = args.as_slice() else { return call.fail(1, "getent: wrong number of arguments") };
    if !["ahosts", "ahostsv4", "hosts"].contains(&database.as_str()) {
        return call.fail(1, format!("Unknown database: {database}"));
    }
    let hosts = world.machine(&call.machine).text("/etc/hosts").unwrap_or_default();
    let listed = hosts.lines().find(|line| line.split_whitespace().skip(1).any(|word| word == name));
    match listed.and_then(|line| line.split_whitespace().next()) {
        Some(address) => call.quit(0, format!("{address:<15} STREAM {name}")),
        None if world.resolves(&call.machine) => {
            let line = format!("185.125.188.54  STREAM {name}");
            after(30, move |_, call| call.quit(0, line))
        }
        // The resolver asks each server twice, five seconds each (resolv.conf(5)).
        None => after(10_000, |_, _| Next::Exit(2)),
    }
}
