//! The stock `kubectl` against the lab's API server, over real TLS.
//!
//! It takes the program from `PATH`, or the one `KUBECTL` names; Debian's is in the package `kubernetes-client`.

mod kubectl_front;

use std::io::{BufRead, BufReader};
use std::time::Duration;

use kubectl_front::Served;

const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
spec:
  replicas: 2
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: main
        image: nginx:1.29
        ports:
        - containerPort: 80
        env:
        - {name: A, value: '1'}
        - {name: B, value: '2'}
---
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector: {app: web}
  ports:
  - {port: 80}
";

#[test]
fn get_prints_tables_and_data() {
    let served = Served::start(3);
    let nodes = served.kubectl(&["get", "nodes", "-o", "wide"], "");
    let lines: Vec<Vec<&str>> = nodes.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][..6], ["NAME", "STATUS", "ROLES", "AGE", "VERSION", "INTERNAL-IP"]);
    assert_eq!((lines[1][0], lines[1][1], lines[1][2], lines[1][5]), ("nuc1", "Ready", "<none>", "10.77.0.11"));
    assert_eq!(served.kubectl(&["get", "nodes", "-o", "name"], ""), "node/nuc1\nnode/nuc2\nnode/nuc3\n");
    assert_eq!(served.kubectl(&["get", "svc", "kubernetes", "-o", "jsonpath={.spec.clusterIP}"], ""), "10.152.183.1");
    let all = served.kubectl(&["get", "all", "-A"], "");
    for row in [
        "pod/coredns-",
        "service/kube-dns",
        "daemonset.apps/calico-node",
        "deployment.apps/coredns",
        "replicaset.apps/coredns-",
    ] {
        assert!(all.contains(row), "{row} is missing in:\n{all}");
    }
    assert!(
        served
            .kubectl(&["get", "pods", "-A", "-l", "k8s-app=kube-dns", "--show-labels"], "")
            .contains("k8s-app=kube-dns")
    );
    assert!(served.kubectl(&["get", "events", "-n", "kube-system"], "").contains("Scheduled"));
    assert!(served.kubectl(&["api-resources"], "").contains("deployments"));
    assert!(served.kubectl(&["version"], "").contains("v1.35.0"));
    assert_eq!(served.kubectl(&["get", "--raw", "/readyz"], "").trim(), "ok");
    assert!(served.kubectl(&["describe", "node", "nuc2"], "").contains("InternalIP:  10.77.0.12"));
    let missing = served.refused("admin", &["get", "deployment", "nosuch"], "");
    assert_eq!(missing, "Error from server (NotFound): deployments.apps \"nosuch\" not found\n");
}

#[test]
fn apply_rolls_out_and_delete_takes_away() {
    let served = Served::start(2);
    assert_eq!(served.kubectl(&["apply", "-f", "-"], DEPLOYMENT), "deployment.apps/web created\nservice/web created\n");
    let followed = served.kubectl(&["rollout", "status", "deployment/web", "--timeout=30s"], "");
    assert!(followed.ends_with("deployment \"web\" successfully rolled out\n"), "{followed}");
    assert_eq!(
        served.kubectl(&["wait", "--for=condition=Available", "deployment/web", "--timeout=30s"], ""),
        "deployment.apps/web condition met\n"
    );
    assert_eq!(
        served.kubectl(&["apply", "-f", "-"], DEPLOYMENT),
        "deployment.apps/web unchanged\nservice/web unchanged\n"
    );
    let changed = DEPLOYMENT.replace("        - {name: B, value: '2'}\n", "").replace("replicas: 2", "replicas: 3");
    assert_eq!(
        served.kubectl(&["apply", "-f", "-"], &changed),
        "deployment.apps/web configured\nservice/web unchanged\n"
    );
    served.kubectl(&["rollout", "status", "deployment/web", "--timeout=30s"], "");
    let env = served.kubectl(
        &[
            "get",
            "deployment",
            "web",
            "-o",
            "jsonpath={.spec.template.spec.containers[0].env[*].name} {.status.readyReplicas}",
        ],
        "",
    );
    assert_eq!(env, "A 3");
    served.kubectl(&["logs", "deployment/web"], "");
    assert_eq!(served.kubectl(&["scale", "deployment/web", "--replicas=1"], ""), "deployment.apps/web scaled\n");
    let gone = served.kubectl(&["delete", "deployment", "web", "--timeout=30s"], "");
    assert!(gone.starts_with("deployment.apps \"web\" deleted"), "{gone}");
    let gone = served.kubectl(&["delete", "pods", "--all", "--timeout=30s"], "");
    assert!(
        gone.is_empty() || gone.lines().all(|line| line.starts_with("pod ") || line == "No resources found"),
        "{gone}"
    );
}

#[test]
fn patches_of_every_type_and_server_side_apply() {
    let served = Served::start(1);
    let created = served
        .kubectl(&["create", "-f", "-"], "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1'}\n");
    assert_eq!(created, "configmap/a created\n");
    for (kind, patch) in [
        ("merge", r#"{"data":{"y":"2"}}"#),
        ("strategic", r#"{"metadata":{"labels":{"l":"1"}}}"#),
        ("json", r#"[{"op":"replace","path":"/data/x","value":"9"}]"#),
    ] {
        assert_eq!(
            served.kubectl(&["patch", "configmap", "a", "--type", kind, "-p", patch], ""),
            "configmap/a patched\n"
        );
    }
    assert_eq!(served.kubectl(&["get", "configmap", "a", "-o", "jsonpath={.data}"], ""), r#"{"x":"9","y":"2"}"#);
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '10'}\n";
    let conflict = served.refused("admin", &["apply", "--server-side", "--field-manager=other", "-f", "-"], manifest);
    assert!(conflict.contains("conflict with \"kubectl-patch\""), "{conflict}");
    let forced =
        served.kubectl(&["apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", "-"], manifest);
    assert_eq!(forced, "configmap/a serverside-applied\n");
    assert_eq!(served.kubectl(&["label", "node", "nuc1", "rack=a"], ""), "node/nuc1 labeled\n");
    assert_eq!(served.kubectl(&["cordon", "nuc1"], ""), "node/nuc1 cordoned\n");
    assert!(served.kubectl(&["get", "nodes"], "").contains("Ready,SchedulingDisabled"));
    let namespace = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"photos"}}"#;
    let dry = served.kubectl(&["create", "--raw", "/api/v1/namespaces?dryRun=All", "-f", "-"], namespace);
    assert!(dry.contains("\"phase\":\"Active\""), "{dry}");
    served.refused("admin", &["get", "namespace", "photos"], "");
}

#[test]
fn a_watch_shows_changes_as_they_happen() {
    let served = Served::start(2);
    let mut child = served.command("admin", &["get", "nodes", "-w", "--no-headers"]).spawn().expect("kubectl");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut next = || lines.next().expect("a line").expect("text");
    assert!(next().starts_with("nuc1"));
    assert!(next().starts_with("nuc2"));
    served.cluster.with(|_, views, _| views[1].reachable = false);
    let lost = next();
    assert!(lost.starts_with("nuc2") && lost.contains("NotReady"), "{lost}");
    child.kill().expect("still running");
    child.wait().expect("an end");
}

#[test]
fn custom_resources_and_webhooks() {
    let served = Served::start(2);
    served.cluster.with(|cluster, _, now| cluster.install_metallb(now));
    let ready = served.kubectl(
        &["wait", "--for=condition=Available", "-n", "metallb-system", "deployment/controller", "--timeout=30s"],
        "",
    );
    assert_eq!(ready, "deployment.apps/controller condition met\n");
    served.kubectl(&["wait", "--for=condition=Established", "crd/ipaddresspools.metallb.io", "--timeout=30s"], "");
    let pool = |range: &str| {
        format!(
            "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {{name: p, namespace: metallb-system}}\nspec: {{addresses: ['{range}']}}\n"
        )
    };
    let denied = served.refused("admin", &["apply", "-f", "-"], &pool("10.77.0.9-10.77.0.1"));
    assert!(
        denied.contains("admission webhook \"ipaddresspoolvalidationwebhook.metallb.io\" denied the request"),
        "{denied}"
    );
    assert_eq!(
        served.kubectl(&["apply", "-f", "-"], &pool("10.77.0.200-10.77.0.201")),
        "ipaddresspool.metallb.io/p created\n"
    );
    let table = served.kubectl(&["get", "ipaddresspools", "-n", "metallb-system"], "");
    assert_eq!(
        table,
        "NAME   AUTO ASSIGN   AVOID BUGGY IPS   ADDRESSES\np      true          false             [\"10.77.0.200-10.77.0.201\"]\n"
    );
    let patch = r#"{"spec":{"addresses":["10.77.0.220/32"]}}"#;
    assert_eq!(
        served.kubectl(&["patch", "ipaddresspool", "p", "-n", "metallb-system", "--type=merge", "-p", patch], ""),
        "ipaddresspool.metallb.io/p patched\n"
    );
    served.kubectl(&["delete", "ipaddresspool", "p", "-n", "metallb-system"], "");
    served.refused("admin", &["get", "ipaddresspool", "p", "-n", "metallb-system"], "");
}

#[test]
fn strangers_are_not_let_in() {
    let served = Served::start(1);
    let refused = served.refused("stranger", &["get", "nodes"], "");
    assert!(refused.contains("Unauthorized") || refused.contains("logged in"), "{refused}");
    assert!(served.as_user("token", &["get", "nodes"]).contains("nuc1"));
    assert_eq!(unauthenticated(&served, "/readyz"), (401, true));
}

/// The status of a request without any credentials, and whether the body is a `Status`.
fn unauthenticated(served: &Served, path: &str) -> (u16, bool) {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(served.authority.as_bytes()).expect("PEM")).expect("a CA");
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let answer = served.runtime().block_on(async {
        let stream = tokio::net::TcpStream::connect(served.address).await.expect("a server");
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
        let mut stream =
            connector.connect(ServerName::try_from("127.0.0.1").expect("a name"), stream).await.expect("TLS");
        stream.write_all(request.as_bytes()).await.expect("an open connection");
        let mut answer = String::new();
        // The server may close without a farewell.
        let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await;
        answer
    });
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default();
    (status, answer.contains("\"reason\":\"Unauthorized\""))
}
