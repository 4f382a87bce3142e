//! The ingress controllers: classes, rules, what they answer and where.

use serde_json::{Value, json};

use super::bench::{Bench, deployment};
use crate::kubernetes::{Chart, HttpAnswer, IngressController, Release, merge_values};

const INGRESSES: &str = "/apis/networking.k8s.io/v1/namespaces/default/ingresses";

fn with_nginx() -> Bench {
    let mut bench = Bench::settled(2);
    bench.cluster.install_ingress_nginx(bench.now, None);
    bench.pass(60_000);
    bench
}

/// The chart as the addon installs it, without helm.
fn with_traefik() -> Bench {
    let mut bench = Bench::settled(2);
    let now = bench.now;
    bench.cluster.install_gateway_api(now);
    bench.cluster.install_traefik_definitions(now);
    bench.pass(1_000);
    bench.post("/api/v1/namespaces", &json!({"metadata": {"name": "ingress"}}));
    let chart = Chart::versions("traefik").next().unwrap();
    let mut values = chart.defaults();
    merge_values(
        &mut values,
        &json!({"deployment": {"kind": "DaemonSet"}, "providers": {"kubernetesGateway": {"enabled": true}},
            "ports": {"web": {"hostPort": 80}, "websecure": {"hostPort": 443}}}),
    );
    let objects = chart.render(Release { name: "traefik", namespace: "ingress" }, &values);
    bench.cluster.release_builds(&objects).unwrap();
    for object in objects {
        bench.cluster.release_create(bench.now, &object).unwrap();
    }
    bench.pass(60_000);
    bench
}

fn ingress(host: &str, class: Option<&str>) -> Value {
    let mut ingress = json!({"metadata": {"name": host.replace('.', "-")}, "spec": {"rules": [{"host": host, "http": {"paths": [
        {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "app", "port": {"name": "web"}}}}]}}]}});
    if let Some(class) = class {
        ingress["spec"]["ingressClassName"] = class.into();
    }
    ingress
}

fn app(bench: &mut Bench, replicas: u32) {
    let image = "registry.example/app:1";
    bench.post("/apis/apps/v1/namespaces/default/deployments", &deployment("app", replicas, image));
    bench.post(
        "/api/v1/namespaces/default/services",
        &json!({"metadata": {"name": "app"}, "spec": {"selector": {"app": "app"}, "ports": [{"name": "web", "port": 80, "targetPort": "http"}]}}),
    );
    bench.pass(30_000);
}

fn get(bench: &Bench, host: &str, https: bool) -> HttpAnswer {
    bench.cluster.site(host, "/", https)
}

fn body(answer: &HttpAnswer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

#[test]
fn nginx_routes_by_class_and_host() {
    let mut bench = with_nginx();
    app(&mut bench, 1);
    for (host, class) in [("a.example", Some("public")), ("b.example", Some("nginx")), ("c.example", None)] {
        bench.post(INGRESSES, &ingress(host, class));
    }
    bench.post(INGRESSES, &ingress("d.example", Some("other")));
    for host in ["a.example", "a.example:80", "b.example", "c.example"] {
        let answer = get(&bench, host, true);
        assert!(answer.status == 200 && body(&answer).starts_with("hello from app-"), "{host}: {answer:?}");
    }
    let unknown = get(&bench, "d.example", true);
    assert_eq!(unknown.status, 404);
    assert!(body(&unknown).contains("<center>nginx</center>"), "{}", body(&unknown));
    let defaulted = bench.get(&format!("{INGRESSES}/c-example"));
    assert_eq!(defaulted["spec"]["ingressClassName"], "public");
    bench.pass(60_000);
    let status = |bench: &mut Bench, name: &str| bench.get(&format!("{INGRESSES}/{name}"))["status"].clone();
    assert_eq!(status(&mut bench, "a-example"), json!({"loadBalancer": {"ingress": [{"ip": "127.0.0.1"}]}}));
    assert_eq!(status(&mut bench, "d-example"), json!({"loadBalancer": {}}));
}

#[test]
fn nginx_sends_hosts_with_a_certificate_to_https() {
    let mut bench = with_nginx();
    app(&mut bench, 1);
    let mut secured = ingress("a.example", Some("public"));
    secured["spec"]["tls"] = json!([{"hosts": ["a.example"], "secretName": "a-tls"}]);
    bench.post(INGRESSES, &secured);
    let answer = bench.cluster.site("a.example", "/x?y=1", false);
    assert_eq!(answer.status, 308);
    assert!(answer.headers.contains(&("location".to_owned(), "https://a.example/x?y=1".to_owned())), "{answer:?}");
    assert_ne!(get(&bench, "a.example", true).status, 308);
    assert_eq!(bench.cluster.site_certificate(IngressController::Nginx, "a.example"), None);
    bench.post(
        "/api/v1/namespaces/default/secrets",
        &json!({"metadata": {"name": "a-tls"}, "type": "kubernetes.io/tls", "stringData": {"tls.crt": "CERTIFICATE", "tls.key": "KEY"}}),
    );
    let pair = bench.cluster.site_certificate(IngressController::Nginx, "a.example");
    assert_eq!(pair, Some(("CERTIFICATE".to_owned(), "KEY".to_owned())));
}

#[test]
fn without_a_ready_pod_there_is_no_server() {
    let mut nginx = with_nginx();
    app(&mut nginx, 0);
    nginx.post(INGRESSES, &ingress("a.example", None));
    assert_eq!(get(&nginx, "a.example", true).status, 503);
    let mut traefik = with_traefik();
    app(&mut traefik, 0);
    traefik.post(INGRESSES, &ingress("a.example", Some("traefik")));
    let answer = get(&traefik, "a.example", true);
    assert_eq!((answer.status, body(&answer).as_str()), (503, "no available server\n"));
    traefik.delete("/api/v1/namespaces/default/services/app");
    let answer = get(&traefik, "a.example", true);
    assert_eq!((answer.status, body(&answer).as_str()), (404, "404 page not found\n"));
}

#[test]
fn the_host_ports_of_a_controller_are_open_where_it_runs() {
    for (bench, controller) in [(with_nginx(), IngressController::Nginx), (with_traefik(), IngressController::Traefik)]
    {
        let mut ports: Vec<(u16, bool)> = bench
            .cluster
            .ingress_host_ports("nuc1")
            .into_iter()
            .map(|(port, serves)| {
                assert_eq!(serves.controller, controller);
                (port, serves.https)
            })
            .collect();
        ports.sort_unstable();
        assert_eq!(ports, [(80, false), (443, true)]);
        assert!(bench.cluster.ingress_host_ports("nuc9").is_empty());
    }
}

#[test]
fn exec_says_what_is_wrong_with_a_pod() {
    let mut bench = Bench::settled(1);
    bench.post("/apis/apps/v1/namespaces/default/deployments", &deployment("app", 1, "registry.example/app:1"));
    let early = bench.kubectl("exec deploy/app -- true", "");
    assert_eq!((early.0.as_str(), early.2), ("", 1), "{early:?}");
    bench.pass(30_000);
    for (line, wanted) in [
        ("exec nosuch -- true", "Error from server (NotFound): pods \"nosuch\" not found\n"),
        ("exec deploy/nosuch -- true", "Error from server (NotFound): deployments.apps \"nosuch\" not found\n"),
        ("exec -it deploy/app", "error: exec [POD] [COMMAND] is not supported anymore."),
        ("exec deploy/app --", "error: you must specify at least one command for the container\n"),
        (
            "exec deploy/app -c other -- true",
            "Error from server (BadRequest): container other is not valid for pod app-",
        ),
    ] {
        let (out, err, status) = bench.kubectl(line, "");
        assert!(err.starts_with(wanted) && out.is_empty() && status == 1, "{line}: {err}");
    }
    bench.view("nuc1").reachable = false;
    bench.pass(10_000);
    let (_, err, status) = bench.kubectl("exec deploy/app -- true", "");
    assert!(err.starts_with("Error from server: error dialing backend: dial tcp 10.77.0.11:10250"), "{err}");
    assert_eq!(status, 1);
}
