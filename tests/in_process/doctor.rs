//! `doctor` names every fault of the homelab that can be seen from outside, and nothing where all is well.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::BoxFuture;
use homeprov::doctor::Diagnosis;
use homeprov::error::ExitCode;
use homeprov_lab::kubernetes::Request;
use homeprov_lab::world::{Fault, FaultKind, Os};
use serde_json::json;
use tokio::time::sleep;

use super::row::Row;
use super::session::{House, inventory, text, with_storage};

const POOLS: &str = "/apis/metallb.io/v1beta1/namespaces/metallb-system/ipaddresspools";

/// The checks that found something.
fn named(diagnosis: &Diagnosis) -> BTreeSet<&'static str> {
    diagnosis.findings.iter().map(|finding| finding.check).collect()
}

async fn nothing(house: &House) {
    let (diagnosis, outcome) = house.doctor().await;
    assert_eq!(diagnosis.findings, Vec::new(), "{:?}", diagnosis.not_seen);
    assert_eq!((diagnosis.not_seen, outcome.code), (Vec::<String>::new(), ExitCode::Done));
}

/// The house's doctor finds this, and everything it says is complete; what it said of it.
async fn finds(house: &House, check: &str) -> String {
    let (diagnosis, outcome) = house.doctor().await;
    assert!(
        named(&diagnosis).contains(check),
        "{check} is not among {:#?}, {:?}",
        diagnosis.findings,
        diagnosis.not_seen
    );
    assert_eq!(outcome.code, ExitCode::VerificationFailed, "{outcome:?}");
    for finding in &diagnosis.findings {
        assert!(finding.evidence.len() > 5 && finding.remedy.len() > 10, "{finding:?}");
    }
    let told = diagnosis.findings.iter().filter(|finding| finding.check == check);
    let lines: Vec<String> = told
        .map(|finding| format!("{} {} {}", finding.node.as_deref().unwrap_or("-"), finding.evidence, finding.remedy))
        .collect();
    lines.join("\n")
}

/// Three control planes with storage, on which everything is as wanted.
async fn standing(os: Os, faults: &[FaultKind]) -> House {
    let mut house = House::new(3, 0, os, faults, 1);
    house.inventory = inventory(&with_storage(&text(3, 0), ""));
    let ran = house.up().await;
    assert_eq!(ran.outcome.code, ExitCode::Done, "{:?}\n{}", ran.outcome, ran.tail());
    house
}

/// A house with storage and a fault, in which `up` has gone as far as it comes.
async fn tried(faults: &[FaultKind]) -> House {
    let mut house = House::three(faults);
    house.inventory = inventory(&with_storage(&text(3, 0), ""));
    let ran = house.up().await;
    assert_ne!(ran.outcome.code, ExitCode::Done, "{faults:?} did nothing");
    house
}

/// Machines with MicroK8s as a person installs it.
fn by_hand(house: &House, machines: &[&str]) {
    for machine in machines {
        let installed = house.lab.with(|world| {
            world.run(machine, &["snap", "install", "microk8s", "--classic", "--channel=1.35/stable"], b"")
        });
        assert_eq!(installed.exit, 0, "{}", installed.stderr);
        house.lab.with(|world| world.run(machine, &["microk8s", "status", "--wait-ready", "--timeout", "120"], b""));
    }
}

/// `microk8s join` as a person types it; what it printed.
fn joined_by_hand(house: &House, machine: &str) -> String {
    house.lab.with(|world| {
        let token = world.run("nuc1", &["microk8s", "add-node", "--format", "short"], b"");
        let url = token.stdout.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        world.run(machine, &["microk8s", "join", &url], b"").stdout
    })
}

fn kubectl(house: &House, words: &[&str], input: &str) {
    let argv: Vec<&str> = ["microk8s", "kubectl"].iter().chain(words).copied().collect();
    let done = house.lab.with(|world| world.run("nuc1", &argv, input.as_bytes()));
    assert_eq!(done.exit, 0, "{words:?}: {}{}", done.stdout, done.stderr);
}

/// A claim and a pod that has it mounted.
async fn with_a_volume(house: &House) {
    make_a_volume(house);
    sleep(Duration::from_secs(300)).await;
}

fn make_a_volume(house: &House) {
    let claim = json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "data" },
        "spec": { "accessModes": ["ReadWriteOnce"], "storageClassName": "homeprov-jiva-retain", "resources": { "requests": { "storage": "1Gi" } } } });
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" },
        "spec": { "containers": [{ "name": "web", "image": "docker.io/library/nginx:1", "volumeMounts": [{ "name": "data", "mountPath": "/data" }] }],
            "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": "data" } }] } });
    for object in [claim, pod] {
        kubectl(house, &["apply", "-f", "-"], &object.to_string());
    }
}

fn inject(house: &House, kind: FaultKind) {
    // The spare machine is not in the inventory.
    let machine = matches!(
        kind,
        FaultKind::DuplicateMachineId
            | FaultKind::ClockSkew
            | FaultKind::SmallMemory
            | FaultKind::DiskFull
            | FaultKind::NfsClientMissing
            | FaultKind::HalfJoined
    )
    .then(|| "nuc3".to_owned());
    house.lab.with(|world| world.inject(Fault { kind, machine, lasts: None }));
}

/// It is found after it happened to a homelab in which nothing was found.
async fn happens(fault: FaultKind, check: &str) -> String {
    let house = standing(Os::Ubuntu2404, &[]).await;
    nothing(&house).await;
    inject(&house, fault);
    sleep(Duration::from_secs(90)).await;
    finds(&house, check).await
}

/// It is found in the way of a volume that is in use.
async fn spoils_a_volume(fault: FaultKind, check: &str) -> String {
    let house = standing(Os::Ubuntu2404, &[]).await;
    inject(&house, fault);
    with_a_volume(&house).await;
    finds(&house, check).await
}

async fn until(mut comes_about: impl FnMut() -> bool) {
    while !comes_about() {
        sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_found_on_fresh_machines() {
    for os in [Os::Ubuntu2404, Os::Debian12] {
        let mut house = House::new(3, 0, os, &[], 1);
        house.inventory = inventory(&with_storage(&text(3, 0), ""));
        let (diagnosis, outcome) = house.doctor().await;
        assert_eq!((diagnosis.findings, outcome.code), (Vec::new(), ExitCode::Done));
        assert!(diagnosis.not_seen[0].contains("no API server"), "{:?}", diagnosis.not_seen);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_found_where_all_is_well() {
    for os in [Os::Ubuntu2404, Os::Debian12] {
        let house = standing(os, &[]).await;
        nothing(&house).await;
        with_a_volume(&house).await;
        nothing(&house).await;
    }
    let house = House::new(1, 1, Os::Ubuntu2404, &[], 1);
    assert_eq!(house.up().await.outcome.code, ExitCode::Done);
    nothing(&house).await;
}

#[tokio::test(start_paused = true)]
async fn it_touches_nothing() {
    let house = standing(Os::Ubuntu2404, &[]).await;
    let before = house.lab.with(|world| world.describe());
    nothing(&house).await;
    assert_eq!(house.lab.with(|world| world.describe()), before);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_off_is_told_and_what_follows_from_it() {
    let house = standing(Os::Ubuntu2404, &[]).await;
    house.lab.with(|world| world.power_off("nuc3"));
    sleep(Duration::from_secs(120)).await;
    let (diagnosis, outcome) = house.doctor().await;
    assert!(diagnosis.not_seen[0].starts_with("nuc3 could not be reached"), "{:?}", diagnosis.not_seen);
    assert!(named(&diagnosis).is_superset(&["voter-silent", "node-not-ready"].into()), "{:?}", named(&diagnosis));
    assert_eq!(outcome.code, ExitCode::VerificationFailed);
}

/// What happens to a homelab, and that it is named.
type Case = fn() -> BoxFuture<'static, String>;

macro_rules! cases {
    ($($name:ident: $fault:ident => $words:expr, $case:expr;)*) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $name() {
                let case: Case = || Box::pin($case);
                let row = Row::of(FaultKind::$fault.name(), "and doctor looks at it");
                let told = case().await;
                for words in $words {
                    let words: &str = words;
                    assert!(told.contains(words), "{words:?} is not said: {told}");
                }
                row.ended("named by doctor");
            }
        )*

        /// The faults that have a case here.
        const HERE: &[FaultKind] = &[$(FaultKind::$fault),*];
    };
}

cases! {
    // Machines.
    duplicate_machine_id: DuplicateMachineId => ["nuc1 and nuc3", "on nuc3: `rm /etc/machine-id"],
        happens(FaultKind::DuplicateMachineId, "machine-id-shared");
    clock_skew: ClockSkew => ["300 s ahead", "timedatectl set-ntp true"], happens(FaultKind::ClockSkew, "clock-off");
    small_memory: SmallMemory => ["nuc3", "512 MiB of memory"], happens(FaultKind::SmallMemory, "too-little-memory");
    disk_full: DiskFull => ["nuc3", "300 MiB free on /"], happens(FaultKind::DiskFull, "disk-nearly-full");
    dpkg_interrupted: DpkgInterrupted => ["dpkg --configure -a"],
        happens(FaultKind::DpkgInterrupted, "packages-half-configured");
    // The snap.
    auto_refresh: AutoRefresh => ["nuc1", "is not held", "snap refresh --hold=forever microk8s"], async {
        let house = House::three(&[FaultKind::AutoRefresh]);
        by_hand(&house, &["nuc1"]);
        finds(&house, "refreshes-not-held").await
    };
    old_snapd: OldSnapd => ["which cannot hold one snap", "refresh.hold"], async {
        let house = House::three(&[FaultKind::OldSnapd]);
        by_hand(&house, &["nuc1"]);
        finds(&house, "refreshes-not-held").await
    };
    // Members.
    foreign_cluster: ForeignCluster => ["nuc2", "10.77.0.99", "microk8s leave"], async {
        let house = House::three(&[FaultKind::ForeignCluster]);
        finds(&house, "another-cluster").await
    };
    first_node_reinstalled: FirstNodeReinstalled => ["nuc1 was reinstalled", "microk8s remove-node 10.77.0.11 --force"],
        happens(FaultKind::FirstNodeReinstalled, "member-not-whole");
    dead_voter: DeadVoter => ["2 of 3 voters answer", "nuc3 (10.77.0.13)"], happens(FaultKind::DeadVoter, "voter-silent");
    join_false_success: JoinFalseSuccess => ["nuc2", "the data store does not list it"], async {
        let house = House::three(&[FaultKind::JoinFalseSuccess]);
        by_hand(&house, &["nuc1", "nuc2"]);
        let said = joined_by_hand(&house, "nuc2");
        assert!(said.contains("Successfully joined the cluster."), "{said}");
        finds(&house, "joined-by-half").await
    };
    half_joined: HalfJoined => ["nuc3", "wait two minutes"], async {
        let house = House::three(&[]);
        inject(&house, FaultKind::HalfJoined);
        by_hand(&house, &["nuc1", "nuc3"]);
        joined_by_hand(&house, "nuc3");
        sleep(Duration::from_secs(60)).await;
        finds(&house, "joined-by-half").await
    };
    dqlite_slow_vote: DqliteSlowVote => ["lists 3 members", "wait two minutes"], async {
        let house = House::three(&[FaultKind::DqliteSlowVote]);
        by_hand(&house, &["nuc1", "nuc2", "nuc3"]);
        for machine in ["nuc2", "nuc3"] {
            joined_by_hand(&house, machine);
        }
        finds(&house, "too-few-voters").await
    };
    first_join_api_restart: FirstJoinApiRestart => ["nuc1", "the API server's port 16443 does not answer"], async {
        let house = House::three(&[FaultKind::FirstJoinApiRestart]);
        let mut was_up = false;
        house.up_until(until(|| house.lab.with(|world| {
            let up = world.listening_local("nuc1").contains(&16_443);
            was_up |= up && world.machine("nuc1").files().exists("/var/lib/homeprov/identity");
            was_up && !up
        }))).await;
        finds(&house, "control-plane-silent").await
    };
    api_flaps: ApiFlaps => ["nuc1", "16443 does not answer"], async {
        let house = standing(Os::Ubuntu2404, &[]).await;
        inject(&house, FaultKind::ApiFlaps);
        until(|| house.lab.with(|world| !world.listening_local("nuc1").contains(&16_443))).await;
        finds(&house, "control-plane-silent").await
    };
    // The pool.
    metallb_endless_loop: MetallbEndlessLoop => ["it has no pool; the inventory wants 10.77.0.200-10.77.0.210"], async {
        let house = House::three(&[FaultKind::MetallbEndlessLoop]);
        house.up_until(until(|| house.lab.with(|world| {
            world.machine("nuc1").has_microk8s() && world.api("nuc1", &Request::new("GET", POOLS)).json()["kind"] == "IPAddressPoolList"
        }))).await;
        sleep(Duration::from_secs(20)).await;
        finds(&house, "pool-missing").await
    };
    metallb_sticky_enabled: MetallbStickyEnabled => ["default/speaker-kitchen", "kubectl -n default delete pod"], async {
        finds(&tried(&[FaultKind::MetallbStickyEnabled]).await, "addon-look-alike").await
    };
    pool_not_announced: PoolNotAnnounced => ["MetalLB is whole", "7946"], async {
        finds(&tried(&[FaultKind::PoolNotAnnounced]).await, "pool-not-proven").await
    };
    pool_taken: PoolTaken => ["10.77.0.203", "b8:27:eb:4d:00:cb"], async {
        finds(&tried(&[FaultKind::PoolTaken]).await, "pool-address-taken").await
    };
    pool_collision: PoolCollision => ["10.77.0.205", "b8:27:eb:4d:00:cc"], happens(FaultKind::PoolCollision, "pool-address-taken");
    // Storage.
    kubelet_dir: KubeletDir => ["has /var/lib/kubelet/", "homeprov verify storage home.toml"], async {
        finds(&tried(&[FaultKind::KubeletDir]).await, "wrong-kubelet-directory").await
    };
    rwx_on_hostpath: RwxOnHostpath => ["keeps its volumes on", "delete storageclass openebs-rwx"], async {
        finds(&tried(&[FaultKind::RwxOnHostpath]).await, "shares-on-one-disk").await
    };
    helm_name_in_use: HelmNameInUse => ["openebs", "is failed", "JivaVolumes"], async {
        let mut house = House::three(&[FaultKind::HelmNameInUse]);
        assert_eq!(house.up_taking_over(true).await.outcome.code, ExitCode::Done);
        house.inventory = inventory(&with_storage(&text(3, 0), ""));
        finds(&house, "release-not-deployed").await
    };
    iscsid_off: IscsidOff => ["nuc2", "systemctl enable --now iscsid"], happens(FaultKind::IscsidOff, "iscsid-off");
    nfs_client_missing: NfsClientMissing => ["nuc3", "apt-get install nfs-common"],
        happens(FaultKind::NfsClientMissing, "nfs-client-missing");
    cloned_initiator_name: ClonedInitiatorName => ["nuc1 and nuc2 and nuc3", "iscsi-iname"],
        happens(FaultKind::ClonedInitiatorName, "initiator-shared");
    // Volumes.
    replica_wo: ReplicaWo => ["default/data", "2 of 3 replicas RW", "WO"],
        spoils_a_volume(FaultKind::ReplicaWo, "replica-not-writable");
    replica_lost: ReplicaLost => ["default/data", "of 3 replicas RW"], async {
        let house = standing(Os::Ubuntu2404, &[]).await;
        inject(&house, FaultKind::ReplicaLost);
        make_a_volume(&house);
        // It comes back by itself in a while: it is looked for as often as needed.
        for _ in 0..100 {
            sleep(Duration::from_secs(5)).await;
            if named(&house.doctor().await.0).contains("replica-missing") {
                return finds(&house, "replica-missing").await;
            }
        }
        String::new()
    };
    read_only_volume: ReadOnlyVolume => ["default/data", "is RO"], spoils_a_volume(FaultKind::ReadOnlyVolume, "volume-read-only");
    stale_mount_owner: StaleMountOwner => ["of default/data names", "no pod uses it", "nodeID-"], async {
        let house = standing(Os::Ubuntu2404, &[]).await;
        inject(&house, FaultKind::StaleMountOwner);
        with_a_volume(&house).await;
        nothing(&house).await;
        kubectl(&house, &["delete", "pod", "web"], "");
        sleep(Duration::from_secs(120)).await;
        finds(&house, "stale-mount-owner").await
    };
    orphaned_container: OrphanedContainer => ["of default/data names", "no pod uses it"], async {
        let house = standing(Os::Ubuntu2404, &[]).await;
        inject(&house, FaultKind::OrphanedContainer);
        with_a_volume(&house).await;
        kubectl(&house, &["delete", "pod", "web"], "");
        sleep(Duration::from_secs(120)).await;
        finds(&house, "stale-mount-owner").await
    };
    terminating_stuck: TerminatingStuck => ["2 of 3 voters answer"], spoils_a_volume(FaultKind::TerminatingStuck, "voter-silent");
}

#[test]
fn every_fault_is_named_or_cannot_be_seen() {
    // Told by facts of the site: src/doctor/tests.rs has them.
    let site = [
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
        // Of the connection, which is ssh's: src/doctor/tests.rs.
        FaultKind::HostKeyChanged,
    ];
    // Nothing is left of it to be seen, or it is seen only by trying what it spoils.
    let unseen = [
        (FaultKind::JoinConsumedToken, "the token is gone, and nobody keeps a list of those that were"),
        (FaultKind::SnapBusy, "it goes away by itself before MicroK8s is there"),
        (FaultKind::SnapStoreDown, "only a download tells"),
        (FaultKind::AptLocked, "only an installation tells, and waits for it"),
        (FaultKind::NoisyLoginShell, "it does no harm: answers are framed"),
        (FaultKind::ChartRepoDown, "only a download tells"),
        (FaultKind::SlowVolume, "it is no fault but a delay"),
        (FaultKind::GitPushRejected, "the next push is on top of what was pushed in between"),
        (FaultKind::DnsDown, "only a download tells"),
        (FaultKind::TruncatedStream, "only a backup tells, and makes nothing of it"),
    ];
    for (name, kind) in FaultKind::all() {
        let known = [HERE.contains(kind), site.contains(kind), unseen.iter().any(|(unseen, _)| unseen == kind)];
        assert_eq!(known.iter().filter(|is| **is).count(), 1, "{name}: {known:?}");
    }
}
