//! What is stuck on real machines: shown with its evidence, mended on proof and after a yes, left alone without. One homelab, one
//! fault after another.

use crate::harness::{Ran, lab};
use crate::row::Row;
use crate::storage::TOOLS;

/// `app NAME` makes a claim and a Deployment of one pod that has it mounted; `where NAME` is where that pod is ready; `till LIMIT
/// COMMAND` waits so many seconds for a command to succeed; `timed NAME COMMAND` says how long one took.
const APPS: &str = r#"
via=11
kubectl() { on $via /snap/bin/microk8s kubectl "$@"; }
app() { kubectl apply -f - <<YAML >/dev/null
{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "$1"}, "spec": {"accessModes": ["ReadWriteOnce"],
  "storageClassName": "homeprov-jiva-retain", "resources": {"requests": {"storage": "1Gi"}}}}
---
{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "$1"}, "spec": {"replicas": 1, "strategy": {"type": "Recreate"},
  "selector": {"matchLabels": {"app": "$1"}}, "template": {"metadata": {"labels": {"app": "$1"}}, "spec": {
    "containers": [{"name": "web", "image": "docker.io/library/nginx:1", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
    "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "$1"}}]}}}}
YAML
}
scale() { kubectl scale deployment $1 --replicas=$2 >/dev/null; }
where() { kubectl get pods -l app=$1 -o wide --no-headers 2>/dev/null | awk '$2 == "1/1" && $3 == "Running" { print $(NF - 2) }'; }
ready() { [ -n "$(where $1)" ]; }
gone() { [ -z "$(kubectl get pods -l app=$1 -o name)" ]; }
volume() { kubectl get pvc $1 -o "jsonpath='{.spec.volumeName}'"; }
jiva() { kubectl get jivavolume -n openebs $(volume $1) -o "jsonpath='{$2}'"; }
is() { [ "$(jiva $1 $2)" = "$3" ]; }
number() { echo $((10 + ${1#nuc})); }
sessions() { name=$(volume $2); on $(number $1) iscsiadm -m session 2>/dev/null </dev/null | grep -c "$name"; }
till() { left=$1; shift; while [ $((left -= 1)) -gt 0 ]; do "$@" >/dev/null 2>&1 && return; sleep 1; done; echo "this did not come about: $*"; }
timed() { began=$(date +%s%N); name=$1; shift; "$@"; echo "$name=$?"; echo "$name-ms=$(( ($(date +%s%N) - began) / 1000000 ))"; }
running() { till 90 ready $1; where $1; }
"#;

/// One fault after another: what `repair` says and does while it is so, and after.
const FAULTS: &str = r#"
homeprov up -q $I || exit 99
part clean; timed clean homeprov repair $I --yes

homeprov-lab fault orphaned-container
app one; node=$(running one); scale one 0; till 60 gone one
part open-owner; jiva one .metadata.labels.nodeID; echo; echo $node
part open; timed open homeprov repair $I --yes
part open-left; is one .metadata.labels.nodeID $node && echo same; sessions $node one
part by-hand
# What the refusal asks for.
on $(number $node) "findmnt -rno TARGET | grep $(volume one) | sort -r | xargs -r umount; findmnt -rno TARGET,SOURCE | awk '/csi.*globalmount/ { print \$1 }' | xargs -r umount"
on $(number $node) iscsiadm -m node -T $(on $(number $node) iscsiadm -m session | grep -o 'iqn[^ ]*') --logout
part let-go; sessions $node one
part closed; timed closed homeprov repair $I --yes
part after-open; timed after-open homeprov repair $I --yes

homeprov-lab fault stale-mount-owner
app two; node=$(running two); scale two 0; till 60 gone two
part owner-left; is two .metadata.labels.nodeID $node && echo same; sessions $node two
homeprov-lab fault stale-mount-owner --lasts 0
part owner-asked; timed owner-asked homeprov repair $I </dev/null
part owner-still; is two .metadata.labels.nodeID $node && echo same
part owner; timed owner homeprov repair $I --yes
kubectl cordon $node >/dev/null; scale two 1
part owner-moved; [ "$(running two)" != $node ] && ready two && echo moved
kubectl uncordon $node >/dev/null

homeprov-lab fault read-only-volume
app three; till 90 is three .status.status RO
part stopped; jiva three .status.status; echo
part stopped-repair; timed stopped-repair homeprov repair $I --yes
homeprov-lab fault read-only-volume --lasts 0
till 120 is three '.status.replicaStatus[*].mode' 'RW RW RW'
part back; jiva three .status.status; echo
part mounted; timed mounted homeprov repair $I --yes
part writes; node=$(running three); on $(number $node) findmnt -rno TARGET,OPTIONS | grep $(volume three) | grep -c ' ro,'

homeprov-lab fault replica-wo
app four; running four >/dev/null
till 60 is four '.status.replicaStatus[*].mode' 'RW RW WO'
part behind; jiva four '.status.replicaStatus[*].mode'; echo
part early; timed early homeprov repair $I --yes
sleep 80
part anew; timed anew homeprov repair $I --yes
part whole; jiva four '.status.replicaStatus[*].mode'; echo
homeprov-lab fault replica-wo --lasts 0

app five; node=$(running five); [ $node != nuc1 ] || via=12
homeprov-lab fault terminating-stuck $node
ends() { kubectl get pods -l app=five -o wide --no-headers | grep $node | grep -q Terminating; }
till 120 ends
part ends; kubectl get pods -l app=five -o wide --no-headers
sleep 8
part ending-asked; timed ending-asked homeprov repair $I </dev/null
part ending; timed ending homeprov repair $I --yes
part ending-moved; till 120 ready five; [ "$(where five)" != $node ] && ready five && echo moved
homeprov-lab power-on $node; till 60 on $(number $node) true
nodes() { [ $(kubectl get nodes --no-headers | grep -cw Ready) = 3 ]; }
till 60 nodes
whole() { [ -z "$(kubectl get jivavolumes -n openebs -o "jsonpath='{.items[*].status.replicaStatus[*].mode}'" | tr -d 'RW ')" ]; }
till 60 whole; sleep 5
part last; timed last homeprov repair $I --yes
part up; timed up homeprov up $I
part up-again; timed up-again homeprov up $I
part end
"#;

/// How many of the lab's seconds a command took.
fn seconds(ran: &Ran, name: &str) -> i32 {
    ran.code_of(&format!("{name}-ms")) * 20 / 1000
}

/// A repair ended with this code and said all of this.
fn said(ran: &Ran, name: &str, code: i32, words: &[&str]) {
    let text = ran.part(name);
    for words in words {
        ran.expect(text.contains(words), &format!("{name} should say: {words}"));
    }
    ran.expect(ran.code_of(name) == code, &format!("{name} should end with exit code {code}"));
}

fn is(ran: &Ran, part: &str, wanted: &str, what: &str) {
    let seen = ran.part(part).trim().to_owned();
    ran.expect(seen == wanted, &format!("{what}: {wanted:?}, not {seen:?}"));
}

#[test]
fn what_is_stuck_is_mended_on_proof_and_left_alone_without() {
    let open = Row::of("orphaned-container", "the old node has the session open; `repair`, in the lab");
    let owner = Row::of("stale-mount-owner", "after the pod is gone; `repair`, in the lab");
    let read_only = Row::of("read-only-volume", "before and after the quorum is back; `repair`, in the lab");
    let replica = Row::of("replica-wo", "after twenty minutes; `repair`, in the lab");
    let terminating = Row::of("terminating-stuck", "a machine with volumes is off; `repair`, in the lab");
    let ran = lab("--nodes 3 --storage default", &format!("{TOOLS}{APPS}{FAULTS}"));
    ran.expect(!ran.text.contains("this did not come about"), "everything that was waited for should come about");
    said(&ran, "clean", 0, &["nothing is stuck"]);

    said(
        &ran,
        "open",
        5,
        &["stale-owner", "holds it:", "iqn.2016-09.com.openebs.jiva:pvc-", "--logout", "1 thing stuck"],
    );
    is(&ran, "open-left", "same\n1", "owner and session are as they were");
    is(&ran, "let-go", "0", "the session was closed by hand");
    said(&ran, "closed", 0, &["mended: stale-owner", "nothing is stuck"]);
    said(&ran, "after-open", 0, &["nothing is stuck"]);
    open.ended("exit code 5 with mount, session and the command that ends it; mended after that");

    is(&ran, "owner-left", "same\n0", "the owner is stale");
    said(
        &ran,
        "owner-asked",
        5,
        &["stale-owner", "neither a mount nor an iSCSI session", "nothing was mended: it asks before each"],
    );
    is(&ran, "owner-still", "same", "nobody was asked, so nothing was done");
    said(&ran, "owner", 0, &["mended: stale-owner", "nothing is stuck"]);
    is(&ran, "owner-moved", "moved", "another node can mount it");
    owner.ended(format!(
        "taken off on proof in {} s of the lab's time; the pod came up on another node",
        seconds(&ran, "owner")
    ));

    is(&ran, "stopped", "RO", "the volume has lost its quorum");
    said(&ran, "stopped-repair", 5, &["read-only-mount", "Bring back the nodes of its replicas"]);
    is(&ran, "back", "RW", "the quorum is back");
    said(&ran, "mounted", 0, &["mended: read-only-mount", "nothing is stuck"]);
    is(&ran, "writes", "0", "it is mounted for writing");
    read_only.ended(format!(
        "refused without a quorum; mounted anew with one in {} s of the lab's time",
        seconds(&ran, "mounted")
    ));

    is(&ran, "behind", "RW RW WO", "a replica stays behind");
    said(&ran, "early", 0, &["nothing is stuck"]);
    said(&ran, "anew", 0, &["mended: replica-behind", "nothing is stuck"]);
    is(&ran, "whole", "RW RW RW", "the replica is whole");
    replica.ended(format!("made anew while two others were RW, in {} s of the lab's time", seconds(&ran, "anew")));

    said(&ran, "ending-asked", 5, &["pod-terminating", "is off: nobody answers for"]);
    // What is mended takes so long now and then that the replicas of the node that is off count as behind.
    let code = if ran.part("ending").contains("✘ replica-behind") { 5 } else { 9 };
    said(&ran, "ending", code, &["mended: pod-terminating", "could not be reached"]);
    is(&ran, "ending-moved", "moved", "its successor runs elsewhere");
    said(&ran, "last", 0, &["nothing is stuck"]);
    ran.expect(ran.code_of("up") == 0 && ran.code_of("up-again") == 0, "up should succeed");
    ran.expect(ran.part("up-again").contains("nothing to do"), "and leave nothing to do");
    terminating.ended(format!(
        "forgotten on proof that its node is off, in {} s of the lab's time; its successor came up elsewhere",
        seconds(&ran, "ending")
    ));
}
