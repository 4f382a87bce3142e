//! `up` ends in the cluster the inventory describes, and the second `up` finds nothing to do.

use crate::harness::lab;

const TWICE: &str = "
part first; homeprov up $I; echo first=$?
part second; homeprov up --json $I >second.json; echo second=$?
tail -n 1 second.json
part status; homeprov status --json $I; echo status=$?
part members
ssh -F none -i \"$(sed -n 's/^identity = \"\\(.*\\)\"/\\1/p' $I)\" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
  root@10.77.0.11 /snap/bin/microk8s status | head -4
";

fn converges(options: &str, nodes: usize, voters: u64) {
    let ran = lab(options, &format!("cd $(mktemp -d)\n{TWICE}"));
    ran.expect(ran.code_of("first") == 0, "the first up should succeed");
    ran.expect(ran.code_of("second") == 0, "the second up should succeed");
    let last = ran.part("second").lines().last().unwrap_or_default().to_owned();
    let event: serde_json::Value = serde_json::from_str(&last).unwrap_or_else(|_| panic!("{}", ran.text));
    assert_eq!(event["event"], "run-finished");
    assert_eq!(event["applied"], 0, "the second up should change nothing: {}", ran.text);
    assert_eq!(event["connections"], nodes, "one connection a node");
    assert_eq!(event["observations"], nodes, "one observation a node");
    let status = ran.part("status");
    let json = &status[..=status.rfind('}').expect("JSON")];
    let status: serde_json::Value = serde_json::from_str(json).unwrap_or_else(|_| panic!("{}", ran.text));
    assert_eq!(status["high_availability"]["voters_that_answer"], voters);
    assert_eq!(status["nodes"].as_array().map(Vec::len), Some(nodes));
    for node in status["nodes"].as_array().expect("nodes") {
        assert_eq!(node["kubernetes_ready"], true, "{node}");
        assert_eq!(node["held"], true, "{node}");
    }
    assert_eq!(status["pool"]["speakers_ready"], nodes);
    assert_eq!(status["pool"]["probe"]["verdict"], "yes");
    // The cluster's own word, beside ours.
    let wanted = if voters >= 3 { "high-availability: yes" } else { "high-availability: no" };
    ran.expect(ran.part("members").contains(wanted), wanted);
}

#[test]
fn one_node() {
    converges("--nodes 1", 1, 1);
}

#[test]
fn three_nodes() {
    converges("--nodes 3", 3, 3);
}

#[test]
fn five_nodes() {
    converges("--nodes 5", 5, 3);
}

#[test]
fn three_control_planes_and_two_workers_on_debian() {
    converges("--nodes 3 --workers 2 --os debian", 5, 3);
}

#[test]
fn a_changed_pool_is_patched_and_proven_again() {
    let ran = lab(
        "--nodes 3",
        "homeprov up -q $I; echo first=$?
         sed -i 's/200-10.77.0.210/220-10.77.0.225/' $I
         part plan; homeprov plan $I
         homeprov up $I; echo second=$?
         part status; homeprov status $I",
    );
    ran.expect(ran.code_of("first") == 0 && ran.code_of("second") == 0, "both should succeed");
    ran.expect(ran.part("plan").contains("- 10.77.0.200-10.77.0.210"), "the plan shows the old range");
    ran.expect(ran.part("plan").contains("+ 10.77.0.220-10.77.0.225"), "the plan shows the new range");
    ran.expect(ran.part("status").contains("got 10.77.0.22"), "the new pool is probed");
}

#[test]
fn a_node_added_to_the_inventory_is_joined_and_the_others_are_left_alone() {
    let ran = lab(
        "--nodes 3 --spare 1",
        "homeprov up -q $I; echo first=$?
         printf '[[nodes]]\\nname = \"nuc4\"\\naddress = \"10.77.0.14\"\\nrole = \"worker\"\\nlabels = { disk = \"fast\" }\\n' >>$I
         echo \"10.77.0.14 $(ssh-keyscan -t ed25519 10.77.0.14 2>/dev/null | cut -d' ' -f2-)\" >>$(sed -n 's/^known_hosts = \"\\(.*\\)\"/\\1/p' $I)
         part added; homeprov up $I; echo second=$?",
    );
    ran.expect(ran.code_of("first") == 0 && ran.code_of("second") == 0, "both should succeed");
    let added = ran.part("added");
    ran.expect(added.contains("nuc4     it is a worker of the cluster"), "the new node joins");
    let touched =
        added.lines().filter(|line| line.contains("→ nuc1") || line.contains("→ nuc2") || line.contains("→ nuc3"));
    // The old nodes learn the new one's name, nothing else.
    for line in touched {
        ran.expect(line.contains("its peers"), line);
    }
}
