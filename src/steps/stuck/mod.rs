//! What does not let go by itself: found with evidence, mended only on proof, one at a time, and observed to be gone.
//!
//! A finding is a pure function of facts. It carries its proof, or what would prove it: that nothing on the old node uses a
//! volume any more, or that the old node is off; that what is taken away is not needed by those that stay. Without proof it is
//! shown, and nothing is done. Before each mending the user is asked, and after the answer everything is looked at again.

mod ghosts;
mod leftovers;
mod orphans;
mod owners;
mod proof;
mod read_only;
mod replicas;
mod terminating;
#[cfg(test)]
mod tests;

use std::net::Ipv4Addr;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use tokio::time::{Instant, sleep};

pub use proof::Proof;

use crate::facts::mending::Told;
use crate::facts::{Facts, Mending, gather};
use crate::inventory::model::Inventory;
use crate::plan::{Place, Verdict};
use crate::playbook::model::Recipe;
use crate::steps::{Context, Failure, RustStep};

/// The pause between two looks at what was mended.
const LOOK: Duration = Duration::from_secs(5);

/// What can be stuck, each a step of the repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A marker of something that was cut off keeps others from working.
    Leftover,
    /// A pod is to end on a node that does not end it.
    PodTerminating,
    /// A container runs whose pod is gone, and holds a volume.
    OrphanedContainer,
    /// A volume names a node as its owner that does not use it.
    StaleOwner,
    /// A volume can be written, and its file system is read-only still.
    ReadOnlyMount,
    /// A replica does not become whole.
    ReplicaBehind,
    /// The cluster lists a member that is none of the inventory's.
    GhostMember,
}

/// Something that is stuck.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its kind.
    pub kind: Kind,
    /// What it is about: unique among those of its kind.
    pub subject: String,
    /// What was seen, and where.
    pub seen: String,
    /// Why it stays so.
    pub why: &'static str,
    /// What homeprov does about it.
    pub way_out: String,
    /// That this is safe, or what would prove it.
    #[serde(flatten)]
    pub proof: Proof,
    /// What to act upon.
    #[serde(skip)]
    act: Act,
}

/// What is done about a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Act {
    /// The markers of a join that is over are put right.
    SettleJoin { node: String, member: bool },
    /// A node that an earlier repair cordoned takes pods again.
    Uncordon { node: String },
    /// The pod's object is taken away; its uid must be this.
    Forget { namespace: String, pod: String, uid: String },
    /// The processes of a pod that is gone are ended.
    EndProcesses { node: String, uid: String },
    /// The volume's owner is set to what it is; empty for nobody.
    SetOwner { volume: String, namespace: String, from: String, to: Option<String> },
    /// The pods that use a volume are made anew, once the node has let go of it.
    Remount { node: String, volume: String, pods: Vec<(String, String)> },
    /// The replica is made anew: its claim and its pod are taken away.
    Replace { volume: String, namespace: String, claim: String, pod: String, limit: Duration },
    /// The member's entries are removed.
    RemoveMember { on: String, entry: Option<Ipv4Addr>, object: Option<String> },
    /// There is nothing homeprov could do.
    Nothing,
}

impl Finding {
    /// Its name in a run.
    pub fn id(&self) -> String {
        let kind = serde_json::to_value(self.kind).unwrap_or_default();
        format!("{} {}", kind.as_str().unwrap_or_default(), self.subject)
    }

    /// What was seen, why it stays so, and what can be done, for a question or a refusal.
    pub fn said(&self) -> String {
        match &self.proof {
            Proof::Given { because } => {
                format!("{}: {}. Safe, since {because}. {}", self.seen, self.why, self.way_out)
            }
            Proof::Missing { because, would_prove } => {
                format!("{}: {}. Not mended: {because}. {would_prove}", self.seen, self.why)
            }
        }
    }
}

/// The kinds in the order in which they are mended: what holds others up first.
pub const KINDS: [Kind; 7] = [
    Kind::Leftover,
    Kind::PodTerminating,
    Kind::OrphanedContainer,
    Kind::StaleOwner,
    Kind::ReadOnlyMount,
    Kind::ReplicaBehind,
    Kind::GhostMember,
];

/// Everything that is stuck.
pub fn findings(inventory: &Inventory, facts: &Facts) -> Vec<Finding> {
    KINDS.iter().flat_map(|kind| kind.findings(inventory, facts)).collect()
}

/// The node behind a name, for a sentence: an inventory's node or one that is none.
fn named(node: Option<&str>) -> &str {
    node.unwrap_or("no node")
}

impl Kind {
    /// What of this kind is stuck.
    fn findings(self, inventory: &Inventory, facts: &Facts) -> Vec<Finding> {
        match self {
            Self::Leftover => leftovers::find(inventory, facts),
            Self::PodTerminating => terminating::find(inventory, facts),
            Self::OrphanedContainer => orphans::find(inventory, facts),
            Self::StaleOwner => owners::find(inventory, facts),
            Self::ReadOnlyMount => read_only::find(inventory, facts),
            Self::ReplicaBehind => replicas::find(inventory, facts),
            Self::GhostMember => ghosts::find(inventory, facts),
        }
    }

    /// How long it may take until a mending shows.
    fn limit(self, finding: &Finding) -> Duration {
        match (&finding.act, self) {
            (Act::Replace { limit, .. }, _) => *limit,
            (_, Self::Leftover) => Duration::from_secs(60),
            (_, Self::ReadOnlyMount) => Duration::from_secs(600),
            _ => Duration::from_secs(180),
        }
    }
}

/// The first one that can be mended: it has its proof, and nothing has come of it in this run yet.
fn open<'a>(mending: &Mending, found: &'a [Finding]) -> Option<&'a Finding> {
    let proven = |finding: &&Finding| matches!(finding.proof, Proof::Given { .. });
    found.iter().filter(proven).find(|finding| mending.can_agree && mending.told(&finding.id()).is_none())
}

#[async_trait]
impl RustStep for Kind {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        let Some(mending) = &facts.mending else { return Verdict::Holds };
        if facts.stuck.is_none() {
            let problem = facts.cluster_problem.clone();
            let why = problem.unwrap_or_else(|| "no control plane of this cluster answers".to_owned());
            return Verdict::Waits { nodes: Vec::new(), why };
        }
        let found = self.findings(inventory, facts);
        match open(mending, &found) {
            Some(finding) => Verdict::differs(finding.said()),
            None if found.is_empty() => Verdict::Holds,
            // What stays as it is keeps nothing else from being mended.
            None => Verdict::Waits {
                nodes: Vec::new(),
                why: found.iter().map(Finding::said).collect::<Vec<_>>().join("\n"),
            },
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let Some(mending) = context.facts.mending.clone() else { return Ok(()) };
        let found = self.findings(&context.inventory, &context.facts);
        let Some(finding) = open(&mending, &found) else { return Ok(()) };
        let id = finding.id();
        if !agreed(context, finding).await {
            mending.tell(&id, Told::Declined);
            return Ok(());
        }
        // The answer may have taken an hour.
        let Some(finding) = again(context, *self, &id).await? else { return Ok(()) };
        if let Proof::Missing { .. } = finding.proof {
            context.say(format!("left as it is, for it has changed: {}", finding.said()));
            return Ok(());
        }
        context.say(&finding.way_out);
        let mended = match act(context, &finding).await {
            Ok(()) => gone(context, *self, &finding).await?,
            Err(Failure::Refused { reason } | Failure::NotVerified { reason }) => Err(reason),
            Err(failure) => return Err(failure),
        };
        match mended {
            Ok(()) => mending.tell(&id, Told::Mended),
            Err(reason) => mending.tell(&id, Told::Vain { reason }),
        }
        Ok(())
    }

    /// A node that was cordoned for a moment takes pods again.
    async fn abandoned(&self, context: &Context) {
        if *self == Self::ReadOnlyMount {
            read_only::let_go(context).await;
        }
    }
}

async fn agreed(context: &Context, finding: &Finding) -> bool {
    let Some(ask) = context.ask.clone() else { return false };
    let question = format!("{}\nDo it?", finding.said());
    tokio::task::spawn_blocking(move || ask(&question)).await.unwrap_or(false)
}

/// Everything as it is now.
async fn look(context: &Context) -> Result<Facts, Failure> {
    let inventory = &context.inventory;
    let mut facts = Facts::clone(&context.facts);
    let names: Vec<String> = inventory.nodes.iter().map(|node| node.name.clone()).collect();
    gather::nodes(&*context.transport, inventory, &Recipe::default(), &names, &mut facts).await;
    Box::pin(gather::cluster(&*context.transport, inventory, &mut facts)).await;
    Ok(facts)
}

/// The finding as it is now; none when it is gone.
async fn again(context: &Context, kind: Kind, id: &str) -> Result<Option<Finding>, Failure> {
    let facts = look(context).await?;
    if facts.stuck.is_none() {
        let problem = facts.cluster_problem.unwrap_or_else(|| "no control plane of this cluster answers".to_owned());
        return Err(Failure::Busy { reason: format!("what is stuck cannot be looked at: {problem}") });
    }
    Ok(kind.findings(&context.inventory, &facts).into_iter().find(|finding| finding.id() == id))
}

async fn act(context: &Context, finding: &Finding) -> Result<(), Failure> {
    match &finding.act {
        Act::SettleJoin { node, member } => leftovers::settle(context, node, *member).await,
        Act::Uncordon { node } => read_only::uncordon(context, node).await,
        Act::Forget { namespace, pod, uid } => terminating::forget(context, namespace, pod, uid).await,
        Act::EndProcesses { node, uid } => orphans::end(context, node, uid).await,
        Act::SetOwner { volume, namespace, from, to } => {
            owners::set(context, finding, (namespace, volume), from, to.as_deref()).await
        }
        Act::Remount { node, volume, pods } => read_only::remount(context, node, volume, pods).await,
        Act::Replace { volume, namespace, claim, pod, .. } => {
            replicas::replace(context, (namespace, volume), claim, pod).await
        }
        Act::RemoveMember { on, entry, object } => ghosts::remove(context, on, *entry, object.as_deref()).await,
        Act::Nothing => Ok(()),
    }
}

/// Waits until the finding is observed to be gone, and what it was about is well; or says what is seen instead.
async fn gone(context: &Context, kind: Kind, finding: &Finding) -> Result<Result<(), String>, Failure> {
    let began = Instant::now();
    let limit = kind.limit(finding);
    loop {
        let facts = look(context).await?;
        let left = match &facts.stuck {
            None => Some("the API does not answer".to_owned()),
            Some(_) => still(context, &facts, kind, finding),
        };
        let Some(left) = left else { return Ok(Ok(())) };
        if began.elapsed() > limit {
            return Ok(Err(format!("still so {} s afterwards: {left}", began.elapsed().as_secs())));
        }
        sleep(LOOK).await;
        if let Act::Replace { volume, namespace, claim, pod, .. } = &finding.act {
            replicas::nudge(context, &facts, (namespace, volume), claim, pod).await?;
        }
    }
}

/// What is seen of the finding still.
fn still(context: &Context, facts: &Facts, kind: Kind, finding: &Finding) -> Option<String> {
    let id = finding.id();
    let found = kind.findings(&context.inventory, facts);
    if let Some(same) = found.iter().find(|other| other.id() == id) {
        return Some(same.seen.clone());
    }
    match &finding.act {
        Act::Replace { volume, .. } => replicas::short(facts, volume),
        Act::Remount { volume, .. } => read_only::not_used(facts, volume),
        _ => None,
    }
}
