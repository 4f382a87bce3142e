//! Every fault of the homelab ends converged, or in an outcome whose code and text say what is wrong and what to do.
//! None is taken for a success, and none hangs.

use homeprov::engine::event::Event;
use homeprov::error::ExitCode;
use homeprov_lab::world::{FaultKind, Os};

use super::row::Row;
use super::session::{House, Ran};
use super::verify::problems;

/// How a run with a fault must end.
enum End {
    /// As wanted.
    Converged,
    /// With this code, and with all of these in its text.
    Code(ExitCode, &'static [&'static str]),
}

/// Runs `up` with a fault in place and holds the end against what it should be.
async fn ends(house: &House, fault: FaultKind, end: End) -> Ran {
    let row = Row::of(fault.name(), "from the start");
    let ran = house.up().await;
    let shown = format!("{}: {:?}\n{}", fault.name(), ran.outcome, ran.tail());
    match end {
        End::Converged => {
            assert_eq!(ran.outcome.code, ExitCode::Done, "{shown}");
            assert_eq!(problems(house), Vec::<String>::new(), "{shown}");
            row.ended("converged");
        }
        End::Code(code, words) => {
            assert_eq!(ran.outcome.code, code, "{shown}");
            for word in words {
                assert!(ran.outcome.summary.contains(word), "{word:?} is not said: {shown}");
            }
            row.refused(&ran.outcome);
        }
    }
    ran
}

async fn fresh(fault: FaultKind, os: Os, end: End) -> Ran {
    let house = House::new(3, 0, os, &[fault], 7);
    ends(&house, fault, end).await
}

macro_rules! faults {
    ($($name:ident: $fault:ident on $os:ident => $end:expr;)*) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $name() {
                fresh(FaultKind::$fault, Os::$os, $end).await;
            }
        )*

        /// The faults that have their test here by table.
        const BY_TABLE: &[FaultKind] = &[$(FaultKind::$fault),*];
    };
}

faults! {
    join_false_success: JoinFalseSuccess on Ubuntu2404 => End::Converged;
    join_consumed_token: JoinConsumedToken on Ubuntu2404 => End::Converged;
    dqlite_slow_vote: DqliteSlowVote on Ubuntu2404 => End::Converged;
    first_join_api_restart: FirstJoinApiRestart on Ubuntu2404 => End::Converged;
    metallb_endless_loop: MetallbEndlessLoop on Ubuntu2404 => End::Converged;
    metallb_sticky_enabled: MetallbStickyEnabled on Ubuntu2404 =>
        End::Code(ExitCode::StepFailed, &["calls the addon enabled", "default/speaker-kitchen", "Delete that pod"]);
    foreign_cluster: ForeignCluster on Ubuntu2404 =>
        End::Code(ExitCode::Refused, &["nuc2", "10.77.0.99", "microk8s leave"]);
    pool_not_announced: PoolNotAnnounced on Ubuntu2404 =>
        End::Code(ExitCode::VerificationFailed, &["nobody announces 10.77.0.200", "7946"]);
    snap_busy: SnapBusy on Ubuntu2404 => End::Converged;
    snap_store_down: SnapStoreDown on Ubuntu2404 => End::Converged;
    apt_locked: AptLocked on Debian12 => End::Converged;
    duplicate_machine_id: DuplicateMachineId on Ubuntu2404 =>
        End::Code(ExitCode::Refused, &["nuc1 and nuc3", "machine id", "systemd-machine-id-setup"]);
    clock_skew: ClockSkew on Ubuntu2404 =>
        End::Code(ExitCode::Refused, &["nuc3", "300 s ahead", "timedatectl set-ntp true"]);
    small_memory: SmallMemory on Ubuntu2404 =>
        End::Code(ExitCode::Refused, &["nuc3", "512 MiB", "role = \"worker\""]);
    old_snapd: OldSnapd on Ubuntu2404 => End::Converged;
    disk_full: DiskFull on Ubuntu2404 =>
        End::Code(ExitCode::Refused, &["nuc3", "300 MiB free on /", "/var/snap, /var/lib", "6144 are needed"]);
    dpkg_interrupted: DpkgInterrupted on Debian12 => End::Converged;
    dns_down: DnsDown on Debian12 => End::Converged;
    auto_refresh: AutoRefresh on Ubuntu2404 => End::Converged;
    pool_taken: PoolTaken on Ubuntu2404 =>
        End::Code(ExitCode::Refused, &["10.77.0.203", "b8:27:eb:4d:00:cb", "none of the nodes", "[metallb] pool"]);
    pool_collision: PoolCollision on Ubuntu2404 => End::Converged;
    api_flaps: ApiFlaps on Ubuntu2404 => End::Converged;
}

/// A refused run touches nothing.
#[tokio::test(start_paused = true)]
async fn a_refusal_applies_nothing() {
    for fault in
        [FaultKind::ForeignCluster, FaultKind::DuplicateMachineId, FaultKind::ClockSkew, FaultKind::SmallMemory]
    {
        let ran = fresh(fault, Os::Ubuntu2404, End::Code(ExitCode::Refused, &[])).await;
        assert_eq!(ran.applied(), Vec::<String>::new(), "{}", fault.name());
    }
}

#[tokio::test(start_paused = true)]
async fn first_node_reinstalled() {
    let house = House::three(&[]);
    assert_eq!(house.up().await.outcome.code, ExitCode::Done);
    house.lab.with(|world| world.inject(FaultKind::FirstNodeReinstalled.into()));
    let words = &["nuc1 was reinstalled", "nuc2", "microk8s remove-node 10.77.0.11 --force"];
    // MicroK8s is not there any more: nothing must be put there before the old member is taken out.
    let ran = ends(&house, FaultKind::FirstNodeReinstalled, End::Code(ExitCode::Refused, words)).await;
    assert_eq!(ran.applied(), Vec::<String>::new());
    // What the message says helps.
    house.lab.with(|world| world.run("nuc2", &["microk8s", "remove-node", "10.77.0.11", "--force"], b""));
    ends(&house, FaultKind::FirstNodeReinstalled, End::Converged).await;
}

#[tokio::test(start_paused = true)]
async fn dead_voter() {
    let house = House::three(&[FaultKind::DeadVoter]);
    let words = &["nuc3"];
    ends(&house, FaultKind::DeadVoter, End::Code(ExitCode::Unreachable, words)).await;
    house.lab.with(|world| world.power_on("nuc3"));
    ends(&house, FaultKind::DeadVoter, End::Converged).await;
}

#[tokio::test(start_paused = true)]
async fn half_joined() {
    let house = House::three(&[FaultKind::HalfJoined]);
    let ran = ends(&house, FaultKind::HalfJoined, End::Converged).await;
    let joins = ran.applied().iter().filter(|step| *step == "members-joined@nuc3").count();
    assert_eq!(joins, 1, "it finished by itself at boot: {:?}", ran.applied());
    assert!(ran.applied().contains(&"join-settled@nuc3".to_owned()));
}

#[test]
fn every_fault_has_its_test() {
    let own = [FaultKind::FirstNodeReinstalled, FaultKind::DeadVoter, FaultKind::HalfJoined];
    // Login shells and host keys are the transport's: tests/ssh has them on real servers.
    let transport = [FaultKind::NoisyLoginShell, FaultKind::HostKeyChanged];
    // Volumes need mounts and files that a world in memory has not.
    let volumes = [
        FaultKind::KubeletDir,
        FaultKind::IscsidOff,
        FaultKind::RwxOnHostpath,
        FaultKind::ReplicaWo,
        FaultKind::ReplicaLost,
        FaultKind::ReadOnlyVolume,
        FaultKind::HelmNameInUse,
        FaultKind::ChartRepoDown,
        FaultKind::NfsClientMissing,
        FaultKind::StaleMountOwner,
        FaultKind::OrphanedContainer,
        FaultKind::TerminatingStuck,
        FaultKind::SlowVolume,
        FaultKind::ClonedInitiatorName,
    ];
    // Git, Flux and Mastodon need the servers beside the nodes.
    let site = [
        FaultKind::GitPushRejected,
        FaultKind::GitDown,
        FaultKind::FluxReconcileFails,
        FaultKind::HelmInstallFailsOnce,
        FaultKind::HelmInstallBreaksOff,
        FaultKind::HumanEdit,
        FaultKind::ImagePull,
        FaultKind::DbSlowStart,
        FaultKind::MissingSecretKey,
        FaultKind::SmtpClosed,
        FaultKind::NoIngressAddress,
        FaultKind::TruncatedStream,
    ];
    for (name, kind) in FaultKind::all() {
        let elsewhere = transport.contains(kind) || volumes.contains(kind) || site.contains(kind);
        let known = BY_TABLE.contains(kind) || own.contains(kind) || elsewhere;
        assert!(known, "{name} has no test");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_waited_for_is_told_when_it_holds() {
    let ran = House::three(&[FaultKind::DqliteSlowVote]).up().await;
    let at = |is: fn(&Event) -> Option<&String>| {
        ran.events.iter().position(|event| is(event).is_some_and(|step| step == "highly-available"))
    };
    let waited = at(|event| if let Event::Waiting { step, .. } = event { Some(step) } else { None });
    let held = at(|event| if let Event::StepHolds { step, .. } = event { Some(step) } else { None });
    assert!(waited.is_some() && waited < held, "waited for at {waited:?}, seen to hold at {held:?}: {}", ran.tail());
}
