//! The simulated homelab under tokio's clock: both count the same milliseconds.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use homeprov_lab::world::{CommandId, Exec, Millis, World};
use tokio::time::{Instant, sleep_until};

use super::jobs::Jobs;

/// A world that several tasks use; its time passes as tokio's does.
#[derive(Clone)]
pub struct Homelab {
    state: Arc<Mutex<State>>,
    /// What was started on the machines and outlives connections and runs of homeprov.
    pub jobs: Jobs,
    running: Arc<Mutex<Running>>,
    /// The machines the controller does not reach, whatever they reach among themselves.
    away: Arc<Mutex<BTreeSet<String>>>,
}

/// The commands that run, by machine, and those that ran beside one of their own kind.
#[derive(Default)]
struct Running {
    now: Vec<(String, Vec<String>)>,
    doubled: Vec<String>,
    /// Those that took a cluster's majority away for as long as they ran.
    outages: Vec<String>,
    /// Those that took something out of a cluster.
    removals: Vec<String>,
}

/// One of them, until it ends or is no longer waited for.
struct Run(Arc<Mutex<Running>>, (String, Vec<String>));

impl Drop for Run {
    fn drop(&mut self) {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = running.now.iter().position(|run| *run == self.1) {
            running.now.swap_remove(at);
        }
    }
}

/// Commands of which two at once on a machine do harm.
const ALONE: [&[&str]; 5] = [
    &["snap", "install"],
    &["microk8s", "join"],
    &["microk8s", "enable"],
    &["microk8s", "stop"],
    &["apt-get", "install"],
];

/// Commands that stop the services of the machine they run on.
const STOPPING: [&[&str]; 5] = [
    &["microk8s", "stop"],
    &["microk8s", "leave"],
    &["microk8s", "join"],
    &["snap", "refresh", "microk8s"],
    &["snap", "remove"],
];
/// Those after which the data store is as it was: of the only voter they take nothing away but time.
const RESTARTING: [&[&str]; 2] = [&["microk8s", "stop"], &["snap", "refresh", "microk8s"]];
/// Commands that take something out of a cluster for good.
const REMOVING: [&[&str]; 4] =
    [&["microk8s", "leave"], &["microk8s", "remove-node"], &["microk8s", "reset"], &["snap", "remove"]];

/// Whether a cluster that has a majority of its voters would lose it with this machine.
fn decides(world: &World, machine: &str) -> bool {
    let Some(cluster) = world.cluster_of(machine).filter(|cluster| cluster.members.len() > 1) else { return false };
    let voters: Vec<_> = cluster.members.iter().filter(|member| member.role.number() == 0).collect();
    let alive = |without: Option<&str>| {
        let up = |name: &&str| {
            Some(*name) != without && world.machine(name).connected && world.listening(name).contains(&19_001)
        };
        voters.iter().filter_map(|voter| voter.machine.as_deref()).filter(up).count()
    };
    alive(None) * 2 > voters.len() && alive(Some(machine)) * 2 <= voters.len()
}

/// Whether a machine has the only vote of its data store.
fn votes_alone(world: &World, machine: &str) -> bool {
    let members = world.cluster_of(machine).map(|cluster| cluster.members.as_slice()).unwrap_or_default();
    let voters: Vec<_> = members.iter().filter(|member| member.role.number() == 0).collect();
    voters.len() == 1 && voters[0].machine.as_deref() == Some(machine)
}

struct State {
    world: World,
    /// The moment at which the world's time was `at_origin`.
    origin: Instant,
    at_origin: Millis,
}

impl State {
    fn now(&self) -> Millis {
        self.at_origin + millis(self.origin.elapsed())
    }

    fn moment(&self, at: Millis) -> Instant {
        self.origin + Duration::from_millis(at.saturating_sub(self.at_origin))
    }
}

fn millis(duration: Duration) -> Millis {
    u64::try_from(duration.as_millis()).expect("a test does not last that long")
}

/// A part of what a program printed.
pub enum Printed<'a> {
    /// On standard output.
    Out(&'a [u8]),
    /// On standard error.
    Err(&'a [u8]),
}

/// Ends the command of a program that is no longer waited for, because it was killed.
struct Leash<'a>(&'a Homelab, CommandId);

impl Drop for Leash<'_> {
    fn drop(&mut self) {
        self.0.with(|world| world.end(self.1));
    }
}

impl Homelab {
    /// Takes a world as it is; from now on its time is tokio's.
    pub fn new(world: World) -> Self {
        let at_origin = world.now();
        let state = State { world, origin: Instant::now(), at_origin };
        Self {
            state: Arc::new(Mutex::new(state)),
            jobs: Jobs::default(),
            running: Arc::default(),
            away: Arc::default(),
        }
    }

    /// Looks at the world as it is now, or changes it. A change that lets time pass puts the world's clock ahead.
    pub fn with<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = state.now();
        state.world.advance(now);
        let seen = look(&mut state.world);
        let ahead = state.world.now();
        state.at_origin += ahead.saturating_sub(state.now());
        seen
    }

    /// The controller's way to these machines is cut; the machines themselves notice nothing.
    pub fn cut_off<'a>(&self, machines: impl IntoIterator<Item = &'a str>) {
        self.away().extend(machines.into_iter().map(str::to_owned));
    }

    /// The controller reaches every machine again.
    pub fn reach_all(&self) {
        self.away().clear();
    }

    /// Whether the controller reaches a machine that is on.
    pub fn reaches(&self, machine: &str) -> bool {
        !self.away().contains(machine)
            && self.with(|world| world.machine(machine).powered && world.machine(machine).connected)
    }

    fn away(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When something will happen there by itself.
    fn next_event(&self) -> Option<Instant> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.world.next_event().map(|at| state.moment(at))
    }

    /// Runs a program on a machine, passes on what it prints and waits until it ends; ends it when dropped.
    pub async fn run(&self, machine: &str, exec: Exec, mut printed: impl FnMut(&Printed<'_>)) -> i32 {
        let argv = exec.argv.clone();
        let _running = self.begins(machine, &argv);
        self.run_to_its_end(machine, exec, &mut printed).await
    }

    /// The commands that were started while the same one ran on the same machine.
    pub fn doubled(&self) -> Vec<String> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).doubled.clone()
    }

    /// The commands that took a cluster's majority away, or a member out of it.
    pub fn harm(&self) -> Vec<String> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.outages.iter().chain(&running.removals).cloned().collect()
    }

    /// The commands that took a member out of a cluster, once told: the user has said yes to them.
    pub fn agreed_removals(&self) -> Vec<String> {
        std::mem::take(&mut self.running.lock().unwrap_or_else(PoisonError::into_inner).removals)
    }

    fn begins(&self, machine: &str, argv: &[String]) -> Run {
        let (decides, alone) = self.with(|world| (decides(world, machine), votes_alone(world, machine)));
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let this = (machine.to_owned(), argv.to_vec());
        let words: Vec<&str> = argv.iter().map(|word| word.rsplit('/').next().unwrap_or(word)).collect();
        if ALONE.iter().any(|alone| words.starts_with(alone)) && running.now.contains(&this) {
            running.doubled.push(format!("{machine}: {}", argv.join(" ")));
        }
        let starts = |all: &[&[&str]]| all.iter().any(|start| words.starts_with(start));
        if starts(&REMOVING) {
            running.removals.push(format!("{machine}: {}", argv.join(" ")));
        }
        if decides && starts(&STOPPING) && !(alone && starts(&RESTARTING)) {
            running.outages.push(format!("{machine}: {}", argv.join(" ")));
        }
        running.now.push(this.clone());
        Run(Arc::clone(&self.running), this)
    }

    async fn run_to_its_end(&self, machine: &str, exec: Exec, printed: &mut impl FnMut(&Printed<'_>)) -> i32 {
        let id = self.with(|world| world.start(machine, exec));
        let _leash = Leash(self, id);
        loop {
            let progress = self.with(|world| world.poll(id));
            printed(&Printed::Out(&progress.stdout));
            printed(&Printed::Err(&progress.stderr));
            if let Some(status) = progress.exit {
                return status;
            }
            let soon = Instant::now() + Duration::from_millis(1);
            let late = Instant::now() + Duration::from_secs(10);
            sleep_until(self.next_event().unwrap_or(late).clamp(soon, late)).await;
        }
    }
}
