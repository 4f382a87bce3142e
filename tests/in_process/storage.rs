//! Storage: the steps each engine has, and what comes of them.

use std::collections::BTreeSet;

use homeprov::error::ExitCode;
use homeprov::ssh::Purpose;
use homeprov::status::ClusterStatus;
use homeprov::status::storage::Access;
use homeprov_lab::world::{FaultKind, Os};

use super::session::{House, inventory, text, with_storage};

/// The pending steps of the storage playbook on fresh machines.
async fn pending(nodes: u8, table: &str) -> BTreeSet<String> {
    let plan = house(nodes, table, &[]).plan().await;
    plan.pending.into_iter().filter(|pending| pending.playbook == "50-storage").map(|pending| pending.step).collect()
}

#[tokio::test(start_paused = true)]
async fn three_nodes_get_jiva_with_shares() {
    let steps = pending(3, "").await;
    for step in ["iscsi-installed", "iscsid-running", "nfs-ready", "openebs-installed", "rwx-class"] {
        assert!(steps.contains(step), "{step} is not in {steps:?}");
    }
    assert!(!steps.contains("hostpath-enabled"));
}

#[tokio::test(start_paused = true)]
async fn without_shares_nothing_is_asked_of_nfs() {
    let steps = pending(3, "[storage]\nrwx = false").await;
    assert!(steps.contains("iscsi-installed"));
    for step in ["nfs-ready", "nfs-provisioner", "rwx-class"] {
        assert!(!steps.contains(step), "{step} is in {steps:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_node_gets_folders() {
    let steps = ["hostpath-enabled", "storage-proven"].map(str::to_owned);
    assert_eq!(pending(1, "").await, BTreeSet::from(steps));
}

#[tokio::test(start_paused = true)]
async fn storage_that_is_left_alone_has_no_steps() {
    assert_eq!(pending(3, "[storage]\nengine = \"none\"").await, BTreeSet::new());
}

/// A house whose inventory says this of storage.
fn house(nodes: u8, table: &str, faults: &[FaultKind]) -> House {
    let mut house = House::new(nodes, 0, Os::Ubuntu2404, faults, 1);
    house.inventory = inventory(&with_storage(&text(nodes, 0), table));
    house
}

/// Brings a house up, and again, which changes nothing; what it did the first time.
async fn converges(house: &House) -> Vec<String> {
    let first = house.up().await;
    assert_eq!(first.outcome.code, ExitCode::Done, "{:?}\n{}", first.outcome, first.tail());
    let second = house.up().await;
    assert_eq!(second.outcome.code, ExitCode::Done, "{:?}\n{}", second.outcome, second.tail());
    assert_eq!(second.applied(), Vec::<String>::new());
    let nodes = house.inventory.nodes.len();
    assert_eq!((second.connections(), second.execs(Purpose::Observe)), (nodes, nodes));
    first.applied()
}

/// The classes used, by what for, and all warnings.
fn classes(status: &ClusterStatus) -> (Vec<(&str, Access)>, &[String]) {
    let storage = status.storage.as_ref().expect("storage was read");
    let used = storage.classes.iter().filter_map(|class| Some((class.name.as_str(), class.used_for?)));
    (used.collect(), &status.warnings)
}

#[tokio::test(start_paused = true)]
async fn three_nodes_end_with_replicated_classes() {
    let house = house(3, "", &[]);
    converges(&house).await;
    let status = house.status().await;
    let wanted = vec![("homeprov-jiva-retain", Access::ReadWriteOnce), ("openebs-rwx", Access::ReadWriteMany)];
    assert_eq!(classes(&status), (wanted, &[][..]));
}

#[tokio::test(start_paused = true)]
async fn one_node_ends_with_folders() {
    let house = house(1, "", &[]);
    converges(&house).await;
    assert_eq!(classes(&house.status().await), (vec![("microk8s-hostpath", Access::ReadWriteOnce)], &[][..]));
}

#[tokio::test(start_paused = true)]
async fn two_nodes_get_two_replicas_when_asked_for() {
    let mut house = House::new(1, 1, Os::Debian12, &[], 1);
    house.inventory = inventory(&with_storage(&text(1, 1), "[storage]\nengine = \"jiva\""));
    converges(&house).await;
    assert_eq!(house.status().await.storage.expect("storage was read").replicas, 2);
}

#[tokio::test(start_paused = true)]
async fn another_number_of_replicas_is_for_new_volumes() {
    let mut house = house(3, "", &[]);
    converges(&house).await;
    house.inventory = inventory(&with_storage(&text(3, 0), "[storage]\nreplicas = 2"));
    assert_eq!(converges(&house).await, ["replication-factor@cluster"]);
}

#[tokio::test(start_paused = true)]
async fn classes_that_are_there_are_used_and_others_told() {
    let mut house = house(3, "[storage]\nengine = \"existing-class\"\nclass = \"longhorn\"", &[]);
    let ran = house.up().await;
    assert_eq!(ran.outcome.code, ExitCode::Refused, "{:?}", ran.outcome);
    assert!(ran.outcome.summary.contains("[storage] class = \"longhorn\""), "{}", ran.outcome.summary);
    house.inventory = inventory(&with_storage(&text(3, 0), ""));
    converges(&house).await;
    let table = "[storage]\nengine = \"existing-class\"\nclass = \"openebs-jiva-csi-default\"";
    house.inventory = inventory(&with_storage(&text(3, 0), table));
    assert_eq!(converges(&house).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_can_be_mended_is() {
    for fault in [FaultKind::IscsidOff, FaultKind::NfsClientMissing] {
        converges(&house(3, "", &[fault])).await;
    }
    // Somebody has tried to install it before: that machine is no longer nobody's.
    let used = house(3, "", &[FaultKind::HelmNameInUse]);
    assert_eq!(used.up().await.outcome.code, ExitCode::Refused);
    let taken_over = used.up_taking_over(true).await;
    assert_eq!(taken_over.outcome.code, ExitCode::Done, "{:?}\n{}", taken_over.outcome, taken_over.tail());
    assert!(taken_over.applied().contains(&"openebs-installed@cluster".to_owned()), "{:?}", taken_over.applied());
    assert_eq!(converges(&used).await, Vec::<String>::new());
    let applied = converges(&house(3, "", &[FaultKind::ClonedInitiatorName])).await;
    let mended = ["initiator-unique@nuc2", "initiator-unique@nuc3"].map(str::to_owned);
    assert!(mended.iter().all(|step| applied.contains(step)), "{applied:?}");
    assert!(!applied.contains(&"initiator-unique@nuc1".to_owned()), "{applied:?}");
}

/// How a house with a fault ends, twice: the second run finds the same.
async fn ends(fault: FaultKind, code: ExitCode, said: &str) {
    let house = house(3, "", &[fault]);
    for _ in 0..2 {
        let ran = house.up().await;
        assert_eq!(ran.outcome.code, code, "{:?}\n{}", ran.outcome, ran.tail());
        assert!(ran.outcome.summary.contains(said), "{}", ran.outcome.summary);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_kubelet_directory_is_named() {
    ends(FaultKind::KubeletDir, ExitCode::VerificationFailed, "wrong kubelet directory").await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_backend_class_is_named() {
    ends(FaultKind::RwxOnHostpath, ExitCode::VerificationFailed, "backend class").await;
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_chart_is_told_with_the_way_out() {
    ends(FaultKind::ChartRepoDown, ExitCode::Refused, "[storage] chart = ").await;
}
