//! Runs of homeprov on a homelab, and what they reported.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use homeprov::adopt::{self, Asked};
use homeprov::doctor::Diagnosis;
use homeprov::drill::Report as Drilled;
use homeprov::engine::event::Event;
use homeprov::engine::lock::Holder;
use homeprov::engine::{self, Outcome, Session, stop};
use homeprov::error::Failure;
use homeprov::facts::Departing;
use homeprov::inventory::{self, Inventory};
use homeprov::plan::Plan;
use homeprov::playbook::{self, Recipe};
use homeprov::pool;
use homeprov::repair::Report;
use homeprov::ssh::{Purpose, Transport};
use homeprov::status::ClusterStatus;
use homeprov::steps;
use homeprov::steps::drill::Prospect;
use homeprov::steps::repair::Ask;
use homeprov_lab::world::{Config, FaultKind, Os, World};
use tempfile::TempDir;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::{Instant, sleep, timeout};

use super::adapter::WorldTransport;
use super::homelab::Homelab;

/// The pool of the inventories here.
pub const POOL: &str = "10.77.0.200-10.77.0.210";
/// More virtual time than any run may take.
pub const LONGEST: Duration = Duration::from_secs(3600);

const NO_STORAGE: &str = "[storage]\nengine = \"none\"";

/// The same inventory text with another `[storage]` table; without one when it is empty.
pub fn with_storage(text: &str, table: &str) -> String {
    text.replace(NO_STORAGE, table)
}

/// The playbooks that are part of homeprov.
pub fn recipe() -> Recipe {
    playbook::load_embedded(&steps::names().collect::<Vec<_>>()).expect("the playbooks are valid")
}

/// The playbooks of another command.
pub fn recipe_of(command: &str) -> Recipe {
    playbook::load_embedded_of(command, &steps::names().collect::<Vec<_>>()).expect("the playbooks are valid")
}

/// The same without the proof of storage: the bytes of volumes are real in the lab alone.
fn without_proof() -> Recipe {
    let mut recipe = recipe();
    recipe.steps.retain(|step| step.id != "storage-proven");
    recipe
}

/// An inventory text: so many control planes and workers, nuc1, nuc2, …, and a pool.
pub fn text(control_planes: u8, workers: u8) -> String {
    let mut text = "[cluster]\nname = \"home\"\nchannel = \"1.35/stable\"\n\n".to_owned();
    for n in 1..=control_planes + workers {
        let role = if n <= control_planes { "control-plane" } else { "worker" };
        let _ = writeln!(text, "[[nodes]]\nname = \"nuc{n}\"\naddress = \"10.77.0.{}\"\nrole = \"{role}\"\n", 10 + n);
    }
    // Who is about storage says so: `with_storage`.
    let _ = writeln!(text, "[metallb]\npool = \"{POOL}\"\n\n{NO_STORAGE}");
    text
}

/// An inventory from its text.
pub fn inventory(text: &str) -> Arc<Inventory> {
    let loaded = inventory::parse(Path::new("home.toml"), text.to_owned()).unwrap_or_else(|error| panic!("{error}"));
    Arc::new(loaded.inventory)
}

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

/// What a run came to.
#[derive(Debug)]
pub struct Ran {
    pub outcome: Outcome,
    pub events: Vec<Event>,
    /// How much virtual time it took.
    pub took: Duration,
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
    pub fn session_for(&self, recipe: Recipe) -> (Session, UnboundedReceiver<Event>) {
        self.session(recipe)
    }

    fn session(&self, recipe: Recipe) -> (Session, UnboundedReceiver<Event>) {
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

    /// `homeprov up`, to its end.
    pub async fn up(&self) -> Ran {
        self.to_the_end(self.session(without_proof())).await
    }

    /// The same by somebody in particular.
    pub async fn up_as(&self, me: Holder) -> Ran {
        self.to_the_end(self.session_of(without_proof(), me)).await
    }

    /// The same with `--break-lock`.
    pub async fn up_by_force(&self, me: Holder) -> Ran {
        let (mut session, received) = self.session_of(without_proof(), me);
        session.break_lock = true;
        self.to_the_end((session, received)).await
    }

    async fn to_the_end(&self, started: (Session, UnboundedReceiver<Event>)) -> Ran {
        self.command_to_the_end("up", started).await
    }

    async fn command_to_the_end(
        &self,
        command: &str,
        (session, mut received): (Session, UnboundedReceiver<Event>),
    ) -> Ran {
        let began = Instant::now();
        let ended = timeout(LONGEST, engine::converge(&session, command)).await;
        let took = began.elapsed();
        let events = drain(&mut received);
        let Ok(outcome) = ended else { panic!("it did not end within {LONGEST:?}; its end:\n{}", tail(&events)) };
        Ran { outcome, events, took }
    }

    /// `homeprov up`, to its end; every event is shown to `meets` as it is reported.
    pub async fn up_meeting(&self, meets: impl FnMut(&Event)) -> Ran {
        self.meeting("up", self.session(without_proof()), meets).await
    }

    async fn meeting(
        &self,
        command: &str,
        (session, mut received): (Session, UnboundedReceiver<Event>),
        mut meets: impl FnMut(&Event),
    ) -> Ran {
        let began = Instant::now();
        let mut events = Vec::new();
        let run = engine::converge(&session, command);
        tokio::pin!(run);
        let outcome = loop {
            tokio::select! {
                biased;
                Some(event) = received.recv() => {
                    meets(&event);
                    events.push(event);
                }
                outcome = &mut run => break outcome,
                () = sleep(LONGEST.saturating_sub(began.elapsed())) => {
                    panic!("it did not end within {LONGEST:?}; its end:\n{}", tail(&events))
                }
            }
        };
        let took = began.elapsed();
        events.extend(drain(&mut received));
        Ran { outcome, events, took }
    }

    /// homeprov's folder for state on this machine.
    pub fn state(&self) -> &Path {
        self.state.path()
    }

    /// `homeprov up`, killed after some time; what it had reported by then.
    pub async fn up_cut_off(&self, after: Duration) -> Vec<Event> {
        self.up_until(sleep(after)).await
    }

    /// `homeprov up`, killed when something comes about, unless it has ended by then; what it had reported.
    pub async fn up_until(&self, comes_about: impl Future<Output = ()>) -> Vec<Event> {
        let (session, mut received) = self.session(without_proof());
        tokio::select! {
            _ = engine::up(&session) => {}
            () = comes_about => {}
        }
        drop(session);
        drain(&mut received)
    }

    /// `homeprov up`, killed when it has reported so many events, unless it has ended by then.
    pub async fn up_events(&self, most: usize) -> Vec<Event> {
        let (session, mut received) = self.session(without_proof());
        let mut events = Vec::new();
        tokio::select! {
            biased;
            () = async {
                while events.len() < most {
                    events.extend(received.recv().await);
                }
            } => {}
            _ = engine::up(&session) => {}
        }
        events
    }

    /// `homeprov up`, to its end; once it has reported so many events, or has ended, something else happens, too.
    pub async fn up_while(&self, most: usize, happens: impl Future<Output = ()>) -> Ran {
        let (session, mut received) = self.session(without_proof());
        let began = Instant::now();
        let mut events = Vec::new();
        let mut happens = std::pin::pin!(happens);
        let mut happened = false;
        let outcome = {
            let mut up = std::pin::pin!(timeout(LONGEST, engine::up(&session)));
            loop {
                tokio::select! {
                    biased;
                    () = &mut happens, if events.len() >= most && !happened => happened = true,
                    event = received.recv() => events.extend(event),
                    ended = &mut up => break ended,
                }
            }
        };
        let took = began.elapsed();
        if !happened {
            happens.await;
        }
        events.extend(drain(&mut received));
        let Ok(outcome) = outcome else { panic!("it did not end within {LONGEST:?}; its end:\n{}", tail(&events)) };
        Ran { outcome, events, took }
    }

    /// `homeprov up` where somebody is asked before a cluster is taken over, and answers so.
    pub async fn up_taking_over(&self, answer: bool) -> Ran {
        let (mut session, received) = self.session(without_proof());
        session.takeover = Some(Arc::new(move |_| answer));
        self.to_the_end((session, received)).await
    }

    /// `homeprov adopt`, and what it told of connections.
    pub async fn adopt(&self, addresses: &[Ipv4Addr]) -> (Result<String, Failure>, Vec<Event>) {
        let (events, mut received) = mpsc::unbounded_channel();
        let connect = |inventory: &Arc<Inventory>| -> Result<Arc<dyn Transport>, Failure> {
            Ok(Arc::new(WorldTransport::new(&self.lab, inventory, events.clone(), self.login)))
        };
        let asked = Asked { addresses: addresses.to_vec(), ..Asked::default() };
        let text = adopt::adopt(&asked, &connect).await;
        (text, drain(&mut received))
    }

    /// `homeprov up --repair`, to its end; how the questions are answered is told by `ask`.
    pub async fn up_repairing(&self, ask: impl Fn(&str) -> bool + Send + Sync + 'static) -> Ran {
        let (mut session, received) = self.session(without_proof());
        session.repair = Some(Arc::new(ask));
        self.to_the_end((session, received)).await
    }

    /// A run of `homeprov remove`, as the command begins it: the departing node comes last, so that another one is the seed.
    fn removal(&self, departing: Departing) -> (Session, UnboundedReceiver<Event>) {
        let (mut session, received) = self.session(recipe_of("remove"));
        let mut inventory = Inventory::clone(&self.inventory);
        inventory.nodes.sort_by_key(|node| node.name == departing.name);
        session.inventory = Arc::new(inventory);
        session.departing = Some(departing);
        (session, received)
    }

    /// `homeprov remove`, once it was agreed to, up to the change of the inventory.
    pub async fn remove(&self, departing: Departing) -> Ran {
        self.command_to_the_end("remove", self.removal(departing)).await
    }

    /// The same, killed when it has reported so many events, unless it has ended by then.
    pub async fn remove_events(&self, departing: Departing, most: usize) {
        Self::killed("remove", self.removal(departing), most).await;
    }

    async fn killed(command: &str, (session, mut received): (Session, UnboundedReceiver<Event>), most: usize) {
        let mut events = 0;
        tokio::select! {
            biased;
            () = async {
                while events < most {
                    received.recv().await;
                    events += 1;
                }
            } => {}
            _ = engine::converge(&session, command) => {}
        }
    }

    /// A run of `homeprov upgrade`, as the command begins it: with the channel that the inventory is to name.
    fn upgrading(&self, channel: &str) -> (Session, UnboundedReceiver<Event>) {
        let (mut session, received) = self.session(recipe_of("upgrade"));
        let mut inventory = Inventory::clone(&self.inventory);
        channel.clone_into(&mut inventory.cluster.channel);
        session.inventory = Arc::new(inventory);
        // Scripts are rendered from it.
        session.transport =
            Arc::new(WorldTransport::new(&self.lab, &session.inventory, session.events.clone(), self.login));
        (session, received)
    }

    /// `homeprov upgrade`, once it was agreed to, up to the change of the inventory; every event is shown to `meets`.
    pub async fn upgrade(&self, channel: &str, meets: impl FnMut(&Event)) -> Ran {
        self.meeting("upgrade", self.upgrading(channel), meets).await
    }

    /// The same, killed when it has reported so many events, unless it has ended by then.
    pub async fn upgrade_events(&self, channel: &str, most: usize) {
        Self::killed("upgrade", self.upgrading(channel), most).await;
    }

    /// `homeprov reset`, once it was agreed to.
    pub async fn reset(&self) -> Ran {
        self.command_to_the_end("reset", self.session(recipe_of("reset"))).await
    }

    /// `homeprov repair`; how the questions are answered is told by `ask`. Without it there is nobody to ask.
    pub async fn repair(&self, ask: Option<Ask>) -> (Result<Report, Outcome>, Outcome, Vec<Event>) {
        let (mut session, mut received) = self.session(recipe_of("repair"));
        session.repair = ask;
        let ended = timeout(LONGEST, engine::repair(&session)).await;
        let events = drain(&mut received);
        let Ok(ended) = ended else { panic!("it did not end within {LONGEST:?}; its end:\n{}", tail(&events)) };
        match ended {
            Ok((report, outcome)) => (Ok(report), outcome, events),
            Err(outcome) => (Err(outcome.clone()), outcome, events),
        }
    }

    /// `homeprov drill`; how the question is answered is told by `ask`.
    pub async fn drill(&self, prospect: &Prospect, ask: Ask) -> (Result<Drilled, Outcome>, Outcome, Vec<Event>) {
        let (session, received) = self.session(recipe());
        Self::drilled(session, received, prospect, ask).await
    }

    async fn drilled(
        session: Session,
        mut received: UnboundedReceiver<Event>,
        prospect: &Prospect,
        ask: Ask,
    ) -> (Result<Drilled, Outcome>, Outcome, Vec<Event>) {
        let ended = timeout(LONGEST * 2, Box::pin(engine::drill(&session, prospect, &ask))).await;
        let events = drain(&mut received);
        let Ok(ended) = ended else { panic!("it did not end; its end:\n{}", tail(&events)) };
        match ended {
            Ok((report, outcome)) => (Ok(report), outcome, events),
            Err(outcome) => (Err(outcome.clone()), outcome, events),
        }
    }

    /// The same, and the user asks to stop when something comes about.
    pub async fn drill_stopped(
        &self,
        prospect: &Prospect,
        comes_about: impl Future<Output = ()> + Send + 'static,
    ) -> (Result<Drilled, Outcome>, Outcome, Vec<Event>) {
        let (mut session, received) = self.session(recipe());
        let (stopper, stop) = stop::channel();
        session.stop = stop;
        let user = tokio::spawn(async move {
            comes_about.await;
            stopper.ask();
            // It was asked for; that stays so.
            std::future::pending::<()>().await;
        });
        let ended = Self::drilled(session, received, prospect, Arc::new(|_| true)).await;
        user.abort();
        ended
    }

    /// The same, killed when something comes about.
    pub async fn drill_until(&self, prospect: &Prospect, comes_about: impl Future<Output = ()>) {
        let (session, _received) = self.session(recipe());
        let ask: Ask = Arc::new(|_| true);
        tokio::select! {
            ended = Box::pin(engine::drill(&session, prospect, &ask)) => panic!("it ended: {ended:?}"),
            () = comes_about => {}
        }
    }

    /// What `homeprov remove` says it costs.
    pub async fn losses(&self, departing: Departing) -> Vec<String> {
        let (session, _received) = self.removal(departing);
        let (_, facts) = engine::preview(&session).await.expect("nobody interrupts it");
        steps::departure::losses(&session.inventory, &session.inventory, &facts).lines()
    }

    /// Removes what this machine, the controller, knows of the cluster.
    pub fn forget_the_cluster(&self) {
        let folder = self.state.path().join("clusters").join(&self.inventory.cluster.name);
        std::fs::remove_dir_all(folder).expect("it was there");
    }

    /// `homeprov status`
    pub async fn status(&self) -> ClusterStatus {
        let (session, _received) = self.session(recipe());
        engine::status(&session).await.expect("nobody interrupts it").0
    }

    /// `homeprov doctor`
    pub async fn doctor(&self) -> (Diagnosis, Outcome) {
        let (session, _received) = self.session(recipe());
        engine::diagnose(&session, "home.toml").await.expect("nobody interrupts it")
    }

    /// `homeprov verify pool`
    pub async fn verify_pool(&self) -> Result<(pool::Report, Outcome), Outcome> {
        let (session, _received) = self.session(recipe());
        engine::verify_pool(&session).await
    }

    /// `homeprov plan`
    pub async fn plan(&self) -> Plan {
        let (session, _received) = self.session(recipe());
        engine::plan(&session).await.expect("nobody interrupts it").0
    }
}

/// A run whose process is gone by the time the next one looks: runs here are cut off like killed ones.
fn ended_soon() -> Holder {
    Holder { process: "0 0 -".to_owned(), ..Holder::this_process("01TEST") }
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

fn drain(received: &mut UnboundedReceiver<Event>) -> Vec<Event> {
    std::iter::from_fn(|| received.try_recv().ok()).collect()
}

fn tail(events: &[Event]) -> String {
    let last = &events[events.len().saturating_sub(30)..];
    let lines: Vec<String> = last.iter().map(|event| format!("{event:?}")).collect();
    lines.join("\n")
}

impl Ran {
    /// The steps it applied, as `step@place`.
    pub fn applied(&self) -> Vec<String> {
        started(&self.events).map(|(step, place, _)| format!("{step}@{place}")).collect()
    }

    /// How many connections it made.
    pub fn connections(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::Connected { .. })).count()
    }

    /// How many execs it made for this purpose.
    pub fn execs(&self, purpose: Purpose) -> usize {
        let made = |event: &&Event| matches!(event, Event::Executed { purpose: made, .. } if *made == purpose);
        self.events.iter().filter(made).count()
    }

    /// Its end, for the message of a failed assertion.
    pub fn tail(&self) -> String {
        tail(&self.events)
    }
}

/// The steps that were started: id, place and what was observed before.
pub fn started(events: &[Event]) -> impl Iterator<Item = (&str, String, &str)> {
    use homeprov::plan::Place;
    events.iter().filter_map(|event| match event {
        Event::StepStarted { step, place, why, .. } => {
            let place = match place {
                Place::Node(node) => node.clone(),
                Place::Cluster => "cluster".to_owned(),
            };
            Some((step.as_str(), place, why.as_str()))
        }
        _ => None,
    })
}
