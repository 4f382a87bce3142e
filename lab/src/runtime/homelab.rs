//! The homelab while it runs: the world, the nodes, and what keeps the one looking like the other.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::Result;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::arguments::{Login, Run};
use super::commands::Commands;
use super::node::Node;
use super::vigil::Vigil;
use super::{git, listeners, network, pool};
use crate::world::{Notice, World};

/// How often the world's time is let on.
const BEAT: Duration = Duration::from_millis(10);

/// How long the world is let on at a stretch before others may have a look at it.
const STRETCH: Duration = Duration::from_millis(40);

/// How long others may look after a stretch that was not enough: everybody who looks lets the world on, and would wait for all
/// who came before to have done so, a stretch each.
const BREATH: Duration = Duration::from_millis(15);

/// The node's first process, whether its cable is plugged in, and whether its own rules keep everybody away.
type Cable = (i32, bool, bool);

/// The homelab.
pub struct Homelab {
    world: Mutex<World>,
    nodes: Mutex<Vec<Node>>,
    /// Told after each beat: commands look for their output then.
    pub beat: Notify,
    /// What was run on the nodes.
    pub commands: Commands,
    began: Instant,
    virtual_start: u64,
    speed: u64,
    /// Virtual milliseconds the world has fallen behind, for good: this machine did not keep up.
    behind: AtomicU64,
    /// Milliseconds after `began` before which nobody lets the world on: the others' turn.
    rested: AtomicU64,
    login: Login,
    noisy: Option<String>,
    authorized: String,
    /// The Git server, where there is one.
    git: Mutex<Option<git::Server>>,
}

impl Homelab {
    /// A homelab of a world and its nodes; time begins to pass.
    pub fn new(
        world: World,
        nodes: Vec<Node>,
        run: &Run,
        noisy: Option<String>,
        authorized: String,
        git: Option<git::Server>,
    ) -> Arc<Self> {
        Arc::new(Self {
            virtual_start: world.now(),
            world: Mutex::new(world),
            nodes: Mutex::new(nodes),
            beat: Notify::new(),
            commands: Commands::default(),
            began: Instant::now(),
            speed: run.speed.max(1),
            behind: AtomicU64::new(0),
            rested: AtomicU64::new(0),
            login: run.login,
            noisy,
            authorized,
            git: Mutex::new(git),
        })
    }

    /// The world, brought up to now. Where much happens at once, its time passes slower for a while: it does not stand still,
    /// as it would if everybody who looks at it had to wait until all of it was done.
    pub fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let elapsed = self.elapsed();
        if elapsed < self.rested.load(Ordering::Relaxed) {
            return world;
        }
        let now = self.virtual_start + elapsed * self.speed - self.behind.load(Ordering::Relaxed);
        let looked = Instant::now();
        world.advance_while(now, || looked.elapsed() < STRETCH);
        let missing = now.saturating_sub(world.now());
        if missing > 0 {
            self.behind.fetch_add(missing, Ordering::Relaxed);
            self.rested.store(self.elapsed() + u64::try_from(BREATH.as_millis()).unwrap_or(0), Ordering::Relaxed);
        }
        world
    }

    /// Real milliseconds since it began.
    fn elapsed(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The nodes.
    pub fn nodes(&self) -> MutexGuard<'_, Vec<Node>> {
        self.nodes.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Keeps time and the nodes' sockets, addresses and power as the world has them, until the lab ends.
    pub async fn keep(self: Arc<Self>) {
        let mut open = listeners::Open::default();
        let mut announced = pool::Announced::default();
        let mut cables = BTreeMap::new();
        let fetcher = git::Fetcher::default();
        let mut vigil = Vigil::new();
        loop {
            let looked = self.look(&mut open, &mut announced, &mut cables);
            if let Err(error) = looked.and_then(|()| self.keep_git(&fetcher)) {
                eprintln!("homeprov-lab: {error:#}");
            }
            self.beat.notify_waiters();
            let restless = self.world().clusters().map(|cluster| cluster.kubernetes.restless()).sum();
            vigil.look(Duration::from_millis(self.behind.load(Ordering::Relaxed)), restless);
            tokio::time::sleep(BEAT).await;
        }
    }

    /// Keeps the Git server as the faults want it, and does what source-controller asks for.
    fn keep_git(self: &Arc<Self>, fetcher: &git::Fetcher) -> Result<()> {
        fetcher.keep(self);
        let mut server = self.git.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        server.as_mut().map_or(Ok(()), |server| git::keep(self, server, fetcher))
    }

    fn look(
        self: &Arc<Self>,
        open: &mut listeners::Open,
        announced: &mut pool::Announced,
        cables: &mut BTreeMap<String, Cable>,
    ) -> Result<()> {
        let notices = self.world().take_notices();
        for notice in notices {
            self.act(&notice)?;
        }
        let names: Vec<String> = self.nodes().iter().map(|node| node.name.clone()).collect();
        for name in &names {
            let mut nodes = self.nodes();
            let Some(node) = nodes.iter_mut().find(|node| node.name == *name) else { continue };
            let world = self.world();
            let machine = world.machine(name);
            if node.on() {
                node.show(machine)?;
            }
            // Switching on plugs a new cable in.
            let fresh = (node.pid, true, false);
            let before = cables.get(name).copied().filter(|(pid, ..)| *pid == node.pid).unwrap_or(fresh);
            if node.on() && before.1 != machine.connected {
                network::carry(node.address, machine.connected)?;
            }
            if node.on() && before.2 != machine.fenced {
                network::fence(node.pid, machine.fenced)?;
            }
            cables.insert(name.clone(), (node.pid, machine.connected, machine.fenced));
        }
        listeners::keep(self, open)?;
        pool::keep(self, announced)
    }

    /// Does to the nodes what has happened in the world.
    fn act(self: &Arc<Self>, notice: &Notice) -> Result<()> {
        let (Notice::PoweredOff(name)
        | Notice::PoweredOn(name)
        | Notice::Reinstalled(name)
        | Notice::ProgramsChanged(name)) = notice;
        let mut nodes = self.nodes();
        let Some(node) = nodes.iter_mut().find(|node| node.name == *name) else { return Ok(()) };
        match notice {
            Notice::PoweredOff(_) => node.cut_power(),
            Notice::PoweredOn(_) => {
                let world = self.world();
                if !node.on() {
                    node.switch_on(world.machine(name))?;
                }
            }
            Notice::Reinstalled(_) => {
                node.cut_power();
                node.host_key = node.disk.login(self.login, self.noisy.as_ref() == Some(name), &self.authorized)?;
                let world = self.world();
                programs(node, &world)?;
                node.switch_on(world.machine(name))?;
            }
            Notice::ProgramsChanged(_) => programs(node, &self.world())?,
        }
        Ok(())
    }
}

/// The programs that come and go with packages.
const PASSING: [&str; 6] = [
    "/usr/bin/snap",
    "/snap/bin/microk8s",
    "/snap/microk8s/current/bin/dqlite",
    "/usr/sbin/iscsi-iname",
    "/usr/sbin/iscsiadm",
    "/usr/sbin/multipathd",
];

/// Puts the stand-ins where the world has programs.
pub fn programs(node: &Node, world: &World) -> Result<()> {
    let there = world.programs(&node.name);
    for program in PASSING {
        if there.contains(program) {
            node.disk.install(program)?;
        } else {
            node.disk.uninstall(program)?;
        }
    }
    Ok(())
}
