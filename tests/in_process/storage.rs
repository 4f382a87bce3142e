//! Storage: the steps each engine has.

use std::collections::BTreeSet;

use homeprov_lab::world::Os;

use super::session::{House, inventory, text, with_storage};

/// The pending steps of the storage playbook on fresh machines.
async fn pending(nodes: u8, table: &str) -> BTreeSet<String> {
    let mut house = House::new(nodes, 0, Os::Ubuntu2404, &[], 1);
    house.inventory = inventory(&with_storage(&text(nodes, 0), table));
    let plan = house.plan().await;
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
