//! The steps of `homeprov restore`, on the same loop as all others.
//!
//! What the API shows is looked at each time: suspended, stopped, gone. What only a pod can tell was observed there when it
//! was done, and then written into the journal in the cluster ([`crate::facts::restore`]): a restore that is cut off anywhere
//! is continued by running it again, and each step can be done twice.

mod after;
mod begun;
mod copies;
mod data;
mod flux;
mod helper;
mod pods;
mod rehearsal;
mod room;
mod space;

use async_trait::async_trait;

use crate::facts::Facts;
use crate::facts::mastodon::MastodonFacts;
use crate::facts::restore::{Journal, Restore};
use crate::inventory::model::{Inventory, Mastodon};
use crate::kube::records;
use crate::plan::{Place, Verdict};
use crate::steps::{Context, Failure, RustStep};

/// A step of a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The backup fits, and the journal is begun.
    Begun,
    /// The Kustomization is suspended.
    KustomizationSuspended,
    /// The `HelmRelease` is suspended.
    ReleaseSuspended,
    /// The `CronJob` is suspended.
    CronSuspended,
    /// Deployments are scaled to zero and their pods gone.
    Stopped,
    /// A pod with the site's volumes is ready.
    Helper,
    /// The dump is in a file beside the database.
    DumpCopied,
    /// The dump is read into a database of its own.
    Database,
    /// The files are unpacked beside the old ones.
    Files,
    /// Old and new have changed places.
    Swapped,
    /// Redis is empty.
    Redis,
    /// The schema is that of the image.
    Migrated,
    /// The rows are those of the manifest.
    Counted,
    /// Web and streaming are ready.
    Serving,
    /// Sidekiq is ready.
    Working,
    /// `tootctl` has made anew what was not in the backup.
    Fetched,
    /// Flux goes on.
    Resumed,
    /// What the restore made is gone.
    Ended,
    /// A rehearsal has a namespace with databases of its own.
    Room,
    /// A web pod of the rehearsal is ready.
    Answering,
    /// The namespace of the rehearsal is gone.
    Cleared,
}

impl Stage {
    /// The word in the journal for what was observed once and is not looked at again.
    const fn word(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::KustomizationSuspended => "kustomization-suspended",
            Self::ReleaseSuspended => "release-suspended",
            Self::CronSuspended => "cron-suspended",
            Self::Stopped => "stopped",
            Self::Helper => "helper",
            Self::DumpCopied => "dump-copied",
            Self::Database => "database",
            Self::Files => "files",
            Self::Swapped => "swapped",
            Self::Redis => "redis",
            Self::Migrated => "migrated",
            Self::Counted => "counted",
            Self::Serving => "serving",
            Self::Working => "working",
            Self::Fetched => "fetched",
            Self::Resumed => "resumed",
            Self::Ended => "ended",
            Self::Room => "room",
            Self::Answering => "answering",
            Self::Cleared => "cleared",
        }
    }
}

/// What a step of a restore has before it.
struct Scene<'a> {
    restore: &'a Restore,
    wanted: &'a Mastodon,
    facts: &'a Facts,
    seen: &'a MastodonFacts,
    /// The journal of this restore; another one's does not count.
    journal: Option<Journal>,
}

impl<'a> Scene<'a> {
    fn of(inventory: &'a Inventory, facts: &'a Facts) -> Result<Self, Verdict> {
        let Some(restore) = facts.restore.as_deref() else {
            return Err(Verdict::blocked("no backup was named: `homeprov restore INVENTORY BACKUP` does"));
        };
        let Some(wanted) = &inventory.mastodon else {
            return Err(Verdict::blocked("the inventory has no [mastodon]: there is no site to put a backup back to"));
        };
        let seen = facts.cluster.as_ref().and_then(|cluster| cluster.mastodon.as_ref());
        let Some(seen) = seen else {
            let problem = facts.cluster_problem.clone();
            return Err(Verdict::settling(problem.unwrap_or_else(|| "the cluster does not answer".to_owned())));
        };
        let journal = facts.journal_of(restore.record()).filter(|journal| journal.id == restore.id);
        Ok(Self { restore, wanted, facts, seen, journal })
    }

    fn at_hand(context: &'a Context) -> Result<Self, Failure> {
        Self::of(&context.inventory, &context.facts).map_err(|verdict| Failure::failed(verdict.text()))
    }

    fn has(&self, stage: Stage) -> bool {
        self.journal.as_ref().is_some_and(|journal| journal.done.contains(stage.word()))
    }

    fn ended(&self) -> bool {
        self.journal.as_ref().is_some_and(|journal| journal.ended)
    }

    fn journal(&self) -> Result<Journal, Failure> {
        self.journal.clone().ok_or_else(|| Failure::failed("the restore's journal is not there"))
    }

    fn judge(&self, stage: Stage) -> Verdict {
        match stage {
            Stage::Begun => self.begun(),
            Stage::KustomizationSuspended if !self.has(Stage::Resumed) => self.kustomization_suspended(),
            Stage::ReleaseSuspended if !self.has(Stage::Resumed) => self.release_suspended(),
            Stage::CronSuspended if !self.has(Stage::Resumed) => self.cron_suspended(),
            Stage::Stopped if !self.has(Stage::Counted) => self.stopped(),
            Stage::Helper if !self.has(Stage::Counted) => self.helper(),
            Stage::Room if !self.has(Stage::Answering) => self.room(),
            Stage::KustomizationSuspended
            | Stage::ReleaseSuspended
            | Stage::CronSuspended
            | Stage::Stopped
            | Stage::Helper
            | Stage::Room => Verdict::Holds,
            done if self.has(done) => Verdict::Holds,
            Stage::Files if self.wanted.s3.is_some() => Verdict::Holds,
            _ => Verdict::differs("not done yet in this restore"),
        }
    }
}

/// Writes into the journal what was observed.
async fn note(context: &Context, stage: Stage) -> Result<(), Failure> {
    let scene = Scene::at_hand(context)?;
    let mut journal = scene.journal()?;
    journal.done.insert(stage.word().to_owned());
    write(context, &journal).await
}

async fn write(context: &Context, journal: &Journal) -> Result<(), Failure> {
    let name = Scene::at_hand(context)?.restore.record();
    Ok(records::write(&context.api().await?, name, &journal.record()).await?)
}

#[async_trait]
impl RustStep for Stage {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        let scene = match Scene::of(inventory, facts) {
            Ok(scene) => scene,
            Err(verdict) => return verdict,
        };
        match &scene.journal {
            Some(_) if scene.ended() => Verdict::Holds,
            None if *self != Self::Begun => {
                Verdict::unknown(if scene.restore.rehearsal { "rehearsal-begun" } else { "restore-begun" })
            }
            _ => scene.judge(*self),
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Begun => return begun::begin(context).await,
            Self::KustomizationSuspended => return flux::suspend_kustomization(context).await,
            Self::ReleaseSuspended => return flux::suspend_release(context).await,
            Self::CronSuspended => return flux::suspend_cron(context).await,
            Self::Stopped => return pods::stop(context).await,
            Self::Helper => return helper::make(context).await,
            Self::DumpCopied => data::copy_dump(context).await?,
            Self::Database => data::read_dump(context).await?,
            Self::Files => data::unpack(context).await?,
            Self::Swapped => data::swap(context).await?,
            Self::Redis => data::empty_redis(context).await?,
            Self::Migrated => after::migrate(context).await?,
            Self::Counted => data::count(context).await?,
            Self::Serving => pods::serve(context).await?,
            Self::Working => pods::work(context).await?,
            Self::Fetched => return after::fetch(context).await,
            Self::Resumed => flux::resume(context).await?,
            Self::Ended => return after::end(context).await,
            Self::Room => return room::make(context).await,
            Self::Answering => rehearsal::answer(context).await?,
            Self::Cleared => return rehearsal::end(context).await,
        }
        note(context, *self).await
    }
}
