//! Runs of homeprov on a homelab, and what they reported.

mod day_two;
mod drill;
mod inventories;
mod look;
mod ran;
mod up;

use std::path::Path;
use std::sync::Arc;

use homeprov::engine::event::Event;
use homeprov::engine::lock::Holder;
use homeprov::engine::{self, Session, stop};
use homeprov::inventory::Inventory;
use homeprov::playbook::Recipe;
use homeprov_lab::world::{Config, FaultKind, Os, World};
pub use inventories::{POOL, inventory, recipe, recipe_of, text, with_storage};
pub use ran::{LONGEST, Ran, started};
use tempfile::TempDir;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::adapter::WorldTransport;
use super::homelab::Homelab;

/// A homelab, and this machine, the controller.
pub struct House {
    pub lab: Homelab,
    /// What the next run of homeprov is given.
    pub inventory: Arc<Inventory>,
    /// The login on the nodes.
    pub login: &'static str,
    /// Who runs homeprov, for the lock.
    pub me: Holder,
    state: TempDir,
}

impl House {
    /// Freshly installed machines for `control_planes` and `workers`, with faults, and one machine to spare.
    pub fn new(control_planes: u8, workers: u8, os: Os, faults: &[FaultKind], seed: u64) -> Self {
        let mut config = Config::homelab(control_planes + workers + 1, os, jiff::Timestamp::now());
        config.seed = seed;
        // The spare machine is not in the inventory: a fault that would choose the last machine is told another.
        let last = format!("nuc{}", control_planes + workers);
        config.faults = faults.iter().map(|kind| (*kind).into()).collect();
        for fault in config.faults.iter_mut().filter(|fault| at_last(fault.kind)) {
            fault.machine = Some(last.clone());
        }
        Self {
            lab: Homelab::new(World::in_memory(config)),
            inventory: inventory(&text(control_planes, workers)),
            login: "root",
            me: ended_soon(),
            state: TempDir::new().expect("a folder"),
        }
    }

    /// Three control planes on Ubuntu.
    pub fn three(faults: &[FaultKind]) -> Self {
        Self::new(3, 0, Os::Ubuntu2404, faults, 1)
    }

    /// What the next run of homeprov works with, with these steps, and what it tells.
    pub fn session(&self, recipe: Recipe) -> (Session, UnboundedReceiver<Event>) {
        let run = ulid::Ulid::generate().to_string();
        self.session_of(recipe, Holder { run, ..self.me.clone() })
    }

    fn session_of(&self, recipe: Recipe, me: Holder) -> (Session, UnboundedReceiver<Event>) {
        let (events, received) = mpsc::unbounded_channel();
        let transport = Arc::new(WorldTransport::new(&self.lab, &self.inventory, events.clone(), self.login));
        let (stopper, stop) = stop::channel();
        // Nobody asks this run to stop.
        drop(stopper);
        let session = Session {
            inventory: Arc::clone(&self.inventory),
            recipe: Arc::new(recipe),
            transport,
            events,
            stop,
            run: me.run.clone(),
            state: self.state.path().to_owned(),
            me,
            break_lock: false,
            parting: engine::Parting::default(),
            overwrite: false,
            takeover: None,
            repair: None,
            departing: None,
            restore: None,
            mending: None,
        };
        (session, received)
    }

    /// homeprov's folder for state on this machine.
    pub fn state(&self) -> &Path {
        self.state.path()
    }

    /// Removes what this machine, the controller, knows of the cluster.
    pub fn forget_the_cluster(&self) {
        let folder = self.state.path().join("clusters").join(&self.inventory.cluster.name);
        std::fs::remove_dir_all(folder).expect("it was there");
    }
}

/// A run whose process is gone by the time the next one looks: runs here are cut off like killed ones.
fn ended_soon() -> Holder {
    let here = Holder::this_process("01TEST");
    let place: Vec<&str> = here.process.split(' ').skip(2).collect();
    Holder { process: format!("0 0 {}", place.join(" ")), ..here }
}

/// Whether a fault that names no machine would choose the last one.
fn at_last(kind: FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::DuplicateMachineId
            | FaultKind::ClockSkew
            | FaultKind::SmallMemory
            | FaultKind::DiskFull
            | FaultKind::DnsDown
    )
}
