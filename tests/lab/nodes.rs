//! Members come and go by the commands: the file, the cluster and the machines agree afterwards.

use crate::harness::lab;

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
