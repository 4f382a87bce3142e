//! `doctor` over real SSH: nothing where all is well, and by its name what can be seen from outside.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::{Ran, lab};
use crate::row::Row;
use crate::tools::TOOLS;

/// The checks that found something, as `CHECK NODE`, from a part that has `doctor --json` in it. Each is complete.
fn found(ran: &Ran, part: &str) -> BTreeSet<String> {
    let text = ran.part(part);
    let diagnosis: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{part}: {}", ran.text));
    assert!(diagnosis["checks"].as_u64() > Some(30), "{diagnosis}");
    let findings = diagnosis["findings"].as_array().expect("findings");
    for finding in findings {
        for (word, least) in [("symptom", 20), ("cause", 20), ("evidence", 5), ("remedy", 10), ("link", 10)] {
            assert!(finding[word].as_str().is_some_and(|text| text.len() > least), "{word}: {finding}");
        }
    }
    let name = |finding: &Value| {
        let node = finding["node"].as_str().unwrap_or("-");
        format!("{} {node}", finding["check"].as_str().expect("a name"))
    };
    findings.iter().map(name).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn what_machines_lack_is_named_before_anything_is_installed() {
    let row = Row::of(
        "clock-skew, small-memory, duplicate-machine-id, dpkg-interrupted",
        "from the start; `doctor` on bare machines, in the lab",
    );
    let ran = lab(
        "--nodes 3 --fault clock-skew@nuc3 --fault small-memory@nuc2 --fault duplicate-machine-id@nuc3 --fault dpkg-interrupted@nuc1",
        &format!(
            "{TOOLS}part json; homeprov doctor --json $I 2>/dev/null; part code; homeprov doctor $I; echo found=$?
             part snaps; for a in 11 12 13; do on $a ls -d /snap/microk8s; done"
        ),
    );
    let wanted = ["clock-off -", "machine-id-shared -", "packages-half-configured nuc1", "too-little-memory nuc2"];
    assert_eq!(found(&ran, "json"), set(&wanted), "{}", ran.text);
    ran.expect(ran.code_of("found") == 7, "exit code 7");
    for words in ["nuc3", "timedatectl", "systemd-machine-id-setup", "dpkg --configure -a", "4 found"] {
        ran.expect(ran.part("code").contains(words), &format!("it should say: {words}"));
    }
    ran.expect(ran.part("snaps").matches("No such file").count() == 3, "and change nothing");
    row.ended("each named by doctor, with its remedy");
}

#[test]
fn a_healthy_cluster_is_left_in_peace_and_what_befalls_it_is_named() {
    let row = Row::of(
        "iscsid-off, cloned-initiator-name, nfs-client-missing, then a dead voter",
        "in a healthy cluster with storage; `doctor`, in the lab",
    );
    let ran = lab(
        "--nodes 3 --storage default",
        &format!(
            r"{TOOLS}
            away() {{ kubectl get nodes | grep -q '^nuc3 *NotReady'; }}
            back() {{ kubectl get nodes | grep -q '^nuc3 *Ready'; }}
            part up; homeprov up -q $I; echo up=$?
            part healthy; homeprov doctor --json $I 2>/dev/null; part code; homeprov doctor $I; echo healthy=$?
            homeprov-lab fault iscsid-off nuc2
            homeprov-lab fault cloned-initiator-name
            homeprov-lab fault nfs-client-missing nuc1
            part storage; homeprov doctor --json $I 2>/dev/null; part ill; homeprov doctor $I; echo ill=$?
            homeprov-lab power-off nuc3; seen away
            part dead; homeprov doctor --json $I >dead.json; echo dead=$?
            part dead-json; cat dead.json
            homeprov-lab power-on nuc3; seen on 13 true; seen back
            part mended; homeprov up $I; echo mended=$?
            part last; homeprov doctor --json $I >last.json; echo last=$?
            part last-json; cat last.json
            part end"
        ),
    );
    ran.expect(ran.code_of("up") == 0, "there should be a cluster");
    assert_eq!(found(&ran, "healthy"), set(&[]), "{}", ran.text);
    ran.expect(ran.code_of("healthy") == 0 && ran.part("code").contains("nothing found"), "nothing should be found");
    let storage = ["iscsid-off nuc2", "initiator-shared -", "nfs-client-missing nuc1"];
    assert_eq!(found(&ran, "storage"), set(&storage), "{}", ran.text);
    ran.expect(ran.code_of("ill") == 7, "exit code 7");
    let dead = found(&ran, "dead-json");
    ran.expect(ran.code_of("dead") == 7, "exit code 7");
    ran.expect(dead.is_superset(&set(&storage)), "what is still so should still be named");
    for check in ["voter-silent", "node-not-ready"] {
        ran.expect(dead.iter().any(|name| name.starts_with(check)), &format!("{check} should be among {dead:?}"));
    }
    ran.expect(ran.part("dead-json").contains("nuc3 could not be reached"), "and who could not be asked");
    ran.expect(ran.code_of("mended") == 0, "`up` should mend it");
    ran.expect(ran.code_of("last") == 0, "and then nothing should be left");
    assert_eq!(found(&ran, "last-json"), set(&[]), "{}", ran.text);
    row.ended("nothing before; each named by doctor; nothing again after `up`");
}
