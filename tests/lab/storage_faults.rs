//! Every fault of storage ends mended and proven, or is named with exit code 7. These take minutes: `make matrix`.

use crate::harness::lab;
use crate::storage::{TOOLS, replicated};

/// One class only: each waits until nothing moves any more.
const ONE: &str = "--class homeprov-jiva-retain";

/// `up` mends it or waits for it; the proof then passes.
fn mended(fault: &str) {
    mended_by("homeprov up $I", fault);
}

/// The same, with this command for the first run.
fn mended_by(up: &str, fault: &str) {
    let ran = lab(
        &format!("--nodes 3 --storage default --fault {fault}"),
        &format!(
            "part up; {up}; echo up=$?\npart again; homeprov up $I; echo again=$?\npart verify; homeprov verify storage $I; echo verify=$?"
        ),
    );
    ran.expect(ran.code_of("up") == 0, "it should be mended");
    ran.expect(ran.part("again").contains("nothing to do"), "and stay so");
    ran.expect(ran.code_of("verify") == 0, "and be proven");
}

/// `up` and the proof, with more `options`, end with exit code 7 and name the cause, and nothing is left of the proof.
pub fn named(fault: &str, options: &str, up: &str, verify: &str) {
    let ran = lab(
        &format!("--nodes 3 --storage default --fault {fault}"),
        &format!(
            "{TOOLS}part up; homeprov up $I; echo up=$?\npart verify; homeprov verify storage {options} $I; echo verify=$?\nleft left"
        ),
    );
    ran.expect(ran.code_of("up") == 7, "up should fail its verification");
    ran.expect(ran.part("up").contains(up), &format!("up should name the cause: {up}"));
    ran.expect(ran.code_of("verify") == 7, "the proof should fail");
    ran.expect(ran.part("verify").contains(verify), &format!("the proof should name the cause: {verify}"));
    ran.expect(!ran.part("verify").contains("✔ proven"), "and claim nothing");
    ran.expect(ran.part("left").trim().is_empty(), "the proof should leave nothing behind");
}

#[test]
fn a_replica_that_never_catches_up_is_named() {
    named("replica-wo", ONE, "replicas not RW", "replicas not RW");
}

#[test]
fn a_volume_that_turned_read_only_is_named() {
    named("read-only-volume", ONE, "volume read-only", "volume read-only");
}

#[test]
fn a_stale_owner_of_the_mount_is_named() {
    named("stale-mount-owner", ONE, "stale owner of the mount", "stale owner of the mount");
}

#[test]
fn iscsid_that_is_off_is_switched_on() {
    mended("iscsid-off");
}

#[test]
fn a_failed_release_of_the_same_name_is_upgraded() {
    // Somebody has tried to install it before: the machine is somebody's, and `up` asks.
    mended_by("homeprov up --yes $I", "helm-name-in-use");
}

#[test]
fn a_missing_nfs_client_is_installed() {
    mended("nfs-client-missing");
}

#[test]
fn cloned_initiator_names_are_made_unique() {
    mended("cloned-initiator-name");
}

#[test]
fn a_lost_replica_comes_back() {
    mended("replica-lost");
}

#[test]
fn a_slow_volume_is_waited_for() {
    mended("slow-volume");
}

#[test]
fn a_chart_repository_that_is_down_is_named_with_the_way_round() {
    let ran = lab(
        "--nodes 3 --storage default --fault chart-repo-down",
        "part up; homeprov up $I; echo up=$?\npart verify; homeprov verify storage $I; echo verify=$?",
    );
    ran.expect(ran.code_of("up") != 0, "it cannot succeed");
    ran.expect(ran.part("up").contains("https://openebs.github.io/charts"), "the repository is named");
    ran.expect(ran.part("up").contains("[storage] chart ="), "and the way round");
    ran.expect(ran.code_of("verify") == 7, "nothing is proven");
}

#[test]
fn a_proof_that_was_killed_is_cleared_away_by_the_next() {
    let ran = lab(
        "--nodes 3 --storage default",
        &format!(
            "{TOOLS}part up; homeprov up -q $I; echo up=$?
             for after in 1 3 5 7 9 11; do
               homeprov verify storage -q $I >/dev/null 2>&1 & proof=$!
               sleep $after; kill -9 $proof; wait $proof
             done
             part between; kubectl get namespaces -o name
             part verify; homeprov verify storage -q $I; echo verify=$?
             left left"
        ),
    );
    ran.expect(ran.code_of("up") == 0, "it should succeed");
    ran.expect(ran.part("between").contains("homeprov-proof"), "the last one was killed in its middle");
    ran.expect(ran.code_of("verify") == 0, "the next should pass");
    ran.expect(ran.part("left").trim().is_empty(), "and leave nothing, of itself and of those before");
}

#[test]
fn five_nodes_keep_each_volume_three_times() {
    replicated("--nodes 5 --storage default", 3);
}
