//! Machines become bare again: one of them, then all; and a cluster is made of them anew.

use crate::harness::lab;
use crate::tools::TOOLS;

/// `typed WORD COMMAND…` runs a command on a terminal and types a word when it is asked for one.
const TYPED: &str = r#"
typed() {
	word=$1; shift; rm -f tty code
	{ for n in $(seq 600); do grep -qs 'to go on' tty && break; sleep 0.1; done; echo "$word"; } |
		script -qfec "$*; echo \$? >code" tty >/dev/null
	tr -d '\r' <tty; return "$(cat code)"
}
bare() { for a in "$@"; do on $a 'ls -d /snap/microk8s/current /var/snap/microk8s /var/lib/homeprov/identity; snap list microk8s' 2>&1 | sed "s/^/$a: /"; done; }
identity() { on 11 cat /var/lib/homeprov/identity; }
"#;

#[test]
fn one_machine_and_then_all_are_bare_again() {
    let ran = lab(
        "--nodes 4 --storage hostpath",
        &format!(
            r"{TOOLS}{TYPED}
            part made; homeprov up -q $I; echo made=$?
            kubectl apply -f - <<Y
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: album, namespace: default}}
spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 64Mi}}}}}}
Y
            part first; identity; echo
            part unasked; homeprov reset $I --node nuc4 </dev/null; echo unasked=$?
            part wrong; homeprov reset $I --node nuc4 --confirm lab </dev/null; echo wrong=$?
            part mistyped; typed nuc3 homeprov reset $I --node nuc4; echo mistyped=$?
            part kept; cat $I; kubectl get nodes -o name
            part one; typed nuc4 homeprov reset $I --node nuc4; echo one=$?
            part nodes; kubectl get nodes -o name; grep '^name' $I; on 11 /snap/bin/microk8s status | head -4
            part gone; bare 14
            part settled; homeprov up -q $I; echo settled=$?
            part rest; homeprov up $I; echo rest=$?
            part all; typed lab homeprov reset $I; echo all=$?
            part bare; bare 11 12 13
            part again; homeprov reset $I --confirm lab; echo again=$?
            part anew; homeprov up -q $I; echo anew=$?
            part nothing; homeprov up $I; echo nothing=$?
            part status; homeprov status $I
            part second; identity; echo
            part end"
        ),
    );
    ran.expect(ran.code_of("made") == 0, "there should be a cluster");
    ran.expect(ran.code_of("unasked") == 2, "without a terminal it should want --confirm");
    ran.expect(ran.part("unasked").contains("--confirm nuc4"), "and say so");
    ran.expect(ran.code_of("wrong") == 2 && ran.part("wrong").contains("nothing was changed"), "with the right name");
    ran.expect(ran.code_of("mistyped") == 5, "another name than the node's should change nothing");
    ran.expect(ran.part("kept").contains("node/nuc4") && ran.part("kept").contains("\"nuc4\""), "the node should stay");

    ran.expect(ran.code_of("one") == 0, "the node should be reset once its name was typed");
    let nodes = ran.part("nodes");
    ran.expect(!nodes.contains("nuc4") && nodes.contains("node/nuc3"), "the cluster and the file should not know it");
    ran.expect(nodes.contains("high-availability: yes"), "and three voters should be left");
    let bare = |part: &str, machines: usize| {
        let seen = ran.part(part);
        let there: Vec<&str> =
            seen.lines().filter(|line| !line.contains("No such file") && !line.contains("no matching snaps")).collect();
        ran.expect(there.is_empty() && seen.lines().count() == 4 * machines, "nothing of MicroK8s or homeprov is left");
    };
    bare("gone", 1);
    ran.expect(ran.part("one").contains("nuc4: left: "), "what is left there should be told");
    ran.expect(ran.code_of("settled") == 0, "the others should be a cluster");
    ran.expect(ran.part("rest").contains("nothing to do"), "that rests");

    ran.expect(ran.code_of("all") == 0, "the whole cluster should be reset");
    ran.expect(ran.part("all").contains("lost: default/album"), "with a word on whose data goes");
    bare("bare", 3);
    ran.expect(
        ran.code_of("again") == 0 && ran.part("again").contains("nothing to do"),
        "a second reset finds nothing",
    );
    ran.expect(ran.code_of("anew") == 0, "the machines should become a cluster again");
    ran.expect(ran.part("nothing").contains("nothing to do"), "that rests");
    ran.expect(ran.part("status").contains("highly available (3 of 3"), "of three voters");
    let (first, second) = (ran.part("first"), ran.part("second"));
    ran.expect(first.len() > 40 && second.len() > 40 && first != second, "it should be another cluster");
}
