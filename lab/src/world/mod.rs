//! The simulated homelab: a pure state machine with a virtual clock.
//!
//! A [`World`] holds machines; on each machine commands are started ([`World::start`]), time is let pass
//! ([`World::advance`]) and what the commands printed is fetched ([`World::poll`]). No thread, no I/O, no real clock and no
//! randomness but a seeded generator: the same inputs give the same world, certificates included.
//!
//! A command is a chain of steps at moments of virtual time, so that state changes in the middle of a command, where
//! the real one changes it, and not at its end. What real programs keep in files is kept in the machine's [`Files`] and
//! read back from there: lock files, tokens, `init.yaml`, `ha-conf`, `/etc/hosts`.

mod accounts;
mod apt;
mod cluster;
mod command;
mod config;
mod describe;
mod dqlite;
mod faults;
mod files;
mod fit;
mod flux;
mod host;
mod iscsi;
mod machine;
mod microk8s;
mod network;
mod nfs;
mod nft;
mod objects;
mod pki;
mod power;
mod prepare;
mod process;
mod programs;
mod roles;
mod snap;
mod storage;
mod surroundings;
mod system;
mod systemctl;

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

pub use cluster::{Cluster, ClusterId, Member};
pub use command::{CommandId, Exec, Output, Progress};
pub use config::{Channel, Config, MachineSpec, Os};
pub use faults::{Fault, FaultKind, Notice};
pub use files::{Files, MemoryFiles};
pub use machine::{Machine, Unit, UnitFile};
pub use microk8s::MicroK8s;
pub use network::{ApiCertificates, Balanced, Site};
pub use roles::{Role, Roles};
pub use snap::{Change, Snapd};

use process::{Call, Due};

/// Virtual milliseconds since the world began.
pub type Millis = u64;

/// `$SNAP_DATA` of `MicroK8s`.
const DATA: &str = "/var/snap/microk8s/current";
/// `$SNAP_COMMON` of `MicroK8s`.
const COMMON: &str = "/var/snap/microk8s/common";
/// Where k8s-dqlite keeps its data.
const BACKEND: &str = "/var/snap/microk8s/current/var/kubernetes/backend";

/// The homelab.
pub struct World {
    now: Millis,
    epoch: jiff::Timestamp,
    rng: StdRng,
    order: Vec<String>,
    machines: BTreeMap<String, Machine>,
    clusters: BTreeMap<ClusterId, Cluster>,
    next_cluster: u32,
    commands: BTreeMap<CommandId, Call>,
    queue: BTreeMap<(Millis, u64), Due>,
    sequence: u64,
    addon_locks: BTreeMap<String, CommandId>,
    store: Vec<Channel>,
    faults: fit::Faults,
    notices: Vec<Notice>,
    surroundings: surroundings::Surroundings,
}

impl World {
    /// A world of freshly installed machines, switched on, with the faults of `config` in place. `files` gives the file
    /// tree of the machine it is asked for.
    pub fn new(config: Config, mut files: impl FnMut(&str) -> Box<dyn Files>) -> Self {
        let mut world = Self {
            now: 0,
            epoch: config.epoch,
            rng: StdRng::seed_from_u64(config.seed),
            order: Vec::new(),
            machines: BTreeMap::new(),
            clusters: BTreeMap::new(),
            next_cluster: 1,
            commands: BTreeMap::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            addon_locks: BTreeMap::new(),
            store: config.store_channels,
            faults: fit::Faults::default(),
            notices: Vec::new(),
            surroundings: surroundings::Surroundings::default(),
        };
        for spec in &config.nodes {
            let id = world.hex(32);
            let machine = system::fresh(spec, id, files(&spec.name));
            world.order.push(spec.name.clone());
            world.machines.insert(spec.name.clone(), machine);
        }
        for name in world.order.clone() {
            world.switch_on(&name);
        }
        world.notices.clear();
        for fault in config.faults {
            world.inject(fault);
        }
        world
    }

    /// A world whose files are in memory.
    pub fn in_memory(config: Config) -> Self {
        Self::new(config, |_| Box::new(MemoryFiles::new()))
    }

    /// Virtual milliseconds since the world began.
    pub fn now(&self) -> Millis {
        self.now
    }

    /// The true wall-clock time now.
    pub fn wall_clock(&self) -> jiff::Timestamp {
        self.time_at(self.now)
    }

    /// What the clock of `machine` shows now.
    pub fn machine_clock(&self, machine: &str) -> jiff::Timestamp {
        let offset = self.machines.get(machine).map_or(0, |machine| machine.clock_offset);
        self.wall_clock() + jiff::SignedDuration::from_millis(offset)
    }

    fn time_at(&self, at: Millis) -> jiff::Timestamp {
        self.epoch + jiff::SignedDuration::from_millis(i64::try_from(at).unwrap_or(i64::MAX))
    }

    /// The machines, in the order of the configuration.
    pub fn machines(&self) -> impl Iterator<Item = &Machine> {
        self.order.iter().filter_map(|name| self.machines.get(name))
    }

    /// One machine.
    ///
    /// # Panics
    /// If there is none of that name.
    pub fn machine(&self, name: &str) -> &Machine {
        self.machines.get(name).unwrap_or_else(|| panic!("no machine is named {name}"))
    }

    /// One machine, to arrange a test: its files, packages, parameters.
    ///
    /// # Panics
    /// If there is none of that name.
    pub fn machine_mut(&mut self, name: &str) -> &mut Machine {
        self.machines.get_mut(name).unwrap_or_else(|| panic!("no machine is named {name}"))
    }

    /// The clusters that have a member.
    pub fn clusters(&self) -> impl Iterator<Item = &Cluster> {
        self.clusters.values()
    }

    /// The cluster `machine` is a member or worker of.
    pub fn cluster_of(&self, machine: &str) -> Option<&Cluster> {
        let id = self.machines.get(machine)?.microk8s.as_ref()?.cluster?;
        self.clusters.get(&id)
    }

    /// What the shell around the world has to act upon, since it last asked.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// `length` random hexadecimal digits.
    fn hex(&mut self, length: usize) -> String {
        (0..length).map(|_| char::from_digit(self.rng.random_range(0..16), 16).unwrap_or('0')).collect()
    }

    /// A duration around `base`, up to a tenth longer or shorter: commands never take the same time twice.
    fn around(&mut self, base: Millis) -> Millis {
        let spread = base / 10;
        base - spread + self.rng.random_range(0..=2 * spread)
    }
}
