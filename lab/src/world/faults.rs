//! What can go wrong, by name.

use super::Millis;

/// The kinds of fault, named on the command line in kebab-case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// The next join's member is added only after `join` gave up probing and claimed success.
    JoinFalseSuccess,
    /// The contacted agent consumes the token of the next join and then refuses it.
    JoinConsumedToken,
    /// A new dqlite member stays a spare for about two minutes.
    DqliteSlowVote,
    /// The restart of the first node's data store at the first join takes 45 s instead of 8.
    FirstJoinApiRestart,
    /// The `MetalLB` webhook refuses connections for two minutes; the enable hook retries all that time, holding the addon lock.
    MetallbEndlessLoop,
    /// Some pod named `speaker…` is in the cluster, so that the addon counts as enabled though nothing is installed.
    MetallbStickyEnabled,
    /// The first node is delivered anew, under its old name and address, while the others still hold the cluster. It takes
    /// effect when it is injected into a running world; in a configuration it does nothing.
    FirstNodeReinstalled,
    /// A machine already belongs to somebody's cluster.
    ForeignCluster,
    /// Addresses of the pool are assigned but no speaker announces them.
    PoolNotAnnounced,
    /// snapd works on another change of the snap for a minute.
    SnapBusy,
    /// The store cannot be reached for 90 s.
    SnapStoreDown,
    /// Another process holds the lock of the package archive for 45 s.
    AptLocked,
    /// Two machines share one machine-id.
    DuplicateMachineId,
    /// A machine's clock is five minutes ahead and nothing sets it right.
    ClockSkew,
    /// A machine has 512 MiB of memory.
    SmallMemory,
    /// The login shell prints a banner (the runtime's part).
    NoisyLoginShell,
    /// The host key changes between two connections (the runtime's part).
    HostKeyChanged,
    /// snapd 2.57.6, without `refresh --hold`.
    OldSnapd,
    /// A voter loses power once the cluster has three, and stays off.
    DeadVoter,
    /// A machine loses power 13 s into its `join` and is switched on again 20 s later.
    HalfJoined,
    /// The chart of `OpenEBS` does not take over the kubelet's directory: the CSI node pods keep `/var/lib/kubelet/`.
    KubeletDir,
    /// iscsid stays disabled and stopped, also after open-iscsi is installed, until somebody enables it.
    IscsidOff,
    /// A class `openebs-rwx` of the NFS provisioner's stock manifest is there, with one node's disk behind it.
    RwxOnHostpath,
    /// One replica of every new Jiva volume never gets beyond write-only, for as long as it is on the disk it began on.
    ReplicaWo,
    /// The first Jiva volume that has all its replicas loses one of them, once.
    ReplicaLost,
    /// Every new Jiva volume turns read-only as soon as it was first mounted. What is mounted then stays read-only until it is
    /// mounted again, also after the quorum is back: that is so once the fault is over, where it has an end.
    ReadOnlyVolume,
    /// A release `openebs` whose installation failed is in the way.
    HelmNameInUse,
    /// The repositories of charts cannot be reached, for good.
    ChartRepoDown,
    /// A machine has no nfs-common, and its package lists do not know it until they are updated.
    NfsClientMissing,
    /// A Jiva volume goes on naming the node that last mounted it, after the pod is gone.
    StaleMountOwner,
    /// The containers of the first pod that ends with a Jiva volume mounted go on running on their node, of which the cluster
    /// knows nothing: mount and session stay.
    OrphanedContainer,
    /// A machine that has a Jiva volume mounted loses power ten seconds later and stays off: the pods there are Terminating for
    /// ever once they are sent away.
    TerminatingStuck,
    /// A new Jiva volume takes 90 s longer.
    SlowVolume,
    /// All machines are clones with one iSCSI initiator name.
    ClonedInitiatorName,
    /// Somebody else pushes to the Git repository just before the first push, which is refused for it.
    GitPushRejected,
    /// The Git server cannot be reached for forty minutes from the start: whoever sets the machines up first meets it then.
    GitDown,
    /// kustomize-controller's dry-run of one object fails at its first attempts.
    FluxReconcileFails,
    /// helm-controller's first installation of a release fails.
    HelmInstallFailsOnce,
    /// The same, before the databases of the release are there.
    HelmInstallBreaksOff,
    /// After Flux has first fetched it, somebody edits the file with Mastodon's values in the repository by hand.
    HumanEdit,
    /// The image of Redis cannot be pulled for six minutes.
    ImagePull,
    /// `PostgreSQL` recovers for five minutes at each start; who kills it before that ruins the database.
    DbSlowStart,
    /// The Secret `mastodon-secrets` loses its key `OTP_SECRET` once, right after it was made.
    MissingSecretKey,
    /// The mail server refuses connections.
    SmtpClosed,
    /// `MetalLB` gives the ingress Service no address.
    NoIngressAddress,
    /// A machine's disk has 300 MiB left.
    DiskFull,
    /// dpkg was cut off and left something to complete.
    DpkgInterrupted,
    /// A machine's DNS does not answer for four minutes.
    DnsDown,
    /// snapd refreshes the snap by itself right after it was installed.
    AutoRefresh,
    /// A device that is none of the machines has an address of the pool.
    PoolTaken,
    /// Two minutes after the pool was made, a device that is none of the machines takes an address of it that no Service has.
    PoolCollision,
    /// For a quarter of an hour no API server answers for 4 s of every 20.
    ApiFlaps,
    /// The first long stream out of a pod ends in its middle, and `kubectl exec` says nothing of it.
    TruncatedStream,
}

const NAMES: [(&str, FaultKind); 53] = [
    ("join-false-success", FaultKind::JoinFalseSuccess),
    ("join-consumed-token", FaultKind::JoinConsumedToken),
    ("dqlite-slow-vote", FaultKind::DqliteSlowVote),
    ("first-join-api-restart", FaultKind::FirstJoinApiRestart),
    ("metallb-endless-loop", FaultKind::MetallbEndlessLoop),
    ("metallb-sticky-enabled", FaultKind::MetallbStickyEnabled),
    ("first-node-reinstalled", FaultKind::FirstNodeReinstalled),
    ("foreign-cluster", FaultKind::ForeignCluster),
    ("pool-not-announced", FaultKind::PoolNotAnnounced),
    ("snap-busy", FaultKind::SnapBusy),
    ("snap-store-down", FaultKind::SnapStoreDown),
    ("apt-locked", FaultKind::AptLocked),
    ("duplicate-machine-id", FaultKind::DuplicateMachineId),
    ("clock-skew", FaultKind::ClockSkew),
    ("small-memory", FaultKind::SmallMemory),
    ("noisy-login-shell", FaultKind::NoisyLoginShell),
    ("host-key-changed", FaultKind::HostKeyChanged),
    ("old-snapd", FaultKind::OldSnapd),
    ("dead-voter", FaultKind::DeadVoter),
    ("half-joined", FaultKind::HalfJoined),
    ("kubelet-dir", FaultKind::KubeletDir),
    ("iscsid-off", FaultKind::IscsidOff),
    ("rwx-on-hostpath", FaultKind::RwxOnHostpath),
    ("replica-wo", FaultKind::ReplicaWo),
    ("replica-lost", FaultKind::ReplicaLost),
    ("read-only-volume", FaultKind::ReadOnlyVolume),
    ("helm-name-in-use", FaultKind::HelmNameInUse),
    ("chart-repo-down", FaultKind::ChartRepoDown),
    ("nfs-client-missing", FaultKind::NfsClientMissing),
    ("stale-mount-owner", FaultKind::StaleMountOwner),
    ("orphaned-container", FaultKind::OrphanedContainer),
    ("terminating-stuck", FaultKind::TerminatingStuck),
    ("slow-volume", FaultKind::SlowVolume),
    ("cloned-initiator-name", FaultKind::ClonedInitiatorName),
    ("git-push-rejected", FaultKind::GitPushRejected),
    ("git-down", FaultKind::GitDown),
    ("flux-reconcile-fails", FaultKind::FluxReconcileFails),
    ("helm-install-fails-once", FaultKind::HelmInstallFailsOnce),
    ("helm-install-breaks-off", FaultKind::HelmInstallBreaksOff),
    ("human-edit", FaultKind::HumanEdit),
    ("image-pull", FaultKind::ImagePull),
    ("db-slow-start", FaultKind::DbSlowStart),
    ("missing-secret-key", FaultKind::MissingSecretKey),
    ("smtp-closed", FaultKind::SmtpClosed),
    ("no-ingress-address", FaultKind::NoIngressAddress),
    ("disk-full", FaultKind::DiskFull),
    ("dpkg-interrupted", FaultKind::DpkgInterrupted),
    ("dns-down", FaultKind::DnsDown),
    ("auto-refresh", FaultKind::AutoRefresh),
    ("pool-taken", FaultKind::PoolTaken),
    ("pool-collision", FaultKind::PoolCollision),
    ("api-flaps", FaultKind::ApiFlaps),
    ("truncated-stream", FaultKind::TruncatedStream),
];

impl FaultKind {
    /// Every kind with its name.
    pub fn all() -> &'static [(&'static str, Self)] {
        &NAMES
    }

    /// Its name, kebab-case.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// One fault of a world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Where; `None` leaves the choice to the kind (usually the last machine, for the snap and the archive every one).
    pub machine: Option<String>,
    /// How long it lasts after it began; `None` leaves that to the kind.
    pub lasts: Option<Millis>,
}

impl From<FaultKind> for Fault {
    fn from(kind: FaultKind) -> Self {
        Self { kind, machine: None, lasts: None }
    }
}

impl std::str::FromStr for Fault {
    type Err = String;

    /// `NAME` or `NAME@MACHINE`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, machine) = text.split_once('@').map_or((text, None), |(name, at)| (name, Some(at.to_owned())));
        let kind = NAMES.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
        let kind = kind.ok_or_else(|| {
            let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            format!("no fault is named \"{name}\"; there are: {}", names.join(", "))
        })?;
        Ok(Self { kind, machine, lasts: None })
    }
}

/// What the shell around the world has to act upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The machine lost power: everything that ran on it is gone.
    PoweredOff(String),
    /// The machine has power again and a new boot id.
    PoweredOn(String),
    /// The machine was installed anew: its disk is empty, its host keys and machine-id are new.
    Reinstalled(String),
    /// The files `/snap/bin/microk8s`, `/usr/bin/snap` and the like appeared or went: ask `World::programs`.
    ProgramsChanged(String),
}
