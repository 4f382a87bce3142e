//! One node: its connection, made when first needed and again after a loss, and the execs over it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use crate::engine::event::Event;
use crate::error::chain;

use super::exec::{self, End, Exec, Outcome};
use super::forward;
use super::frame::{self, FrameError, RawAnswers};
use super::openssh::{Shared, unsendable};
use super::script;
use super::session::Link;
use super::sudo::{Password, Rise};
use super::target::Target;
use super::transport::{Purpose, Script, TransportError};
use super::verdict::{self, Verdict};

/// Channels on one connection at a time. sshd allows ten (`MaxSessions` of `sshd_config(5)`) and refuses the next.
const CHANNELS: usize = 8;
/// What an exec may take beyond what its sections may: the login shell, sudo, the way there and back.
const SLACK: Duration = Duration::from_secs(30);
/// How often a channel is asked for again that sshd refused though no other is in use, and how long is waited in between.
const CHANNEL_TRIES: u32 = 60;
const CHANNEL_PAUSE: Duration = Duration::from_millis(250);

/// A node and what is known of the way to it.
pub(super) struct Node {
    pub target: Target,
    channels: Semaphore,
    /// How many channels are in use, or being opened.
    talking: AtomicUsize,
    slot: Mutex<Slot>,
    rise: std::sync::Mutex<Rise>,
}

#[derive(Default)]
struct Slot {
    wire: Option<Arc<Wire>>,
    /// When the last attempt failed, and how.
    failed: Option<(Instant, TransportError)>,
    /// Sockets made so far; each has a name of its own.
    made: u32,
}

/// A connection with the API forwards that go over it.
pub(super) struct Wire {
    link: Link,
    /// Sockets of the forwards, by the host and port they lead to.
    forwards: Mutex<BTreeMap<(String, u16), PathBuf>>,
    /// The last client made, for the same kubeconfig again.
    pub api: Mutex<Option<(SecretString, kube::Client)>>,
}

impl Wire {
    /// The connection's session.
    pub(super) fn session(&self) -> &openssh::Session {
        &self.link.session
    }
}

impl Node {
    pub(super) fn new(target: Target) -> Self {
        let rise = Rise::from(target.sudo);
        Self {
            target,
            channels: Semaphore::new(CHANNELS),
            talking: AtomicUsize::new(0),
            slot: Mutex::default(),
            rise: std::sync::Mutex::new(rise),
        }
    }

    /// The connection; callers that come while it is being made share the attempt and its failure.
    async fn wire(&self, shared: &Shared) -> Result<Arc<Wire>, TransportError> {
        let asked = Instant::now();
        let mut slot = self.slot.lock().await;
        if let Some(wire) = &slot.wire
            && wire.link.is_alive()
        {
            return Ok(Arc::clone(wire));
        }
        if let Some((when, error)) = &slot.failed
            && *when >= asked
        {
            return Err(error.clone());
        }
        slot.wire = None;
        match super::connect::connect(shared, &self.target, &mut slot.made).await {
            Ok((link, took)) => {
                shared.emit(Event::Connected { node: self.target.node.clone(), took });
                let wire = Arc::new(Wire { link, forwards: Mutex::default(), api: Mutex::default() });
                Ok(Arc::clone(slot.wire.insert(wire)))
            }
            Err(error) => {
                slot.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Runs a script: one exec, but for a sudo that has to be asked again with a password.
    pub(super) async fn run(&self, shared: &Shared, script: &Script) -> Result<RawAnswers, TransportError> {
        let marker = token();
        let text = script::render(script, &marker).map_err(|why| unsendable(&first_id(script), why))?;
        let limit = script::longest(script) + SLACK;
        let mut other_password = None;
        loop {
            let rise = self.rise();
            let password = match (rise, other_password.take()) {
                (Rise::Ask, None) => shared.passwords.get(&self.target.node).await,
                (_, other) => other,
            };
            let exec = Exec { rise, token: token(), marker: &marker, text: &text, password: password.as_ref(), limit };
            let began = Instant::now();
            let (wire, outcome) = self.exec(shared, &exec).await?;
            let verdict = self.judge(&wire, script, &exec, &outcome).await;
            let again = matches!(verdict, Verdict::WantsPassword(_) | Verdict::WrongPassword);
            shared.emit(Event::Executed {
                node: self.target.node.clone(),
                // Finding out what sudo wants is no observation yet.
                purpose: if again { Purpose::Probe } else { script.purpose },
                took: began.elapsed(),
            });
            match verdict {
                Verdict::Answers(answers) => return Ok(answers),
                Verdict::Error(error) => return Err(error),
                Verdict::WantsPassword(said) => {
                    if shared.passwords.get(&self.target.node).await.is_none() {
                        return Err(self.sudo_refused(said));
                    }
                    self.set_rise(Rise::Ask);
                }
                Verdict::WrongPassword => {
                    other_password = self.other_password(shared, password.as_ref()).await?;
                }
            }
        }
    }

    /// Another password, if the one refused was not asked for this very node.
    async fn other_password(
        &self,
        shared: &Shared,
        refused: Option<&Password>,
    ) -> Result<Option<Password>, TransportError> {
        if refused.is_some_and(|password| !password.own)
            && let Some(another) = shared.passwords.another(&self.target.node).await
        {
            return Ok(Some(another));
        }
        shared.passwords.refuse(&self.target.node).await;
        Err(self.sudo_refused("the password was not accepted"))
    }

    /// Opens a channel and talks; a connection found lost before anything was sent is made anew, once. A channel that sshd
    /// refuses is no loss: what wants one waits until another one of ours has been closed.
    async fn exec(&self, shared: &Shared, exec: &Exec<'_>) -> Result<(Arc<Wire>, Outcome), TransportError> {
        let mut renewed = false;
        let mut tries = 0;
        loop {
            let wire = self.wire(shared).await?;
            let channel = self.channels.acquire().await;
            self.talking.fetch_add(1, Ordering::Relaxed);
            let talk = Talking(&self.talking);
            let error = match exec::run(&wire.link.session, exec).await {
                Ok(outcome) => return Ok((wire, outcome)),
                Err(error) => chain(&error),
            };
            drop(talk);
            if wire.link.check().await {
                if self.others_talk() {
                    // Its MaxSessions is lower than usual: from now on one channel less is used at a time.
                    if let Ok(channel) = channel {
                        channel.forget();
                    }
                    continue;
                }
                drop(channel);
                tries += 1;
                if tries > CHANNEL_TRIES {
                    return Err(self.bad_answer(format!(
                        "sshd opens no session on the connection (MaxSessions in its configuration?): {error}"
                    )));
                }
                tokio::time::sleep(CHANNEL_PAUSE).await;
                continue;
            }
            drop(channel);
            if renewed {
                return Err(self.lost(error));
            }
            renewed = true;
            wire.link.end().await;
        }
    }

    /// The connection, and the right to one channel on it for as long as it is held.
    pub(super) async fn channel(
        &self,
        shared: &Shared,
    ) -> Result<(Arc<Wire>, Option<tokio::sync::SemaphorePermit<'_>>), TransportError> {
        let wire = self.wire(shared).await?;
        // The semaphore is never closed.
        Ok((wire, self.channels.acquire().await.ok()))
    }

    /// Whether another channel of ours is in use: its end makes room for one more.
    fn others_talk(&self) -> bool {
        self.talking.load(Ordering::Relaxed) > 0
    }

    async fn judge(&self, wire: &Wire, script: &Script, exec: &Exec<'_>, outcome: &Outcome) -> Verdict {
        let host = self.target.shown();
        if outcome.end == End::Complete {
            let read = frame::read(script, exec.marker, outcome.sent, &outcome.stdout, &outcome.stderr);
            return match read {
                Ok(answers) => Verdict::Answers(answers),
                Err(why @ (FrameError::NoHello | FrameError::Cut(_) | FrameError::TooLarge(_))) => {
                    Verdict::Error(self.bad_answer(why))
                }
            };
        }
        let lost = !wire.link.check().await;
        if lost && matches!(outcome.end, End::Closed | End::Overdue) {
            return Verdict::Error(self.lost("the connection ended before the answer did"));
        }
        verdict::incomplete(host, exec, outcome)
    }

    /// The forward to a port of a host as the node sees it, opened if it is not there yet.
    pub(super) async fn forward(
        &self,
        shared: &Shared,
        host: &str,
        port: u16,
    ) -> Result<(Arc<Wire>, PathBuf), TransportError> {
        let there = (host.to_owned(), port);
        let mut renewed = false;
        loop {
            let wire = self.wire(shared).await?;
            let mut forwards = wire.forwards.lock().await;
            if let Some(socket) = forwards.get(&there).cloned() {
                drop(forwards);
                return Ok((wire, socket));
            }
            // A number, not a name: the path of a socket may have 108 bytes at the most (`unix(7)`).
            let socket = wire.link.beside(&forwards.len().to_string());
            let opened = forward::open(&wire.link.session, &socket, host, port).await;
            match opened {
                Ok(()) => {
                    forwards.insert(there, socket.clone());
                    drop(forwards);
                    shared.emit(Event::Forwarded { node: self.target.node.clone() });
                    return Ok((wire, socket));
                }
                Err(error) if renewed || wire.link.check().await => {
                    return Err(self.lost(format!("no forward to {host}:{port}: {}", chain(&error))));
                }
                Err(_) => {
                    renewed = true;
                    wire.link.end().await;
                }
            }
        }
    }

    /// Ends the connection.
    pub(super) async fn close(&self) {
        // An attempt in progress ends with the one who waits for it.
        let slot = tokio::time::timeout(Duration::from_secs(1), self.slot.lock()).await;
        let wire = slot.ok().and_then(|mut slot| slot.wire.take());
        if let Some(wire) = wire {
            wire.link.end().await;
        }
    }

    pub(super) fn rise(&self) -> Rise {
        *self.rise.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn set_rise(&self, rise: Rise) {
        *self.rise.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = rise;
    }

    pub(super) fn bad_answer(&self, detail: impl std::fmt::Display) -> TransportError {
        TransportError::BadAnswer { host: self.target.shown(), detail: format!("{detail}") }
    }

    pub(super) fn lost(&self, detail: impl Into<String>) -> TransportError {
        TransportError::Lost { host: self.target.shown(), detail: detail.into() }
    }

    fn sudo_refused(&self, detail: impl Into<String>) -> TransportError {
        TransportError::SudoRefused { host: self.target.shown(), detail: detail.into() }
    }
}

/// One channel in use.
struct Talking<'a>(&'a AtomicUsize);

impl Drop for Talking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Random text that nobody can guess: twice eighty bits.
pub(super) fn token() -> String {
    let half = || ulid::Ulid::generate().random();
    format!("{:020x}{:020x}", half(), half())
}

fn first_id(script: &Script) -> String {
    script.sections.first().map_or_else(String::new, |section| section.id.clone())
}
