//! Storage: set up, proven once, proven again when asked, and nothing left of the proof.

use crate::harness::{Ran, lab};
use crate::storage_faults::named;

/// Runs a command as root on a node; `left` prints what a proof must not leave: objects, files and mounts.
pub const TOOLS: &str = r#"
key=$(sed -n 's/^identity = "\(.*\)"/\1/p' $I)
on() { a=$1; shift; ssh -F none -i "$key" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR root@10.77.0.$a "$@"; }
kubectl() { on 11 /snap/bin/microk8s kubectl "$@"; }
left() {
	part "$1"
	kubectl get namespaces -o name 2>&1 | grep homeprov
	kubectl get pv,pvc,jobs,pods -A -o name 2>&1 | grep -E 'persistentvolume/|persistentvolumeclaim/|proof|canary|jiva-rep|jiva-ctrl|nfs-pvc'
	kubectl get jivavolumes -A -o name 2>/dev/null
	for node in /mnt/nodes/*; do
		[ -d $node/root/var/snap/microk8s/common/var ] || continue
		find $node/root/var/snap/microk8s/common/var/openebs/local $node/root/var/snap/microk8s/common/var/lib/kubelet/pods -type f 2>/dev/null
		on $((10 + ${node##*nuc})) findmnt -n -o TARGET 2>/dev/null | grep kubelet
	done
	part "$1-end"
}
"#;

fn proven(options: &str) -> Ran {
    let ran = lab(
        options,
        &format!(
            "cd $(mktemp -d)\n{TOOLS}
             part first; homeprov up $I; echo first=$?
             left first-left
             part second; homeprov up --json $I >second.json; echo second=$?
             tail -n 1 second.json
             part verify; homeprov verify storage --json $I >proof.json; echo verify=$?
             part json; cat proof.json
             left second-left
             part status; homeprov status $I"
        ),
    );
    ran.expect(ran.code_of("first") == 0, "the first up should succeed");
    ran.expect(ran.code_of("second") == 0, "the second up should succeed");
    let last = ran.part("second").lines().last().unwrap_or_default().to_owned();
    let event: serde_json::Value = serde_json::from_str(&last).unwrap_or_else(|_| panic!("{}", ran.text));
    assert_eq!(event["applied"], 0, "the second up should change and prove nothing: {}", ran.text);
    ran.expect(ran.code_of("verify") == 0, "the proof should pass again");
    for part in ["first-left", "second-left"] {
        ran.expect(ran.part(part).trim().is_empty(), "the proof should leave nothing behind");
    }
    ran
}

/// What `verify storage --json` printed.
fn proof(ran: &Ran) -> serde_json::Value {
    serde_json::from_str(&ran.part("json")).unwrap_or_else(|_| panic!("{}", ran.text))
}

/// The nodes on whose disks a class' bytes were found, as the evidence tells.
fn nodes_with_bytes(class: &serde_json::Value) -> usize {
    let evidence = class["evidence"].as_array().expect("evidence");
    let found = evidence.iter().filter(|one| {
        one["number"] == 3
            && one["holds"] == true
            && one["path"].as_str().is_some_and(|path| path.contains("/var/openebs/local/"))
    });
    found.filter_map(|one| one["node"].as_str()).collect::<std::collections::BTreeSet<_>>().len()
}

pub fn replicated(options: &str, replicas: usize) {
    let ran = proven(options);
    let proof = proof(&ran);
    let classes = proof["classes"].as_array().unwrap_or_else(|| panic!("{proof}"));
    assert_eq!(classes.len(), 2, "one class for one node, one for several: {proof}");
    for class in classes {
        assert_eq!(nodes_with_bytes(class), replicas, "{class}");
    }
    ran.expect(ran.part("status").contains(&format!("each new volume on {replicas} nodes")), "status says so");
    ran.expect(ran.part("status").contains("homeprov-jiva-retain"), "status names the classes");
}

#[test]
fn three_nodes_keep_each_volume_three_times() {
    replicated("--nodes 3 --storage default", 3);
}

#[test]
fn two_nodes_replicate_when_asked_to() {
    let ran = lab(
        "--nodes 1 --workers 1 --storage jiva --replicas 2",
        "part up; homeprov up $I; echo up=$?\npart verify; homeprov verify storage $I; echo verify=$?",
    );
    ran.expect(ran.code_of("up") == 0, "it should succeed");
    ran.expect(ran.part("up").contains("read-only"), "with a word on what one node down means");
    ran.expect(ran.code_of("verify") == 0, "and is proven");
    ran.expect(ran.part("verify").contains("replicated on 2 nodes"), "on both nodes");
}

#[test]
fn one_node_stores_and_says_that_it_does_not_replicate() {
    let ran = proven("--nodes 1 --storage default");
    ran.expect(ran.part("status").contains("stored, not replicated"), "said so");
}

#[test]
fn two_nodes_store_and_say_that_they_do_not_replicate() {
    let ran = proven("--nodes 1 --workers 1 --storage default");
    ran.expect(ran.part("status").contains("stored, not replicated"), "said so");
    ran.expect(ran.part("first").contains("hostpath"), "with a warning about the engine");
}

#[test]
fn a_driver_with_the_wrong_kubelet_directory_is_named() {
    named("kubelet-dir", "", "wrong kubelet directory", "wrong kubelet directory");
}

#[test]
fn shares_on_one_nodes_disk_are_named() {
    named("rwx-on-hostpath", "", "backend class", "backend class wrong");
}
