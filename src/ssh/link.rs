//! What is kept for one node: its connection, its channels, how root's rights are had there.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::classify::{Failure, classify};
use super::exec::{Exec, Order, Outcome};
use super::forward::Forward;
use super::frame::RawAnswer;
use super::marker::Marker;
use super::prelude::{self, NOT_ROOT, Rights};
use super::resolve::resolve;
use super::session::{Master, StartError};
use super::sudo::Passwords;
use super::target::Target;
use super::trust::Trust;
use super::{Script, TransportError, script};
use crate::engine::event::{Event, Sink};
use crate::inventory::model::Sudo;

/// Channels at a time: sshd's `MaxSessions` is 10, and beyond it a refusal looks like a lost connection.
const CHANNELS: usize = 8;

/// How often a connection is tried again within one attempt: the node's key and its jump host's may both be new.
const TRIES: u32 = 4;

/// What an exec may take beyond the limits of its sections.
const SLACK: Duration = Duration::from_secs(30);

/// The way to one node.
pub(super) struct Link {
    pub(super) node: String,
    target: Target,
    trust: Trust,
    socket: PathBuf,
    connect_timeout: Duration,
    events: Sink,
    passwords: Arc<Passwords>,
    rights: Mutex<Rights>,
    permits: Semaphore,
    connection: tokio::sync::Mutex<Connection>,
    pub(super) forward: tokio::sync::Mutex<Option<Forward>>,
}

#[derive(Default)]
struct Connection {
    master: Option<Arc<Master>>,
    failed: Option<(Instant, TransportError)>,
    closed: bool,
}

/// Answers as bytes, and the node's clock minus ours in seconds.
pub(super) type Raw = (Vec<RawAnswer>, Option<f64>);

impl Link {
    pub(super) fn new(
        node: &str,
        target: Target,
        trust: Trust,
        socket: PathBuf,
        sudo: Sudo,
        connect_timeout: Duration,
        passwords: Arc<Passwords>,
        events: Sink,
    ) -> Self {
        Self {
            node: node.to_owned(),
            target,
            trust,
            socket,
            connect_timeout,
            events,
            passwords,
            rights: Mutex::new(match sudo {
                Sudo::Auto => Rights::Ask,
                Sudo::Password => Rights::Password,
                Sudo::Never => Rights::Root,
            }),
            permits: Semaphore::new(CHANNELS),
            connection: tokio::sync::Mutex::new(Connection::default()),
            forward: tokio::sync::Mutex::new(None),
        }
    }

    /// A path for a socket of this node's own, beside the control socket.
    pub(super) fn beside(&self, extension: &str) -> PathBuf {
        self.socket.with_extension(extension)
    }

    pub(super) fn emit(&self, event: Event) {
        // Nobody listening is no reason to stop.
        let _ = self.events.send(event);
    }

    /// The live connection; a new one when there is none or it broke. Callers that come while it is being made
    /// share the outcome, a failure too.
    pub(super) async fn master(&self) -> Result<Arc<Master>, TransportError> {
        let asked = Instant::now();
        let mut connection = self.connection.lock().await;
        if connection.closed {
            return Err(TransportError::Local("the connections are closed".to_owned()));
        }
        if let Some(master) = &connection.master {
            if master.alive().await {
                return Ok(master.clone());
            }
            master.end().await;
            connection.master = None;
        }
        match &connection.failed {
            Some((when, error)) if *when > asked => return Err(error.clone()),
            _ => {}
        }
        match self.connect().await {
            Ok(master) => {
                self.emit(Event::Connected { node: self.node.clone(), took: asked.elapsed() });
                let master = Arc::new(master);
                connection.master = Some(master.clone());
                connection.failed = None;
                Ok(master)
            }
            Err(error) => {
                connection.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn connect(&self) -> Result<Master, TransportError> {
        let mut tries = 1;
        loop {
            let keys = self.trust.host_keys(&self.target).await?;
            let started = Master::start(
                self.target.arguments(keys),
                &self.target.destination,
                self.socket.clone(),
                // ssh's own limit holds for every hop and leaves out the login.
                self.connect_timeout * 2 + Duration::from_secs(5),
            )
            .await;
            let said = match started {
                Ok(master) => return Ok(master),
                Err(StartError::Local(error)) => return Err(error),
                Err(StartError::Said(said)) => said,
            };
            let endpoint = resolve(&self.target).await.endpoint;
            let failure = classify(&said, &endpoint);
            if tries == TRIES && !matches!(failure, Failure::Other(_)) {
                return Err(TransportError::HostKeyUnknown {
                    host: endpoint.host,
                    fingerprint: "ssh refuses it although it was accepted".to_owned(),
                });
            }
            self.trust.settle(&self.target, failure).await?;
            tries += 1;
        }
    }

    /// Forgets a connection that broke, unless it has been replaced already.
    async fn discard(&self, broken: &Arc<Master>) {
        broken.hang_up();
        let mut connection = self.connection.lock().await;
        if connection.master.as_ref().is_some_and(|master| Arc::ptr_eq(master, broken)) {
            connection.master = None;
        }
    }

    /// Runs a script, with a sudo password where it takes one.
    pub(super) async fn run(&self, script: &Script) -> Result<Raw, TransportError> {
        let mut refused = None;
        loop {
            let rights = *self.rights.lock().unwrap_or_else(PoisonError::into_inner);
            let password = match (rights, refused.take()) {
                (Rights::Password, None) => {
                    let password = self.passwords.get(&self.node).await;
                    Some(password.ok_or_else(|| self.sudo_refused("it wants a password, and none was given"))?)
                }
                (Rights::Password, Some(wrong)) => {
                    let other = self.passwords.other(&self.node, &wrong).await;
                    Some(other.ok_or_else(|| self.sudo_refused("the password was not accepted"))?)
                }
                (Rights::Ask | Rights::Root, _) => None,
            };
            let marker = Marker::random()?;
            let text = script::text(script, &marker)?;
            let order = Order { script, text: &text, marker: &marker, password: password.as_ref() };
            match self.exec(rights, &order).await? {
                Outcome::Answered(answers, clock) => return Ok((answers, clock)),
                Outcome::WrongPassword => refused = password,
                Outcome::Refused(said) => {
                    if rights != Rights::Ask || !wants_password(&said) {
                        return Err(self.sudo_refused(&refusal(&said)));
                    }
                    *self.rights.lock().unwrap_or_else(PoisonError::into_inner) = Rights::Password;
                }
                Outcome::Ended { status, began, printed } => return Err(self.ended(status, began, &printed)),
                Outcome::Broken(detail) => {
                    return Err(TransportError::BadAnswer { host: self.node.clone(), detail });
                }
            }
        }
    }

    /// One exec, counted.
    async fn exec(&self, rights: Rights, order: &Order<'_>) -> Result<Outcome, TransportError> {
        let _permit =
            self.permits.acquire().await.map_err(|_| TransportError::Local("the connections are closed".to_owned()))?;
        let command = prelude::command(rights, order.marker);
        let limits: Duration = order.script.sections.iter().map(|one| one.limit).sum();
        let sections = u32::try_from(order.script.sections.len()).unwrap_or(u32::MAX);
        let longest = limits + Duration::from_secs(2).saturating_mul(sections) + SLACK;
        let (master, exec, started) = self.open(&command).await?;
        let conversation = tokio::time::timeout(longest, exec.converse(order, started)).await;
        self.emit(Event::Executed { node: self.node.clone(), purpose: order.script.purpose, took: started.elapsed() });
        let detail = match conversation {
            Ok(outcome @ Outcome::Ended { .. }) => {
                // The master may take a moment longer than its channel to find that the connection is gone.
                let gone = tokio::time::timeout(Duration::from_millis(150), master.ended()).await;
                if gone.is_err() && master.alive().await {
                    return Ok(outcome);
                }
                master.last_words().unwrap_or_else(|| "it ended before the answer was complete".to_owned())
            }
            Ok(outcome) => return Ok(outcome),
            Err(_) => format!("no answer within {} s", longest.as_secs()),
        };
        self.discard(&master).await;
        Err(self.lost(detail))
    }

    /// Opens a channel. A connection that turns out to be broken before anything was sent is replaced once; a refusal
    /// because the node has too many sessions open is waited out.
    async fn open(&self, command: &str) -> Result<(Arc<Master>, Exec, Instant), TransportError> {
        let mut replaced = false;
        let mut wait = Duration::from_millis(50);
        loop {
            let master = self.master().await?;
            let started = Instant::now();
            let opening = Exec::open(master.session.clone(), command);
            let error = match tokio::time::timeout(SLACK, opening).await {
                Ok(Ok(exec)) => return Ok((master, exec, started)),
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no channel within {} s", SLACK.as_secs()),
            };
            if master.alive().await && started.elapsed() < SLACK && wait < SLACK {
                tokio::time::sleep(wait).await;
                wait *= 2;
                continue;
            }
            self.discard(&master).await;
            if replaced {
                return Err(self.lost(error));
            }
            replaced = true;
        }
    }

    fn ended(&self, status: Option<i32>, began: bool, printed: &str) -> TransportError {
        let host = self.node.clone();
        let status =
            status.map_or_else(|| "it ended without a status".to_owned(), |status| format!("exit status {status}"));
        let last: Vec<&str> = last_lines(printed);
        let detail = if last.is_empty() { status } else { format!("{status}: {}", last.join(" / ")) };
        if began {
            TransportError::BadAnswer { host, detail: format!("it is cut short, {detail}") }
        } else {
            TransportError::NoShell { host, detail }
        }
    }

    pub(super) fn lost(&self, detail: String) -> TransportError {
        TransportError::Lost { host: self.node.clone(), detail }
    }

    fn sudo_refused(&self, detail: &str) -> TransportError {
        TransportError::SudoRefused { host: self.node.clone(), detail: detail.to_owned() }
    }

    /// Ends the connection for good.
    pub(super) async fn close(&self) {
        self.permits.close();
        self.forward.lock().await.take();
        let mut connection = self.connection.lock().await;
        connection.closed = true;
        if let Some(master) = connection.master.take() {
            master.end().await;
        }
    }
}

/// Whether a refusal means "with a password, yes". sudo and sudo-rs say it differently.
fn wants_password(said: &str) -> bool {
    said.contains("password is required") || said.contains("authentication is required")
}

/// What a refusal comes down to.
fn refusal(said: &str) -> String {
    if said.contains(NOT_ROOT) {
        return format!("{NOT_ROOT}, and the inventory says sudo = \"never\"");
    }
    if said.contains("sudo: not found") || said.contains("sudo: command not found") {
        return "sudo is not installed".to_owned();
    }
    let lines = last_lines(said);
    let words: Vec<&str> = match lines.iter().find(|line| line.contains("sudo")) {
        Some(line) => vec![line],
        None => lines,
    };
    if words.is_empty() { "it gave no reason".to_owned() } else { words.join(" / ") }
}

/// The last three lines with something on them.
fn last_lines(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim);
    let mut lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    lines.drain(..lines.len().saturating_sub(3));
    lines
}
