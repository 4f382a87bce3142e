//! Members come and go by the commands: the file, the cluster and the machines agree afterwards.

use crate::harness::lab;
use crate::row::Row;
use crate::tools::{ALBUM, TOOLS};

const SCRIPT: &str = r#"
cd $(mktemp -d)
sed -i '1i # The machines in the cellar.' $I
part up; homeprov up -q $I; echo up=$?
part add; homeprov add --yes $I nuc4 10.77.0.14; echo add=$?
part added; homeprov up $I; echo added=$?
part remove; homeprov remove --yes $I nuc1; echo remove=$?
part settled; homeprov up -q $I; echo settled=$?
part removed; homeprov up $I; echo removed=$?
part file; cat $I
part merge; KUBECONFIG=$PWD/kube/config homeprov kubeconfig --merge $I; echo merge=$?
stat -c 'mode=%a' kube/config
part nodes; kubectl --kubeconfig kube/config --context lab get nodes -o name; echo nodes=$?
part unknown; homeprov remove --yes $I nuc1; echo unknown=$?
part bare; ssh -F none -i "$(sed -n 's/^identity = "\(.*\)"/\1/p' $I)" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR root@10.77.0.11 /usr/bin/snap remove --purge microk8s; echo bare=$?
part replace; homeprov-lab power-off nuc2; homeprov replace --yes $I nuc2 10.77.0.11; echo replace=$?
part replaced; homeprov up $I; echo replaced=$?
part last; KUBECONFIG=$PWD/kube/config homeprov kubeconfig --merge $I; kubectl --kubeconfig kube/config --context lab get nodes -o wide
"#;

#[test]
fn a_node_is_added_another_removed_and_a_dead_one_replaced() {
    let ran = lab("--nodes 3 --spare 1", SCRIPT);
    for step in ["up", "add", "added", "remove", "settled", "removed", "merge", "nodes", "bare", "replace", "replaced"]
    {
        ran.expect(ran.code_of(step) == 0, &format!("{step} should succeed"));
    }
    for again in ["added", "removed", "replaced"] {
        ran.expect(ran.part(again).contains("nothing to do"), &format!("nothing should be left to do: {again}"));
    }
    let file = ran.part("file");
    ran.expect(file.starts_with("# The machines in the cellar."), "the comment should stay");
    ran.expect(file.contains("name = \"nuc4\"") && !file.contains("nuc1"), "the file should name who is there");
    ran.expect(ran.part("nodes").starts_with("node/nuc2\nnode/nuc3\nnode/nuc4\n"), "the Nodes should be these");
    ran.expect(ran.part("merge").contains("mode=600"), "nobody else should read the kubeconfig");
    ran.expect(ran.code_of("unknown") == 2, "who is not there cannot be removed");
    let last = ran.part("last");
    let moved = last.lines().any(|line| line.starts_with("nuc2 ") && line.contains("10.77.0.11"));
    ran.expect(moved, "nuc2 should be the new machine");
}

/// A node that is not the first one and holds another replica than the second, which is the one the fault takes.
const HOLDER: &str = r#"
replicas() { kubectl get pods -n openebs -l openebs.io/component=jiva-replica -o "jsonpath='{range .items[*]}{.metadata.name} {.spec.nodeName} {.metadata.uid}{\"\n\"}{end}'"; }
second() { replicas | sed -n 's/^[^ ]*-1 //p'; }
holder() { replicas | grep -v -e '-1 nuc' -e ' nuc1 ' | head -n 1 | cut -d' ' -f2; }
"#;

#[test]
fn a_replica_lost_while_a_node_leaves_is_waited_for() {
    let row = Row::of("replica-lost", "while another replica's node is being emptied; `remove`, in the lab");
    let ran = lab(
        "--nodes 4 --storage jiva --rwx off --replicas 3",
        &format!(
            r#"{TOOLS}{ALBUM}{HOLDER}
            part up; homeprov up -q $I; echo up=$?; album
            part before; hash; echo; modes; echo; replicas
            NODE=$(holder); echo "node=$NODE"
            part second; second
            homeprov remove --yes --json $I $NODE >log 2>errors & run=$!
            seen grep -q '"event":"step-started".*"step":"node-cordoned"' log
            homeprov-lab fault replica-lost
            wait $run; echo removed=$?; tail -n 1 log; cat errors
            part struck; second
            part waited; grep '"event":"waiting"' log
            part after; seen hashed; hash; echo; modes; echo; replicas
            part file; grep '^name' $I
            part settled; homeprov up -q $I; echo settled=$?
            part rest; homeprov up $I; echo rest=$?
            part end"#
        ),
    );
    ran.expect(ran.code_of("up") == 0, "there should be a cluster");
    let before = ran.part("before");
    let hash = before.lines().find(|line| line.contains("/data/picture")).unwrap_or_default().to_owned();
    ran.expect(!hash.is_empty() && before.matches("RW").count() == 3, "with a whole volume");
    let node = before.lines().find_map(|line| line.strip_prefix("node=")).unwrap_or_default().to_owned();
    ran.expect(node.starts_with("nuc"), "one of whose replicas is on another node than the first");
    let (second, struck) = (ran.part("second"), ran.part("struck"));
    ran.expect(!second.trim().is_empty() && second != struck, "the fault should have struck another replica");
    ran.expect(ran.code_of("removed") == 0, "it should be waited for, and the node be out");
    let after = ran.part("after");
    ran.expect(after.contains(&hash) && after.matches("RW").count() == 3, "the bytes should be there, three times");
    ran.expect(!after.contains(&format!(" {node} ")), "and no replica on the node that has left");
    ran.expect(!ran.part("file").contains(&node), "the file should not name it");
    ran.expect(
        ran.code_of("settled") == 0 && ran.part("rest").contains("nothing to do"),
        "nothing should be left to do",
    );
    row.ended("waited for, then taken out; three replicas RW on the others, the bytes as they were");
}
