//! A canary for a drill: bytes written on the node that is taken away, read back on another one while it is.
//!
//! It lives in the proof's namespace, so that whatever ends too early leaves what the next proof, or the next drill, removes.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::canaries::Canaries;
use super::canary::{BLOCK, Canary};
use super::chain::{self, jiva_volume};
use super::class;
use super::clean;
use super::means::{Means, Trouble};
use super::objects;
use super::pod;
use super::wanted::{Wanted, WantedClass};

/// How many blocks are written: it is about finding them again, not about how many there are.
const BLOCKS: u64 = 16;
/// The room claimed.
const ROOM: u64 = 1 << 30;
/// How long the volume may take to have all its replicas.
const WHOLE: Duration = Duration::from_secs(300);

/// Bytes that were written.
pub struct Rehearsal {
    canary: Canary,
    hash: String,
    class: WantedClass,
    image: String,
    user: u32,
}

impl Rehearsal {
    /// Writes on a node, through the inventory's class for one node at a time; why there is none, when there is none.
    pub async fn begin(means: &Means, wanted: &Wanted, node: &str) -> Result<Result<Self, String>, Trouble> {
        let Some(want) = wanted.classes.first().cloned() else {
            return Ok(Err("the inventory has no class of volumes".to_owned()));
        };
        let left = clean::clean(means).await?;
        if !left.is_empty() {
            return Ok(Err(format!("what an earlier proof left does not go: {}", left.join(", "))));
        }
        let Some(found) = class::read(means, &want.name).await? else {
            return Ok(Err(format!("there is no class {}", want.name)));
        };
        let Some(on) = means.nodes.iter().find(|other| other.name == node && other.usable).cloned() else {
            return Ok(Err(format!("{node} takes no pods")));
        };
        let canary = Canary::new(ulid::Ulid::generate().to_string(), BLOCKS * BLOCK);
        let rehearsal = Self {
            hash: canary.hash(),
            canary,
            class: want.clone(),
            image: wanted.image.clone(),
            user: class::owner(&found),
        };
        pod::make(means, &format!("/api/v1/namespaces/{}", objects::NAMESPACE), &objects::namespace()).await?;
        let canaries = rehearsal.canaries();
        let claim = objects::claim(&canaries.claim, &want.name, want.access, ROOM);
        pod::make(means, &objects::claims(&canaries.claim), &claim).await?;
        let wrote = canaries.write(means, &on).await?;
        if wrote.hash() != Some(&rehearsal.hash) {
            let said = wrote.events.last().cloned().or(wrote.waits).unwrap_or_else(|| "it said nothing".to_owned());
            return Ok(Err(format!("nothing could be written through {}: {said}", want.name)));
        }
        let Some(chain) = chain::follow(means, &canaries.claim).await? else {
            return Ok(Err("its claim has no volume".to_owned()));
        };
        chain::let_go(means, &chain).await?;
        if chain.jiva.is_some() && !whole(means, &chain.pv, wanted.replicas).await? {
            return Ok(Err("its volume did not get all its replicas".to_owned()));
        }
        Ok(Ok(rehearsal))
    }

    fn canaries(&self) -> Canaries<'_> {
        Canaries::new(&self.canary, self.class.access, &self.image, self.user)
    }

    /// Reads on another node; what was seen there instead, when it is not the same.
    pub async fn read(&self, means: &Means, not_on: &str) -> Result<Result<String, String>, Trouble> {
        let Some(node) = means.nodes.iter().find(|node| node.usable && node.name != not_on) else {
            return Ok(Err("no other node takes pods".to_owned()));
        };
        let look = self.canaries().read(means, "drill", node).await?;
        let on = node.name.clone();
        Ok(match look.hash() {
            Some(hash) if hash == self.hash => Ok(on),
            Some(_) => Err(format!("{on} read something else")),
            None => {
                let said = look.events.last().cloned().or(look.waits).unwrap_or_else(|| look.phase.clone());
                Err(format!("{on} could not read it: {said}"))
            }
        })
    }
}

/// Removes what a drill, or a proof, has made; gives back what would not go.
pub async fn end(means: &Means) -> Result<Vec<String>, Trouble> {
    clean::clean(means).await
}

async fn whole(means: &Means, pv: &str, replicas: u32) -> Result<bool, Trouble> {
    let began = Instant::now();
    loop {
        if jiva_volume(means, pv).await?.is_some_and(|volume| volume.whole(replicas)) {
            return Ok(true);
        }
        if began.elapsed() > WHOLE {
            return Ok(false);
        }
        sleep(Duration::from_secs(1)).await;
    }
}
