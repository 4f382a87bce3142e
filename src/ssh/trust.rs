//! Whom to believe: pins, and what to do when ssh refused a host key.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use super::TransportError;
use super::classify::Failure;
use super::host_key::{self, HostKeyPolicy, Offered, UnknownHostKey};
use super::resolve::{Resolved, resolve};
use super::target::{HostKeys, Target};
use crate::engine::event::{Event, Sink};

/// The algorithms to ask for, one family after another, when a fingerprint is looked for: the first is ssh's choice.
const FAMILIES: [Option<&str>; 4] = [
    None,
    Some("ssh-ed25519"),
    Some("ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521"),
    Some("rsa-sha2-512,rsa-sha2-256"),
];

/// What decides about new keys, shared by all nodes: one question at a time.
pub(super) struct Judge {
    policy: HostKeyPolicy,
    events: Sink,
    asking: tokio::sync::Mutex<()>,
}

/// The trust in one node.
pub(super) struct Trust {
    node: String,
    pin: Option<String>,
    /// A known-hosts file with nothing but the pinned key; complete once `found`.
    pinned: PathBuf,
    scratch: PathBuf,
    judge: Arc<Judge>,
    found: tokio::sync::OnceCell<()>,
}

impl Judge {
    pub(super) fn new(policy: HostKeyPolicy, events: Sink) -> Self {
        Self { policy, events, asking: tokio::sync::Mutex::new(()) }
    }
}

impl Trust {
    /// `files` is the start of the paths this node may use for files of its own.
    pub(super) fn new(node: &str, pin: Option<&str>, files: &std::path::Path, judge: Arc<Judge>) -> Self {
        Self {
            node: node.to_owned(),
            pin: pin.map(str::to_owned),
            pinned: files.with_extension("pin"),
            scratch: files.with_extension("key"),
            judge,
            found: tokio::sync::OnceCell::new(),
        }
    }

    /// The host keys to connect with.
    pub(super) async fn host_keys(&self, target: &Target) -> Result<HostKeys<'_>, TransportError> {
        let Some(pin) = &self.pin else {
            return Ok(HostKeys::Known);
        };
        self.found.get_or_try_init(|| self.write_pin(target, pin)).await?;
        Ok(HostKeys::Pinned(&self.pinned, &self.node))
    }

    async fn write_pin(&self, target: &Target, pin: &str) -> Result<(), TransportError> {
        let key = if pin.starts_with("SHA256:") {
            match self.find(target, pin).await? {
                Some(offered) => offered.key(),
                // Nobody there: the connection itself will say why.
                None => return Ok(()),
            }
        } else {
            pin.to_owned()
        };
        fs::write(&self.pinned, format!("{} {key}\n", self.node))
            .map_err(|error| TransportError::Local(format!("cannot write {}: {error}", self.pinned.display())))
    }

    /// The key with that fingerprint, when the machine offers it.
    async fn find(&self, target: &Target, pin: &str) -> Result<Option<Offered>, TransportError> {
        let mut first: Option<Offered> = None;
        for family in FAMILIES {
            let Some(offered) = host_key::offered(target, &self.scratch, family).await else {
                if family.is_none() {
                    return Ok(None);
                }
                continue;
            };
            if offered.fingerprint == pin {
                return Ok(Some(offered));
            }
            first.get_or_insert(offered);
        }
        match first {
            Some(offered) => Err(self.not_the_pin(target, &described(&offered)).await),
            None => Ok(None),
        }
    }

    async fn not_the_pin(&self, target: &Target, offered: &str) -> TransportError {
        let pin = self.pin.as_deref().unwrap_or_default();
        let expected = match host_key::fingerprint(pin).await {
            Some((kind, fingerprint)) => format!("{kind} {fingerprint}"),
            None => pin.to_owned(),
        };
        TransportError::HostKeyChanged {
            host: target.destination.clone(),
            offered: offered.to_owned(),
            expected: format!("{expected} (host_key of {} in the inventory)", self.node),
        }
    }

    /// Deals with a refused host key. `Ok`: it is known now, connect again.
    pub(super) async fn settle(&self, target: &Target, failure: Failure) -> Result<(), TransportError> {
        let name = match &failure {
            Failure::Other(error) => return Err(error.clone()),
            Failure::UnknownKey { name } | Failure::ChangedKey { name, .. } => name.clone(),
        };
        if self.pin.is_some() && name == self.node {
            let offered = match &failure {
                Failure::ChangedKey { offered, .. } => offered.clone(),
                _ => match host_key::offered(target, &self.scratch, None).await {
                    Some(offered) => described(&offered),
                    None => "another key".to_owned(),
                },
            };
            return Err(self.not_the_pin(target, &offered).await);
        }
        if let Failure::ChangedKey { offered, place, .. } = failure {
            return Err(TransportError::HostKeyChanged {
                host: name,
                offered,
                expected: match place {
                    Some(place) => host_key::known_at(&place).await,
                    None => "the known one".to_owned(),
                },
            });
        }
        let mut resolved = resolve(target).await;
        let mut machine = target.clone();
        if resolved.key_name != name {
            // It is not the node: the jump host, then.
            machine = self.jump(target, &name)?;
            resolved = resolve(&machine).await;
        }
        self.meet(&machine, &name, &resolved).await
    }

    fn jump(&self, target: &Target, name: &str) -> Result<Target, TransportError> {
        target.jump().ok_or_else(|| TransportError::HostKeyUnknown {
            host: name.to_owned(),
            fingerprint: format!("it is a jump host of the ssh config on the way to {}", self.node),
        })
    }

    async fn meet(&self, machine: &Target, name: &str, resolved: &Resolved) -> Result<(), TransportError> {
        let judge = &self.judge;
        let _one_at_a_time = judge.asking.lock().await;
        let Some(offered) = host_key::offered(machine, &self.scratch, None).await else {
            return Err(TransportError::HostKeyUnknown {
                host: name.to_owned(),
                fingerprint: "it could not be asked for its key".to_owned(),
            });
        };
        if let Some(known) = host_key::known(name, &resolved.known_hosts).await {
            // Accepted a moment ago for another node behind the same jump host.
            if known.contains(&offered.fingerprint) {
                return Ok(());
            }
            // Keys of another type are known: a stranger could choose a type that is not.
            return Err(TransportError::HostKeyChanged {
                host: name.to_owned(),
                offered: described(&offered),
                expected: known,
            });
        }
        let refused = TransportError::HostKeyUnknown { host: name.to_owned(), fingerprint: described(&offered) };
        let file = resolved.known_hosts.first().cloned();
        let (Some(file), false) = (file, matches!(judge.policy, HostKeyPolicy::Strict)) else {
            return Err(refused);
        };
        let key = UnknownHostKey {
            node: self.node.clone(),
            host: name.to_owned(),
            kind: offered.kind.clone(),
            fingerprint: offered.fingerprint.clone(),
            file: file.clone(),
        };
        let accepted = match &judge.policy {
            HostKeyPolicy::Strict => false,
            HostKeyPolicy::AcceptNew => {
                // Nobody listening is no reason to stop.
                let _ = judge.events.send(Event::Warning {
                    node: Some(self.node.clone()),
                    message: format!(
                        "accepted the new host key of {name}: {} (added to {})",
                        described(&offered),
                        file.display()
                    ),
                });
                true
            }
            HostKeyPolicy::Ask(ask) => {
                let ask = ask.clone();
                tokio::task::spawn_blocking(move || ask(&key)).await.unwrap_or(false)
            }
        };
        if !accepted {
            return Err(refused);
        }
        host_key::append(&file, &offered.line)
    }
}

fn described(offered: &Offered) -> String {
    format!("{} {}", offered.kind, offered.fingerprint)
}
