//! Making a connection: the attempts, and what is done about a host key that ssh refused.

use std::time::Duration;

use tokio::time::Instant;

use super::classify::{self, Failure};
use super::host_key::{self, HostKeyPolicy, UnknownHostKey};
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
    let mut settled = false;
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
                let next = settle(shared, &ground, target, failure, settled).await?;
                settled = true;
                kinds = next.or(kinds);
            }
        }
    }
}

/// Finds out which key was refused and whether it may be accepted; then the connection is worth another attempt,
/// asking for certain kinds of keys if so answered.
async fn settle(
    shared: &Shared,
    ground: &Ground,
    target: &Target,
    failure: Failure,
    settled: bool,
) -> Result<Option<&'static str>, TransportError> {
    if let Failure::ChangedKey { offered, place } = failure {
        return Err(host_key::changed(target, offered, place).await);
    }
    if !settled
        && target.pin.is_some()
        && let Some(kinds) = session::kinds_of_pin(ground, target).await
    {
        return Ok(Some(kinds));
    }
    let look = session::look(ground, target, &[]).await?;
    let Some(line) = look.line else {
        return Err(match classify::failure(&look.log, target) {
            Failure::Other(error) => error,
            _ => classify::jump_key(&look.log, target),
        });
    };
    let known_hosts = shared.inventory.ssh.known_hosts.as_deref();
    let files = host_key::known_hosts_files(target, &ground.config, known_hosts).await?;
    let key = host_key::refused(target, &line, &files).await?;
    let file = files.first();
    match file {
        Some(file) if !settled && wanted(shared, &key).await => host_key::accept(&key, file)?,
        _ => {
            return Err(TransportError::HostKeyUnknown { host: key.host, fingerprint: key.fingerprint });
        }
    }
    Ok(None)
}

/// Whether the policy, or the user, accepts the key.
async fn wanted(shared: &Shared, key: &UnknownHostKey) -> bool {
    let _one_at_a_time = shared.questions.lock().await;
    match &shared.options.host_keys {
        HostKeyPolicy::Strict => false,
        HostKeyPolicy::AcceptNew => true,
        HostKeyPolicy::Ask(ask) => {
            let (ask, key) = (ask.clone(), key.clone());
            tokio::task::spawn_blocking(move || ask(&key)).await.unwrap_or(false)
        }
    }
}
