//! Making a connection: the attempts, and what is done about a host key that ssh refused.

use std::time::Duration;

use tokio::time::Instant;

use crate::engine::event::Event;

use super::classify::{self, Failure};
use super::host_key::{self, HostKeyPolicy, UnknownHostKey};
use super::look::Look;
use super::openssh::Shared;
use super::session::{self, Ground, Link, Refusal};
use super::target::Target;
use super::transport::TransportError;

/// Attempts after a connection was cut off before the login.
const CUT_OFF_TRIES: u32 = 3;

/// Connects, and tells how long the successful attempt took. `made` counts the sockets.
pub(super) async fn connect(
    shared: &Shared,
    target: &Target,
    made: &mut u32,
) -> Result<(Link, Duration), TransportError> {
    let ground = shared.ground().await?;
    let mut kinds = None;
    let mut cut_off = 0;
    let mut met = Vec::new();
    loop {
        let name = format!("{}-{made}", target.index);
        *made += 1;
        let turn = match &target.jump {
            Some(_) => shared.through_jump.acquire().await.ok(),
            None => None,
        };
        let began = Instant::now();
        let refusal = match Link::open(&ground, target, &name, kinds).await {
            Ok(link) => return Ok((link, began.elapsed())),
            Err(refusal) => refusal,
        };
        drop(turn);
        match refusal {
            Refusal::Error(error) => return Err(error),
            Refusal::CutOff(error) if cut_off == CUT_OFF_TRIES => return Err(error),
            Refusal::CutOff(_) => {
                cut_off += 1;
                // Not all nodes at the same moment again.
                let spread = u64::try_from(target.index % 10).unwrap_or(0) * 40;
                tokio::time::sleep(Duration::from_millis(spread + 250) * cut_off).await;
            }
            Refusal::Key(failure) => {
                let first = kinds.is_none();
                kinds = settle(shared, &ground, target, failure, &mut met, first).await?.or(kinds);
            }
            Refusal::JumpKey(look) => settle_jump(shared, &ground, target, look, &mut met).await?,
        }
    }
}

/// Finds out which key was refused and whether it may be accepted; then the connection is worth another attempt,
/// asking for certain kinds of keys if so answered. `met` holds the keys it was attempted with before.
async fn settle(
    shared: &Shared,
    ground: &Ground,
    target: &Target,
    failure: Failure,
    met: &mut Vec<String>,
    first: bool,
) -> Result<Option<&'static str>, TransportError> {
    if let Failure::ChangedKey { offered, place } = failure {
        return Err(host_key::changed(target, offered, place).await);
    }
    if first
        && target.pin.is_some()
        && let Some(kinds) = session::kinds_of_pin(ground, target).await
    {
        return Ok(Some(kinds));
    }
    let look = session::look(ground, target, &[]).await?;
    match look.line {
        Some(line) => meet(shared, ground, target, line, met).await?,
        None => settle_jump(shared, ground, target, look, met).await?,
    }
    Ok(None)
}

/// The same for the jump host that a look at the node did not get past.
async fn settle_jump(
    shared: &Shared,
    ground: &Ground,
    target: &Target,
    look: Look,
    met: &mut Vec<String>,
) -> Result<(), TransportError> {
    match (classify::failure(&look.log, target), look.hop) {
        (Failure::Other(error), _) => Err(error),
        (Failure::ChangedKey { offered, place }, Some((hop, _))) => Err(host_key::changed(&hop, offered, place).await),
        (Failure::UnknownKey, Some((hop, line))) => meet(shared, ground, &hop, line, met).await,
        _ => Err(classify::jump_key(&look.log, target)),
    }
}

/// Accepts the key of a machine if the policy, or the user, says so.
async fn meet(
    shared: &Shared,
    ground: &Ground,
    machine: &Target,
    line: String,
    met: &mut Vec<String>,
) -> Result<(), TransportError> {
    let mut declined = shared.declined.lock().await;
    let known_hosts = shared.inventory.ssh.known_hosts.as_deref();
    let files = host_key::known_hosts_files(machine, &ground.config, known_hosts).await?;
    let again = met.contains(&line);
    if !again && machine.pin.is_none() && host_key::is_known(&line, &files).await {
        // Accepted a moment ago, for another node behind the same jump host.
        met.push(line);
        return Ok(());
    }
    let key = host_key::refused(machine, &line, &files).await?;
    match files.first() {
        Some(file) if !again && wanted(shared, &key, &mut declined).await => {
            host_key::accept(&key, file)?;
            tell_unseen(shared, &key);
        }
        _ => return Err(TransportError::HostKeyUnknown { host: key.host, fingerprint: key.fingerprint }),
    }
    met.push(line);
    Ok(())
}

/// A key that nobody looked at is told, so that it can be compared afterwards.
fn tell_unseen(shared: &Shared, key: &UnknownHostKey) {
    if matches!(shared.options.host_keys, HostKeyPolicy::AcceptNew) {
        let UnknownHostKey { node, host, fingerprint, .. } = key;
        let message = format!("the host key of {node} ({host}) was accepted unseen: {fingerprint}");
        shared.emit(Event::Warning { node: None, message });
    }
}

/// Whether the policy, or the user, accepts the key. Nobody is asked twice.
async fn wanted(shared: &Shared, key: &UnknownHostKey, declined: &mut Vec<String>) -> bool {
    match &shared.options.host_keys {
        HostKeyPolicy::Strict => false,
        HostKeyPolicy::AcceptNew => true,
        HostKeyPolicy::Ask(_) if declined.contains(&key.line) => false,
        HostKeyPolicy::Ask(ask) => {
            let (ask, asked) = (ask.clone(), key.clone());
            let yes = tokio::task::spawn_blocking(move || ask(&asked)).await.unwrap_or(false);
            if !yes {
                declined.push(key.line.clone());
            }
            yes
        }
    }
}
