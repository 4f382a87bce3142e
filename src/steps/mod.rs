//! The Rust steps, one file each: whatever looks at more than one node, waits for a quorum or parses structured
//! output. A playbook names them with `builtin = "…"`.

mod cause;
mod cluster_identity;
pub mod context;
pub mod departure;
pub mod drill;
mod failure_domain;
pub mod flux;
mod guard;
pub mod highly_available;
mod identity_recorded;
pub mod job;
mod join;
mod join_settled;
mod labels;
pub mod mastodon;
mod metallb_enabled;
mod microk8s_ready;
pub mod pool_exact;
pub mod pool_heard;
pub mod pool_probed;
pub mod pool_quiet;
mod preflight;
mod refreshes_held;
pub mod repair;
pub mod reset_allowed;
pub mod restore;
mod snap_installed;
mod speakers;
pub mod storage;
pub mod storage_proven;
pub mod stuck;
pub mod takeover;
pub mod upgrade;
mod warnings;

use async_trait::async_trait;

pub use context::{Context, Failure};
pub use warnings::warnings;

use crate::facts::Facts;
use crate::inventory::model::Inventory;
use crate::plan::{Place, Verdict};

/// One desired state, in two halves.
#[async_trait]
pub trait RustStep: Sync {
    /// Whether it holds at a place. Pure: the facts are all it sees.
    fn check(&self, inventory: &Inventory, facts: &Facts, place: &Place) -> Verdict;

    /// Whether it is done on one node at a time, each observed to hold before the next one begins.
    fn serial(&self) -> bool {
        false
    }

    /// Whether it is begun on no other node of this run once it has failed for good on one: what went wrong there may go wrong on
    /// the next one, too, and the others are better left as they are. Otherwise nodes advance independently.
    fn halts(&self) -> bool {
        false
    }

    /// Whether it gives nodes that were waited for in vain another beginning.
    fn mends(&self) -> bool {
        false
    }

    /// Moves one step closer and returns; whether it holds then is for the next observation to say.
    async fn apply(&self, context: &Context) -> Result<(), Failure>;

    /// The run is ended while it is applied: what cannot stay as it is until the next run is put right, in seconds.
    async fn abandoned(&self, _context: &Context) {}
}

const BUILTINS: &[(&str, &dyn RustStep)] = &[
    ("machines-distinct", &preflight::MachinesDistinct),
    ("machine-fits", &preflight::MachineFits),
    ("clocks-agree", &preflight::ClocksAgree),
    ("versions-agree", &preflight::VersionsAgree),
    ("cluster-identity", &cluster_identity::ClusterIdentity),
    ("members-whole", &repair::MembersWhole),
    ("snap-installed", &snap_installed::SnapInstalled),
    ("refreshes-held", &refreshes_held::RefreshesHeld),
    ("failure-domain", &failure_domain::FailureDomain),
    ("microk8s-ready", &microk8s_ready::Microk8sReady),
    ("identity-recorded", &identity_recorded::IdentityRecorded),
    ("members-joined", &join::Joined),
    ("workers-joined", &join::Joined),
    ("join-settled", &join_settled::JoinSettled),
    ("identity-on-node", &identity_recorded::IdentityOnNode),
    ("highly-available", &highly_available::HighlyAvailable),
    ("labels", &labels::Labels),
    ("metallb-enabled", &metallb_enabled::MetallbEnabled),
    ("pool-exact", &pool_exact::PoolExact),
    ("speakers", &speakers::Speakers),
    ("pool-probed", &pool_probed::PoolProbed),
    ("disk-room", &storage::disk_room::DiskRoom),
    ("initiator-unique", &storage::initiator_unique::InitiatorUnique),
    ("hostpath-enabled", &storage::hostpath_enabled::HostpathEnabled),
    ("existing-classes", &storage::existing_classes::ExistingClasses),
    ("openebs-installed", &storage::openebs_installed::OpenebsInstalled),
    ("replication-factor", &storage::replication_factor::ReplicationFactor),
    ("retain-class", &storage::retain_class::RetainClass),
    ("nfs-provisioner", &storage::nfs_provisioner::NfsProvisioner),
    ("rwx-class", &storage::rwx_class::RwxClass),
    ("kubelet-directory", &storage::kubelet_directory::KubeletDirectory),
    ("storage-proven", &storage_proven::StorageProven),
    ("flux-kubernetes", &flux::FluxKubernetes),
    ("deploy-key", &flux::DeployKey),
    ("repository-pushed", &flux::RepositoryPushed),
    ("flux-installed", &flux::FluxInstalled),
    ("flux-secret", &flux::FluxSecret),
    ("flux-sync", &flux::FluxSync),
    ("flux-reconciled", &flux::FluxReconciled),
    ("mastodon-namespace", &mastodon::namespace::MastodonNamespace),
    ("mastodon-secrets", &mastodon::secrets::MastodonSecrets),
    ("mastodon-credentials", &mastodon::credentials::MastodonCredentials),
    ("outside-services", &mastodon::outside_services::OutsideServices),
    ("ingress-enabled", &mastodon::ingress_enabled::IngressEnabled),
    ("ingress-address", &mastodon::ingress_address::IngressAddress),
    ("mastodon-released", &mastodon::released::MastodonReleased),
    ("mastodon-running", &mastodon::running::MastodonRunning),
    ("mastodon-owner", &mastodon::owner::MastodonOwner),
    ("site-answers", &mastodon::site_answers::SiteAnswers),
    ("departure-allowed", &departure::allowed::DepartureAllowed),
    ("node-cordoned", &departure::cordoned::NodeCordoned),
    ("node-drained", &departure::drained::NodeDrained),
    ("replicas-moved", &departure::replicas::ReplicasMoved),
    ("node-left", &departure::left::NodeLeft),
    ("node-gone", &departure::gone::NodeGone),
    ("volumes-whole", &departure::replicas::VolumesWhole),
    ("upgrade-allowed", &upgrade::allowed::UpgradeAllowed),
    ("node-upgraded", &upgrade::node::NodeUpgraded),
    ("cluster-whole", &upgrade::node::ClusterWhole),
    ("reset-allowed", &reset_allowed::ResetAllowed),
    ("departed-forgets", &departure::forgets::DepartedForgets),
    ("restore-begun", &restore::Stage::Begun),
    ("restore-kustomization-suspended", &restore::Stage::KustomizationSuspended),
    ("restore-release-suspended", &restore::Stage::ReleaseSuspended),
    ("restore-cron-suspended", &restore::Stage::CronSuspended),
    ("restore-stopped", &restore::Stage::Stopped),
    ("restore-helper", &restore::Stage::Helper),
    ("restore-dump-copied", &restore::Stage::DumpCopied),
    ("restore-database", &restore::Stage::Database),
    ("restore-files", &restore::Stage::Files),
    ("restore-swapped", &restore::Stage::Swapped),
    ("restore-redis", &restore::Stage::Redis),
    ("restore-migrated", &restore::Stage::Migrated),
    ("restore-counted", &restore::Stage::Counted),
    ("restore-serving", &restore::Stage::Serving),
    ("restore-working", &restore::Stage::Working),
    ("restore-fetched", &restore::Stage::Fetched),
    ("restore-resumed", &restore::Stage::Resumed),
    ("restore-ended", &restore::Stage::Ended),
    ("rehearsal-room", &restore::Stage::Room),
    ("rehearsal-answering", &restore::Stage::Answering),
    ("rehearsal-cleared", &restore::Stage::Cleared),
    ("drill-ended", &drill::DrillEnded),
    ("nothing-left-over", &stuck::Kind::Leftover),
    ("pods-ended", &stuck::Kind::PodTerminating),
    ("containers-known", &stuck::Kind::OrphanedContainer),
    ("owners-true", &stuck::Kind::StaleOwner),
    ("mounts-writable", &stuck::Kind::ReadOnlyMount),
    ("replicas-whole", &stuck::Kind::ReplicaBehind),
    ("members-known", &stuck::Kind::GhostMember),
];

/// The Rust step of a name.
pub fn builtin(name: &str) -> Option<&'static dyn RustStep> {
    BUILTINS.iter().find(|(known, _)| *known == name).map(|(_, step)| *step)
}

/// The names of all Rust steps.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILTINS.iter().map(|(name, _)| *name)
}
