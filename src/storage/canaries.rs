//! The proof's Jobs of one class: each is made, followed, and given up when it gets nowhere.

use std::time::Duration;

use tokio::time::Instant;

use super::canary::Canary;
use super::diagnose;
use super::means::{Means, ProofNode, Trouble};
use super::objects::{self, Work, Worker};
use super::pod::{self, PodLook};
use super::proof::Access;

/// How long a pod may take until it has written or read.
const POD: Duration = Duration::from_secs(600);
/// How long a pod may take to go.
pub const GONE: Duration = Duration::from_secs(180);

/// The pods of one class's proof.
pub struct Canaries<'a> {
    /// What they write.
    pub canary: &'a Canary,
    /// The claim's name.
    pub claim: String,
    image: &'a str,
    user: u32,
}

impl<'a> Canaries<'a> {
    /// Pods that run this image as this user, on a claim named after the canary.
    pub fn new(canary: &'a Canary, access: Access, image: &'a str, user: u32) -> Self {
        let suffix = canary.mark[canary.mark.len().saturating_sub(8)..].to_lowercase();
        Self { canary, claim: format!("{}-{suffix}", access.short()), image, user }
    }

    /// The name of the Job that does this.
    pub fn name(&self, what: &str) -> String {
        format!("{what}-{}", self.claim)
    }

    /// Writes on a node; the pod then holds the volume.
    pub async fn write(&self, means: &Means, node: &ProofNode) -> Result<PodLook, Trouble> {
        self.work(means, "write", node, Work::Write(self.canary)).await
    }

    /// Reads on a node; the pod then holds the volume.
    pub async fn read(&self, means: &Means, what: &str, node: &ProofNode) -> Result<PodLook, Trouble> {
        self.work(means, what, node, Work::Read).await
    }

    async fn work(&self, means: &Means, what: &str, node: &ProofNode, work: Work<'_>) -> Result<PodLook, Trouble> {
        let name = self.name(what);
        let worker = Worker { name, claim: &self.claim, host: &node.host, image: self.image, user: self.user };
        pod::make(means, &objects::jobs(&worker.name), &objects::job(&worker, work)).await?;
        let mut patience = Patience::default();
        let mut look = pod::follow(means, &worker.name, POD, |look| patience.over(look)).await?;
        // A pod that found no node was meant for this one.
        look.node.get_or_insert_with(|| node.name.clone());
        Ok(look)
    }
}

/// How long what keeps a pod from running is put up with.
#[derive(Default)]
struct Patience {
    since: Option<(&'static str, Instant)>,
}

impl Patience {
    fn over(&mut self, look: &PodLook) -> bool {
        let Some((what, limit)) = obstacle(look) else {
            self.since = None;
            return false;
        };
        match self.since {
            Some((known, at)) if known == what => at.elapsed() > limit,
            _ => {
                self.since = Some((what, Instant::now()));
                limit.is_zero()
            }
        }
    }
}

/// What keeps a pod from running, and how long it may be before it is not expected to pass.
fn obstacle(look: &PodLook) -> Option<(&'static str, Duration)> {
    let said = |test: fn(&str) -> bool| look.events.iter().any(|event| test(event));
    let waits = look.waits.as_deref().unwrap_or_default();
    match () {
        () if look.phase == "Running" || look.ended() => None,
        () if said(diagnose::no_nfs_client) => Some(("nfs", Duration::from_secs(10))),
        () if said(diagnose::owned_elsewhere) => Some(("owner", Duration::from_secs(40))),
        () if waits.starts_with("ErrImage") || waits.starts_with("ImagePull") => {
            Some(("image", Duration::from_secs(90)))
        }
        () if waits == "InvalidImageName" => Some(("image name", Duration::ZERO)),
        () if waits == "Unschedulable" => Some(("scheduling", Duration::from_secs(120))),
        () => None,
    }
}
