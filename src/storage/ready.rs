//! Waiting for a volume: until it is made, until all its replicas are there, until its last owner is forgotten.

use std::time::Duration;

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use tokio::time::{Instant, sleep};

use super::canaries::Canaries;
use super::chain::{self, Chain, jiva_volume};
use super::gather;
use super::jiva::JivaVolume;
use super::means::{Means, Trouble};
use super::objects;
use super::pod;
use super::proof::Keeper;
use super::seen::Seen;

/// How often what is waited for is looked at.
pub(super) const LOOK: Duration = Duration::from_millis(500);
/// How long a volume may take to be made: images of the engine are pulled on slow lines.
const PROVISION: Duration = Duration::from_secs(480);
/// How long a fresh volume, or one that lost a replica, may take to have all replicas.
pub(super) const HEALTHY: Duration = Duration::from_secs(480);
/// After this a writable volume whose connected replicas change no more is taken as it is.
const STALLED: Duration = Duration::from_secs(45);
/// How long the last owner of a volume may take to be forgotten, before another one is tried.
const FORGET: Duration = Duration::from_secs(20);

/// Waits until the claim has its volume, and the volume all that can be had. False when it gets none, or one that
/// cannot be written.
pub async fn provisioned(means: &Means, canaries: &Canaries<'_>, seen: &mut Seen) -> Result<bool, Trouble> {
    means.say(format!("{}: waiting for a volume", seen.class));
    let began = Instant::now();
    while chain::bound(means, &canaries.claim).await?.is_none() {
        if began.elapsed() > PROVISION {
            seen.claim_events = Some(claim_events(means, &canaries.claim).await?);
            return Ok(false);
        }
        sleep(LOOK).await;
    }
    let Some(chain) = followed(means, canaries, began).await? else {
        seen.claim_events = Some(claim_events(means, &canaries.claim).await?);
        return Ok(false);
    };
    chain::let_go(means, &chain).await?;
    seen.volume.clone_from(&chain.jiva);
    let jiva = chain.jiva.clone();
    seen.chain = Some(chain);
    let Some(volume) = jiva else { return Ok(true) };
    seen.volume = healthy(means, &volume.name, seen.replicas).await?;
    // The replicas' claims are made one after another.
    seen.chain = chain::follow(means, &canaries.claim).await?.or(seen.chain.take());
    let writable = seen.volume.as_ref().is_some_and(|volume| volume.status == "RW");
    if writable {
        gather::before(means, seen).await;
    }
    Ok(writable)
}

pub async fn claim_events(means: &Means, claim: &str) -> Result<Vec<String>, Trouble> {
    let object: Option<PersistentVolumeClaim> = means.get(&objects::claims(claim)).await?;
    let Some(uid) = object.and_then(|object| object.metadata.uid) else { return Ok(vec![]) };
    pod::events(means, objects::NAMESPACE, &uid).await
}

/// The chain once it is complete: the volume behind a share, and Jiva's own object, come a little later.
async fn followed(means: &Means, canaries: &Canaries<'_>, began: Instant) -> Result<Option<Chain>, Trouble> {
    loop {
        let chain = chain::follow(means, &canaries.claim).await?;
        let complete = chain.as_ref().is_some_and(|chain| {
            let behind = chain.share.as_ref().is_none_or(|share| share.pv.is_some());
            behind && (chain.keeper != Keeper::Jiva || chain.jiva.is_some())
        });
        if complete || began.elapsed() > PROVISION {
            return Ok(chain);
        }
        sleep(LOOK).await;
    }
}

/// Waits until all replicas can be read and written, or nothing moves any more.
pub async fn healthy(means: &Means, volume: &str, replicas: u32) -> Result<Option<JivaVolume>, Trouble> {
    let began = Instant::now();
    let mut last: Option<(JivaVolume, Instant)> = None;
    loop {
        let Some(now) = jiva_volume(means, volume).await? else { return Ok(None) };
        if now.whole(replicas) {
            return Ok(Some(now));
        }
        if last.as_ref().is_none_or(|(before, _)| *before != now) {
            means.say(format!("{volume}: {}", now.text()));
            last = Some((now.clone(), Instant::now()));
        }
        let stalled = last.as_ref().is_some_and(|(_, at)| at.elapsed() > STALLED);
        // A replica that is not connected may still be pulling its image.
        let connected = u32::try_from(now.modes.len()).unwrap_or(u32::MAX) >= replicas;
        let lost = now.status == "RO" && now.owner.is_some();
        if began.elapsed() > HEALTHY || (stalled && (connected || lost)) {
            return Ok(Some(now));
        }
        sleep(LOOK).await;
    }
}

/// Waits a little until no node is written down as the one that has the volume mounted: it is unmounted there only after
/// the pod is gone.
pub async fn forgotten(means: &Means, volume: &str) -> Result<(), Trouble> {
    let began = Instant::now();
    while began.elapsed() < FORGET {
        if jiva_volume(means, volume).await?.is_none_or(|volume| volume.owner.is_none()) {
            break;
        }
        sleep(LOOK).await;
    }
    Ok(())
}
