//! [`OpenSsh`]: the [`Transport`] over the `OpenSSH` programs.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex, Semaphore};

use crate::engine::event::{Event, Sink};
use crate::inventory::model::Inventory;

use super::directory::Directory;
use super::frame::{RawAnswer, RawAnswers};
use super::host_key::HostKeyPolicy;
use super::job;
use super::node::Node;
use super::session::Ground;
use super::sudo::{Passwords, SudoPassword};
use super::target;
use super::transport::{Answer, Job, JobReport, PipeEnd, Script, SectionAnswer, Stream, Transport, TransportError};
use super::{forward, look, script};

/// Connections through jump hosts being made at a time: a server drops logins when more than ten are in progress
/// (`MaxStartups` of `sshd_config(5)`).
const THROUGH_JUMP: usize = 6;

/// What the user decides about the connections.
#[derive(Clone)]
pub struct Options {
    /// What is done about host keys that are not known.
    pub host_keys: HostKeyPolicy,
    /// Where sudo's password comes from; without it a sudo that wants one is refused.
    pub sudo_password: Option<SudoPassword>,
    /// For one TCP connection and its key exchange, in whole seconds.
    pub connect_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { host_keys: HostKeyPolicy::Strict, sudo_password: None, connect_timeout: Duration::from_secs(10) }
    }
}

/// Reaches the nodes of an inventory with the `ssh` program: one master connection per node.
pub struct OpenSsh {
    nodes: Vec<Node>,
    shared: Shared,
}

/// What all nodes' connections share.
pub(super) struct Shared {
    pub inventory: Arc<Inventory>,
    pub options: Options,
    pub events: Sink,
    pub passwords: Passwords,
    /// The keys the user does not want; held while a question is asked, and while a known-hosts file is written.
    pub declined: Mutex<Vec<String>>,
    pub through_jump: Semaphore,
    ground: Mutex<Option<Arc<Ground>>>,
}

impl OpenSsh {
    /// Connects to nothing yet. `events` hears of every connection, exec and forward.
    pub fn new(inventory: Arc<Inventory>, options: Options, events: Sink) -> Self {
        let nodes = inventory
            .nodes
            .iter()
            .enumerate()
            .map(|(index, node)| Node::new(target::Target::new(&inventory, index, node)))
            .collect();
        let passwords = Passwords::new(options.sudo_password.clone());
        Self {
            nodes,
            shared: Shared {
                inventory,
                options,
                events,
                passwords,
                declined: Mutex::default(),
                through_jump: Semaphore::new(THROUGH_JUMP),
                ground: Mutex::new(None),
            },
        }
    }

    fn node(&self, name: &str) -> Result<&Node, TransportError> {
        self.nodes
            .iter()
            .find(|node| node.target.node == name)
            .ok_or_else(|| TransportError::Local(format!("no node is called {name}")))
    }

    async fn one(&self, node: &Node, script: &Script) -> Result<RawAnswer, TransportError> {
        let mut answers = node.run(&self.shared, script).await?;
        answers.sections.pop().ok_or_else(|| node.bad_answer("a job's script has no section"))
    }

    async fn job(&self, node: &Node, script: &Script, offset: u64) -> Result<JobReport, TransportError> {
        let answer = self.one(node, script).await?;
        job::report(&answer, offset).map_err(|why| node.bad_answer(why))
    }
}

impl Shared {
    /// The private directory and the generated configuration, made on first use.
    pub(super) async fn ground(&self) -> Result<Arc<Ground>, TransportError> {
        let mut ground = self.ground.lock().await;
        if let Some(ground) = &*ground {
            return Ok(Arc::clone(ground));
        }
        let limit = self.options.connect_timeout;
        let text = target::config(&self.inventory.ssh, limit)?;
        let made = tokio::task::spawn_blocking(move || {
            let directory = Directory::create()?;
            let config = directory.path().join("config");
            std::fs::write(&config, text)
                .and_then(|()| look::write_keys_script(directory.path()))
                .map_err(|error| TransportError::Local(format!("cannot write {}: {error}", config.display())))?;
            Ok(Arc::new(Ground::new(directory, config, limit)))
        })
        .await
        .map_err(|error| TransportError::Local(error.to_string()))??;
        Ok(Arc::clone(ground.insert(made)))
    }

    pub(super) fn emit(&self, event: Event) {
        // Nobody listening is no failure of the connection.
        let _ = self.events.send(event);
    }
}

#[async_trait]
impl Transport for OpenSsh {
    async fn run(&self, node: &str, script: &Script) -> Result<Answer, TransportError> {
        let answers = self.node(node)?.run(&self.shared, script).await?;
        Ok(filed(script, answers))
    }

    async fn start_job(&self, node: &str, job: &Job) -> Result<JobReport, TransportError> {
        let node = self.node(node)?;
        valid(&job.id)?;
        let script = job::start(job).map_err(|why| unsendable(&job.step, why))?;
        self.job(node, &script, 0).await
    }

    async fn poll_job(&self, node: &str, id: &str, offset: u64) -> Result<JobReport, TransportError> {
        let node = self.node(node)?;
        valid(id)?;
        self.job(node, &job::poll(id, offset), offset).await
    }

    async fn end_job(&self, node: &str, id: &str) -> Result<(), TransportError> {
        let node = self.node(node)?;
        valid(id)?;
        let answer = self.one(node, &job::end(id)).await?;
        if answer.status == 0 {
            Ok(())
        } else {
            let said = String::from_utf8_lossy(&answer.stderr).into_owned();
            Err(node.bad_answer(format!("the job {id} cannot be ended: {}", said.trim())))
        }
    }

    async fn kubernetes(&self, node: &str, kubeconfig: &SecretString) -> Result<kube::Client, TransportError> {
        let node = self.node(node)?;
        let config = forward::configuration(kubeconfig).await.map_err(|why| node.bad_answer(why))?;
        let (wire, socket) = node.forward(&self.shared, forward::HERE, forward::port(&config)).await?;
        let mut kept = wire.api.lock().await;
        if let Some((text, client)) = &*kept
            && text.expose_secret() == kubeconfig.expose_secret()
        {
            return Ok(client.clone());
        }
        // What is wrong may quote the credentials again.
        let unusable = |_| node.bad_answer("its kubeconfig's credentials cannot be used");
        let (client, answered) = forward::client(&config, socket).await.map_err(unusable)?;
        *kept = answered.then(|| (kubeconfig.clone(), client.clone()));
        Ok(client)
    }

    async fn dial(&self, node: &str, host: &str, port: u16) -> Result<Box<dyn Stream>, TransportError> {
        let node = self.node(node)?;
        let (_, socket) = node.forward(&self.shared, host, port).await?;
        let stream = tokio::net::UnixStream::connect(&socket).await;
        Ok(Box::new(stream.map_err(|error| node.bad_answer(format!("no forward to {host}:{port}: {error}")))?))
    }

    async fn pipe(
        &self,
        node: &str,
        argv: &[String],
        input: &mut (dyn AsyncRead + Send + Unpin),
        output: &mut (dyn AsyncWrite + Send + Unpin),
        idle: Duration,
    ) -> Result<PipeEnd, TransportError> {
        self.node(node)?.pipe(&self.shared, argv, input, output, idle).await
    }

    async fn close(&self) {
        futures::future::join_all(self.nodes.iter().map(Node::close)).await;
        let ground = self.shared.ground.lock().await.take();
        drop(ground);
    }
}

fn valid(id: &str) -> Result<(), TransportError> {
    if job::is_valid(id) { Ok(()) } else { Err(TransportError::Local(format!("{id:?} is no id for a job"))) }
}

pub(super) fn unsendable(what: &str, why: script::NulByte) -> TransportError {
    TransportError::Local(format!("{what} cannot be sent to a node: {why}"))
}

fn filed(script: &Script, answers: RawAnswers) -> Answer {
    let text = |bytes: Vec<u8>| match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    };
    let sections = script
        .sections
        .iter()
        .zip(answers.sections)
        .map(|(section, raw)| {
            let answer = SectionAnswer {
                status: raw.status,
                stdout: text(raw.stdout),
                stderr: text(raw.stderr),
                timed_out: raw.timed_out,
            };
            (section.id.clone(), answer)
        })
        .collect();
    Answer { sections, clock_offset: answers.clock_offset }
}
