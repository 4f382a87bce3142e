//! [`WorldTransport`]: homeprov's way to the nodes, onto a simulated homelab.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use homeprov::engine::event::{Event, Sink};
use homeprov::engine::lock;
use homeprov::inventory::Inventory;
use homeprov::ssh::{
    Answer, Job, JobReport, JobState, PipeEnd, Program, Purpose, Script, SectionAnswer, Stream, Transport,
    TransportError,
};
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, timeout};

use super::homelab::Homelab;
use super::shell::Shell;
use super::{kubernetes, lease, playbook_steps, probe, rust_steps, web};

/// Until ssh finds that a machine is not there.
const NO_ROUTE: Duration = Duration::from_secs(3);
/// A connection's key exchange and login.
const CONNECT: Duration = Duration::from_millis(180);
/// One exec over a connection that stands.
const EXEC: Duration = Duration::from_millis(15);
/// Until ssh finds that the other end of a connection is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Reaches the machines of a homelab as one process of homeprov does: a connection each, opened on first use.
pub struct WorldTransport {
    lab: Homelab,
    inventory: Arc<Inventory>,
    events: Sink,
    /// The login's name; what is run is run as root.
    login: String,
    links: Mutex<BTreeMap<String, Link>>,
}

/// An open connection.
struct Link {
    /// The boot it was opened in: no connection survives the machine's.
    boot: String,
    forwarded: bool,
}

/// What a section or a job is there for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Check,
    Apply,
}

impl WorldTransport {
    /// Connects to nothing yet.
    pub fn new(lab: &Homelab, inventory: &Arc<Inventory>, events: Sink, login: &str) -> Self {
        Self {
            lab: lab.clone(),
            inventory: Arc::clone(inventory),
            events,
            login: login.to_owned(),
            links: Mutex::default(),
        }
    }

    fn tell(&self, event: Event) {
        // Nobody listening is no fault.
        let _ = self.events.send(event);
    }

    fn with_links<T>(&self, look: impl FnOnce(&mut BTreeMap<String, Link>) -> T) -> T {
        look(&mut self.links.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The machine's boot, when it is on and on the network.
    fn boot(&self, node: &str) -> Option<String> {
        self.lab.reaches(node).then(|| self.lab.with(|world| world.machine(node).boot_id.clone()))
    }

    /// Opens the connection unless it stands; the boot it reaches.
    async fn connect(&self, node: &str) -> Result<String, TransportError> {
        let began = Instant::now();
        let Some(boot) = self.boot(node) else {
            self.with_links(|links| links.remove(node));
            sleep(NO_ROUTE).await;
            return Err(TransportError::HostDown { host: node.to_owned(), detail: "No route to host".to_owned() });
        };
        if self.with_links(|links| links.get(node).is_some_and(|link| link.boot == boot)) {
            return Ok(boot);
        }
        sleep(CONNECT).await;
        if self.boot(node).as_ref() != Some(&boot) {
            return Err(TransportError::HostDown { host: node.to_owned(), detail: "Connection timed out".to_owned() });
        }
        // Another caller may have opened it meanwhile.
        let opened = self.with_links(|links| match links.get(node) {
            Some(link) if link.boot == boot => false,
            _ => {
                links.insert(node.to_owned(), Link { boot: boot.clone(), forwarded: false });
                true
            }
        });
        if opened {
            self.tell(Event::Connected { node: node.to_owned(), took: began.elapsed() });
        }
        Ok(boot)
    }

    /// One exec: `work` goes on on the machine even when nobody waits for it any more.
    async fn exec<T: Send + 'static>(
        &self,
        node: &str,
        purpose: Purpose,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, TransportError> {
        let boot = self.connect(node).await?;
        let began = Instant::now();
        sleep(EXEC).await;
        let done = match tokio::spawn(work).await {
            Ok(done) => done,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        if self.boot(node) != Some(boot) {
            sleep(KEEP_ALIVE).await;
            self.with_links(|links| links.remove(node));
            return Err(TransportError::Lost {
                host: node.to_owned(),
                detail: "the connection ended before the answer did".to_owned(),
            });
        }
        self.tell(Event::Executed { node: node.to_owned(), purpose, took: began.elapsed() });
        Ok(done)
    }

    /// The machine of a node; one that is known by its address alone is the machine that has it.
    fn machine(&self, node: &str) -> String {
        let address = node.parse().ok();
        address.and_then(|address| self.lab.with(|world| world.machine_at(address))).unwrap_or_else(|| node.to_owned())
    }

    fn shell(&self, node: &str) -> Shell {
        Shell::new(&self.lab, node, &self.inventory, &self.login)
    }
}

/// Runs one program on a machine to its end.
async fn perform(shell: Shell, part: Part, step: String, program: Program) -> i32 {
    match program {
        Program::Command { argv, input } => {
            let input = input.as_ref().map_or("", ExposeSecret::expose_secret).to_owned();
            match argv.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                ["sh", "-c", _, "sh", _, arguments @ ..] if step == lock::SECTION => lease::perform(&shell, arguments),
                ["sh", "-c", script] => rust_steps::perform(&shell, &step, script, &input).await,
                // The first argument stands where the input of the others does.
                ["sh", "-c", script, "sh", arguments @ ..] if step.starts_with("drill") => {
                    rust_steps::perform(&shell, &step, script, arguments.first().unwrap_or(&"")).await
                }
                argv => shell.run_with(argv, input.as_bytes()).await,
            }
        }
        Program::Shell(text) if step == homeprov::facts::probe::FACTS => probe::print(&shell, &text).await,
        Program::Shell(text) => match (playbook_steps::row(&step), part) {
            (Some(row), Part::Check) => (row.check)(&shell).await,
            (Some(row), Part::Apply) => (row.apply.expect("only steps with an apply are applied"))(&shell).await,
            (None, _) => rust_steps::perform(&shell, &step, &text, "").await,
        },
    }
}

/// All sections of a script, one after another.
async fn sections(shell: Shell, script: Script) -> Answer {
    let part = if script.purpose == Purpose::Observe { Part::Check } else { Part::Apply };
    let mut answer = Answer::default();
    for section in script.sections {
        let shell = shell.afresh();
        let work = perform(shell.clone(), part, section.id.clone(), section.program);
        let ended = timeout(section.limit, work).await.ok();
        let said = shell.said();
        answer.sections.insert(
            section.id,
            SectionAnswer {
                status: ended.unwrap_or(124),
                stdout: said.stdout,
                stderr: said.stderr,
                timed_out: ended.is_none(),
            },
        );
    }
    answer.clock_offset = Some(SignedDuration::from_millis(shell.machine(|machine| machine.clock_offset)));
    answer
}

#[async_trait]
impl Transport for WorldTransport {
    async fn run(&self, node: &str, script: &Script) -> Result<Answer, TransportError> {
        let node = &self.machine(node);
        // The machine is looked at only once it is reached.
        self.connect(node).await?;
        self.exec(node, script.purpose, sections(self.shell(node), script.clone())).await
    }

    async fn start_job(&self, node: &str, job: &Job) -> Result<JobReport, TransportError> {
        self.connect(node).await?;
        let shell = self.shell(node);
        let (jobs, limit) = (self.lab.jobs.clone(), job.limit);
        let work = perform(shell.clone(), Part::Apply, job.step.clone(), job.program.clone());
        let (machine, id, beginner) = (node.to_owned(), job.id.clone(), job.beginner.clone());
        let start = async move {
            let bounded = async move { timeout(limit, work).await.unwrap_or(124) };
            jobs.start(&machine, (&id, &beginner), &shell, bounded);
            jobs.report(&machine, &id, 0)
        };
        self.exec(node, Purpose::Job, start).await
    }

    async fn poll_job(&self, node: &str, id: &str, offset: u64) -> Result<JobReport, TransportError> {
        let (jobs, machine, id) = (self.lab.jobs.clone(), node.to_owned(), id.to_owned());
        let news = async move {
            for _ in 0..4 {
                let report = jobs.report(&machine, &id, offset);
                if report.state != JobState::Running || report.offset > offset {
                    return report;
                }
                sleep(Duration::from_millis(250)).await;
            }
            jobs.report(&machine, &id, offset)
        };
        self.exec(node, Purpose::Job, news).await
    }

    async fn end_job(&self, node: &str, id: &str) -> Result<(), TransportError> {
        let (jobs, machine, id) = (self.lab.jobs.clone(), node.to_owned(), id.to_owned());
        self.exec(node, Purpose::Job, async move { jobs.end(&machine, &id) }).await
    }

    async fn kubernetes(&self, node: &str, kubeconfig: &SecretString) -> Result<kube::Client, TransportError> {
        let node = &self.machine(node);
        self.connect(node).await?;
        let first = self
            .with_links(|links| links.get_mut(node).is_some_and(|link| !std::mem::replace(&mut link.forwarded, true)));
        if first {
            self.tell(Event::Forwarded { node: node.to_owned() });
        }
        Ok(kubernetes::client(&self.lab, node, kubeconfig.expose_secret()))
    }

    async fn dial(&self, node: &str, host: &str, port: u16) -> Result<Box<dyn Stream>, TransportError> {
        self.connect(node).await?;
        if let Some(stream) = web::dial(&self.lab, host, port) {
            return Ok(stream);
        }
        let detail = format!("{host}:{port} is outside of the simulated world");
        Err(TransportError::BadAnswer { host: node.to_owned(), detail })
    }

    async fn pipe(
        &self,
        node: &str,
        argv: &[String],
        input: &mut (dyn AsyncRead + Send + Unpin),
        output: &mut (dyn AsyncWrite + Send + Unpin),
        _: Duration,
    ) -> Result<PipeEnd, TransportError> {
        self.connect(node).await?;
        let local = |error: std::io::Error| TransportError::Local(error.to_string());
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes).await.map_err(local)?;
        let (shell, argv) = (self.shell(node), argv.to_vec());
        let work = async move {
            let words: Vec<&str> = argv.iter().map(String::as_str).collect();
            match words.as_slice() {
                ["sh", "-c", script] if script.contains("dbctl backup") => shell.back_up_data_store().await,
                words => shell.pipe(words, &bytes).await,
            }
        };
        let (status, stdout, stderr) = self.exec(node, Purpose::Stream, work).await?;
        output.write_all(&stdout).await.map_err(local)?;
        Ok(PipeEnd { status, stderr: String::from_utf8_lossy(&stderr).into_owned() })
    }

    async fn close(&self) {
        self.with_links(BTreeMap::clear);
    }
}
