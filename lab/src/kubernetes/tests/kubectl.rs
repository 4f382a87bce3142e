//! What the small `kubectl` prints.

use super::bench::{Bench, deployment};
use crate::kubernetes::{KubectlRun, Kubernetes, NodeView};

fn out(bench: &mut Bench, line: &str) -> String {
    let (out, err, status) = bench.kubectl(line, "");
    assert_eq!((err.as_str(), status), ("", 0), "{line}");
    out
}

/// The machines of the transcripts: names, versions and all.
fn transcript_cluster() -> Bench {
    let mut bench = Bench::fresh(3);
    for (number, view) in bench.views.iter_mut().enumerate() {
        view.name = format!("node{}", number + 1);
        view.version = "v1.36.2".to_owned();
        view.kernel = "6.18.44-fc-v669".to_owned();
    }
    bench
}

#[test]
fn nodes_look_as_on_a_real_cluster() {
    let mut bench = transcript_cluster();
    let late: Vec<NodeView> = bench.views.split_off(1);
    bench.pass(29_000);
    bench.views.push(late[0].clone());
    bench.pass(15_000);
    bench.views.push(late[1].clone());
    bench.pass(150_000);
    assert_eq!(
        out(&mut bench, "get nodes"),
        "NAME    STATUS   ROLES    AGE     VERSION\n\
         node1   Ready    <none>   3m14s   v1.36.2\n\
         node2   Ready    <none>   2m45s   v1.36.2\n\
         node3   Ready    <none>   2m30s   v1.36.2\n"
    );
    assert_eq!(
        out(&mut bench, "get nodes -o wide"),
        "NAME    STATUS   ROLES    AGE     VERSION   INTERNAL-IP   EXTERNAL-IP   OS-IMAGE                         KERNEL-VERSION            CONTAINER-RUNTIME\n\
         node1   Ready    <none>   3m14s   v1.36.2   10.77.0.11    <none>        Debian GNU/Linux 12 (bookworm)   6.18.44-fc-v669 (amd64)   containerd://2.1.9+unknown\n\
         node2   Ready    <none>   2m45s   v1.36.2   10.77.0.12    <none>        Debian GNU/Linux 12 (bookworm)   6.18.44-fc-v669 (amd64)   containerd://2.1.9+unknown\n\
         node3   Ready    <none>   2m30s   v1.36.2   10.77.0.13    <none>        Debian GNU/Linux 12 (bookworm)   6.18.44-fc-v669 (amd64)   containerd://2.1.9+unknown\n"
    );
    bench.view("node3").reachable = false;
    bench.pass(60_000);
    assert_eq!(out(&mut bench, "get node node3").lines().nth(1), Some("node3   NotReady   <none>   3m30s   v1.36.2"));
}

#[test]
fn labels_show_as_on_a_real_cluster() {
    let mut bench = transcript_cluster();
    bench.view("node3").worker = true;
    bench.pass(10_000);
    let shown = out(&mut bench, "get nodes --show-labels");
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[0], "NAME    STATUS   ROLES    AGE   VERSION   LABELS");
    assert_eq!(
        lines[1],
        "node1   Ready    <none>   10s   v1.36.2   beta.kubernetes.io/arch=amd64,beta.kubernetes.io/os=linux,kubernetes.io/arch=amd64,kubernetes.io/hostname=node1,kubernetes.io/os=linux,microk8s.io/cluster=true,node.kubernetes.io/microk8s-controlplane=microk8s-controlplane"
    );
    assert!(lines[3].ends_with("node.kubernetes.io/microk8s-worker=microk8s-worker"));
}

#[test]
fn several_kinds_are_several_tables() {
    let mut bench = transcript_cluster();
    bench.pass(30_000);
    let shown = out(&mut bench, "get nodes,pods -A -o wide");
    let (nodes, pods) = shown.split_once("\n\n").unwrap();
    assert!(nodes.starts_with("NAME         STATUS   ROLES    AGE   VERSION   INTERNAL-IP"));
    assert!(nodes.lines().nth(1).unwrap().starts_with("node/node1   Ready    <none>   30s   v1.36.2   10.77.0.11"));
    let lines: Vec<&str> = pods.lines().collect();
    assert_eq!(
        lines[0].split_whitespace().collect::<Vec<_>>().join(" "),
        "NAMESPACE NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES"
    );
    let calico: Vec<&str> = lines[2].split_whitespace().collect();
    assert_eq!(
        (calico[0], &calico[1][..16], &calico[2..5]),
        ("kube-system", "pod/calico-node-", &["1/1", "Running", "0"][..])
    );
    assert!(shown.lines().all(|line| !line.ends_with(' ')));
}

#[test]
fn nothing_found_is_said_on_stderr() {
    let mut bench = Bench::settled(1);
    let cases = [
        ("get pods", "No resources found in default namespace.\n", 0),
        ("get pods -A -l app=nothing", "No resources found\n", 0),
        ("get storageclasses", "No resources found\n", 0),
        ("get node nuc9", "Error from server (NotFound): nodes \"nuc9\" not found\n", 1),
        ("get deploy web -n kube-system", "Error from server (NotFound): deployments.apps \"web\" not found\n", 1),
        ("get node nuc9 --ignore-not-found", "", 0),
        ("get widgets", "error: the server doesn't have a resource type \"widgets\"\n", 1),
        ("delete node nuc9", "Error from server (NotFound): nodes \"nuc9\" not found\n", 1),
        ("delete node nuc9 --ignore-not-found", "", 0),
        ("get pods --nosuch", "error: unknown flag: --nosuch\nSee 'kubectl --help' for usage.\n", 1),
    ];
    for (line, expected, status) in cases {
        assert_eq!(bench.kubectl(line, ""), (String::new(), expected.to_owned(), status), "{line}");
    }
    assert_eq!(bench.kubectl("get pods -o name", ""), (String::new(), String::new(), 0));
}

#[test]
fn formats() {
    let mut bench = Bench::settled(2);
    assert_eq!(out(&mut bench, "get nodes -o name"), "node/nuc1\nnode/nuc2\n");
    assert_eq!(
        out(&mut bench, "get deploy,ds -n kube-system -o name"),
        "deployment.apps/calico-kube-controllers\ndeployment.apps/coredns\ndaemonset.apps/calico-node\n"
    );
    assert_eq!(out(&mut bench, "get nodes -o jsonpath={.items[*].metadata.name}"), "nuc1 nuc2");
    assert_eq!(out(&mut bench, "get svc kubernetes -o jsonpath={.spec.clusterIP}"), "10.152.183.1");
    let json: serde_json::Value = serde_json::from_str(&out(&mut bench, "get nodes -o json")).unwrap();
    assert_eq!((json["kind"].as_str(), json["items"][0]["kind"].as_str()), (Some("List"), Some("Node")));
    let yaml = out(&mut bench, "get ns default -o yaml");
    assert!(
        yaml.starts_with("apiVersion: v1\nkind: Namespace\nmetadata:\n  creationTimestamp: \"2026-11-21T01:46:00Z\"\n"),
        "{yaml}"
    );
    assert!(out(&mut bench, "get all,ingress,ingressclass -A").contains("service/kubernetes"));
    assert!(out(&mut bench, "get all -A").contains("pod/coredns-"));
    assert_eq!(out(&mut bench, "get ns --no-headers").lines().count(), 4);
    assert_eq!(
        out(&mut bench, "get svc -A").lines().nth(2).unwrap().split_whitespace().collect::<Vec<_>>()[..6],
        ["kube-system", "kube-dns", "ClusterIP", "10.152.183.10", "<none>", "53/UDP,53/TCP,9153/TCP"]
    );
}

#[test]
fn apply_creates_configures_and_leaves_alone() {
    let mut bench = Bench::settled(1);
    let manifest = |value: &str, more: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: \"{value}\"\n{more}---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: photos\n"
        )
    };
    assert_eq!(
        bench.kubectl("apply -f -", &manifest("1", "  y: \"2\"\n")).0,
        "configmap/a created\nnamespace/photos created\n"
    );
    assert_eq!(
        bench.kubectl("apply -f -", &manifest("1", "  y: \"2\"\n")).0,
        "configmap/a unchanged\nnamespace/photos unchanged\n"
    );
    bench.kubectl("patch cm a --type=merge -p {\"data\":{\"z\":\"9\"}}", "");
    assert_eq!(
        bench.kubectl("apply -f -", &manifest("2", "")).0,
        "configmap/a configured\nnamespace/photos unchanged\n"
    );
    let data = out(&mut bench, "get cm a -o jsonpath={.data}");
    assert_eq!(data, r#"{"x":"2","z":"9"}"#, "y was applied before and is gone, z was never applied and stays");
    let (_, err, status) = bench.kubectl("apply -f -", "apiVersion: x.io/v1\nkind: Y\nmetadata:\n  name: n\n");
    assert_eq!(
        (err.as_str(), status),
        (
            "error: resource mapping not found for name: \"n\" namespace: \"\" from \"STDIN\": no matches for kind \"Y\" in version \"x.io/v1\"\nensure CRDs are installed first\n",
            1
        )
    );
    assert_eq!(out(&mut bench, "delete cm a"), "configmap \"a\" deleted\n");
}

#[test]
fn labels_annotations_patches_scales_and_cordons() {
    let mut bench = Bench::settled(1);
    bench.post("/apis/apps/v1/namespaces/default/deployments", &deployment("d", 1, "i:1"));
    bench.pass(10_000);
    let cases = [
        ("label node nuc1 rack=a", "node/nuc1 labeled\n"),
        ("label node nuc1 rack=a", "node/nuc1 not labeled\n"),
        ("label node nuc1 rack=b --overwrite", "node/nuc1 labeled\n"),
        ("label node nuc1 rack-", "node/nuc1 unlabeled\n"),
        ("annotate node nuc1 note=x", "node/nuc1 annotated\n"),
        ("cordon nuc1", "node/nuc1 cordoned\n"),
        ("cordon nuc1", "node/nuc1 already cordoned\n"),
        ("uncordon nuc1", "node/nuc1 uncordoned\n"),
        ("scale deployment/d --replicas=2", "deployment.apps/d scaled\n"),
        ("patch deployment d -p {\"spec\":{\"replicas\":3}}", "deployment.apps/d patched\n"),
        ("patch deployment d -p {\"spec\":{\"replicas\":3}}", "deployment.apps/d patched (no change)\n"),
    ];
    for (line, expected) in cases {
        assert_eq!(out(&mut bench, line), expected, "{line}");
    }
    bench.kubectl("label node nuc1 rack=a", "");
    let refused = bench.kubectl("label node nuc1 rack=c", "");
    assert_eq!(
        (refused.1.as_str(), refused.2),
        ("error: 'rack' already has a value (a), and --overwrite is false\n", 1)
    );
    assert!(out(&mut bench, "logs -n kube-system deployment/coredns").contains("CoreDNS-"));
    assert!(out(&mut bench, "version").contains("Server Version: v1.36.2\n"));
}

fn until_end(run: &mut KubectlRun, bench: &mut Bench) -> (String, String, i32) {
    let (mut out, mut err) = (String::new(), String::new());
    for _ in 0..600 {
        let step = run.poll(&mut bench.cluster, bench.now);
        out.push_str(&String::from_utf8(step.stdout).unwrap());
        err.push_str(&String::from_utf8(step.stderr).unwrap());
        if let Some(exit) = step.exit {
            return (out, err, exit);
        }
        bench.pass(500);
    }
    panic!("still running after five minutes; so far: {out}{err}");
}

fn run(line: &str) -> KubectlRun {
    let argv: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    Kubernetes::kubectl_start(&argv, b"")
}

#[test]
fn rollouts_are_followed_to_their_end() {
    let mut bench = Bench::settled(1);
    bench.post("/apis/apps/v1/namespaces/default/deployments", &deployment("d", 1, "i:1"));
    bench.pass(100);
    let ended = until_end(&mut run("rollout status deployment/d"), &mut bench);
    assert_eq!(
        ended,
        ("Waiting for deployment \"d\" rollout to finish: 0 of 1 updated replicas are available...\ndeployment \"d\" successfully rolled out\n".to_owned(), String::new(), 0)
    );
    let ended = until_end(&mut run("rollout status ds/calico-node -n kube-system --timeout=40s"), &mut bench);
    assert_eq!(ended.0, "daemon set \"calico-node\" successfully rolled out\n");
    let ended = until_end(&mut run("wait --for=condition=Available deployment/d"), &mut bench);
    assert_eq!(ended.0, "deployment.apps/d condition met\n");
    let ended = until_end(&mut run("wait --for=condition=Nothing deployment/d --timeout=3s"), &mut bench);
    assert_eq!((ended.1.as_str(), ended.2), ("error: timed out waiting for the condition on deployments/d\n", 1));
    let pod = out(&mut bench, "get pods -o jsonpath={.items[0].metadata.name}");
    let before = bench.now;
    let ended = until_end(&mut run(&format!("delete pod {pod}")), &mut bench);
    assert_eq!((ended.0, ended.2), (format!("pod \"{pod}\" deleted\n"), 0));
    assert!(bench.now > before, "it waited for the containers to stop");
}
