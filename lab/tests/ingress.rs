//! The addon `ingress` on a whole cluster: ingress-nginx up to 1.35, Traefik from 1.36 on.

use homeprov_lab::kubernetes::{IngressController, Request};
use homeprov_lab::world::{Config, FaultKind, Os, World};
use serde_json::{Value, json};

const RANGE: &str = "10.77.0.200-10.77.0.210";

/// A cluster of this release, with a pool.
fn cluster(release: &str, faults: &[FaultKind]) -> World {
    let mut config = Config::homelab(2, Os::Ubuntu2404, "2026-11-21T01:45:00Z".parse().unwrap());
    config.faults = faults.iter().map(|kind| (*kind).into()).collect();
    config.store_channels.retain(|channel| channel.name.starts_with(release));
    for channel in &mut config.store_channels {
        channel.name = channel.name.replace(release, "latest");
    }
    let mut world = World::in_memory(config);
    world.prepare_cluster(2, 0);
    let output = world.run("nuc1", &["microk8s", "enable", "metallb", RANGE], b"");
    assert_eq!(output.exit, 0, "{output:?}");
    world
}

fn object(world: &mut World, path: &str) -> Value {
    world.api("nuc2", &Request::new("GET", path)).json()
}

fn apply(world: &mut World, objects: &[Value]) {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    let output = world.run("nuc1", &["microk8s", "kubectl", "apply", "-f", "-"], list.as_bytes());
    assert_eq!(output.exit, 0, "{output:?}");
}

fn service(selector: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "ingress", "namespace": "ingress"},
        "spec": {"type": "LoadBalancer", "selector": selector, "ports": [
            {"name": "http", "port": 80, "targetPort": 80}, {"name": "https", "port": 443, "targetPort": 443}]}})
}

#[test]
fn nginx_is_reached_through_the_pool_and_on_every_node() {
    let mut world = cluster("1.35", &[]);
    assert_eq!(world.run("nuc1", &["microk8s", "status", "-a", "ingress"], b"").stdout, "disabled\n");
    let output = world.run("nuc1", &["microk8s", "enable", "ingress"], b"");
    assert_eq!(output.exit, 0, "{output:?}");
    assert!(
        output.stdout.starts_with("Enabling Ingress\ningressclass.networking.k8s.io/public created\n"),
        "{output:?}"
    );
    assert!(output.stdout.ends_with("Ingress is enabled\n"), "{output:?}");
    world.advance(world.now() + 30_000);
    assert_eq!(world.run("nuc1", &["microk8s", "status", "-a", "ingress"], b"").stdout, "enabled\n");
    let again = world.run("nuc2", &["microk8s", "enable", "ingress"], b"");
    assert_eq!((again.exit, again.stdout.as_str()), (0, "Addon core/ingress is already enabled\n"));
    for node in ["nuc1", "nuc2"] {
        assert!(world.listening(node).is_superset(&[80, 443].into()), "{:?}", world.listening(node));
    }
    apply(&mut world, &[service(&json!({"name": "nginx-ingress-microk8s"}))]);
    world.advance(world.now() + 30_000);
    let served: Vec<(u16, bool)> = world
        .load_balanced()
        .into_iter()
        .filter_map(|balanced| {
            let site = balanced.site?;
            assert_eq!(site.port.controller, IngressController::Nginx);
            assert_eq!(world.answer(site, "nosuch.example", "/").unwrap().status, 404);
            Some((balanced.port, site.port.https))
        })
        .collect();
    assert_eq!(served, [(80, false), (443, true)]);
    let output = world.run("nuc1", &["microk8s", "disable", "ingress"], b"");
    assert!(output.stdout.contains("namespace \"ingress\" deleted\n") && output.exit == 0, "{output:?}");
    world.advance(world.now() + 30_000);
    assert!(!world.listening("nuc1").contains(&80));
    assert!(world.load_balanced().iter().all(|balanced| balanced.site.is_none()));
}

#[test]
fn traefik_brings_a_service_of_its_own() {
    let mut world = cluster("1.36", &[]);
    let output = world.run("nuc1", &["microk8s", "enable", "ingress"], b"");
    assert_eq!(output.exit, 0, "{output:?}");
    for line in [
        "Adding Traefik Helm repository\n\"traefik\" has been added to your repositories\n",
        "customresourcedefinition.apiextensions.k8s.io/httproutes.gateway.networking.k8s.io created\n",
        "customresourcedefinition.apiextensions.k8s.io/ingressroutes.traefik.io serverside-applied\n",
        "Release \"traefik\" does not exist. Installing it now.\n",
        "Traefik ingress controller is enabled\n",
    ] {
        assert!(output.stdout.contains(line), "{line} is missing in {}", output.stdout);
    }
    world.advance(world.now() + 40_000);
    assert_eq!(world.run("nuc1", &["microk8s", "status", "-a", "ingress"], b"").stdout, "enabled\n");
    let service = object(&mut world, "/api/v1/namespaces/ingress/services/traefik");
    assert_eq!(service["status"]["loadBalancer"]["ingress"][0]["ip"], "10.77.0.200");
    let daemon = object(&mut world, "/apis/apps/v1/namespaces/ingress/daemonsets/traefik");
    assert_eq!(daemon["status"]["numberReady"], 2, "{daemon}");
    let mut served: Vec<(u16, bool)> =
        world.load_balanced().iter().filter_map(|balanced| Some((balanced.port, balanced.site?.port.https))).collect();
    served.sort_unstable();
    assert_eq!(served, [(80, false), (443, true)]);
    let classes = object(&mut world, "/apis/networking.k8s.io/v1/ingressclasses");
    let names: Vec<&str> =
        classes["items"].as_array().unwrap().iter().filter_map(|class| class["metadata"]["name"].as_str()).collect();
    assert_eq!(names, ["nginx", "public", "traefik"]);
    // The status of an Ingress is the address of that Service.
    apply(
        &mut world,
        &[
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "a"}, "spec": {"rules": [{"host": "a.example",
            "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "a", "port": {"number": 80}}}}]}}]}}),
        ],
    );
    world.advance(world.now() + 10_000);
    let ingress = object(&mut world, "/apis/networking.k8s.io/v1/namespaces/default/ingresses/a");
    assert_eq!(ingress["status"]["loadBalancer"]["ingress"], json!([{"ip": "10.77.0.200"}]));
    let output = world.run("nuc1", &["microk8s", "disable", "ingress"], b"");
    assert!(output.stdout.ends_with("Ingress is disabled\n") && output.exit == 0, "{output:?}");
    world.advance(world.now() + 30_000);
    assert_eq!(world.run("nuc1", &["microk8s", "status", "-a", "ingress"], b"").stdout, "disabled\n");
    assert_eq!(world.run("nuc1", &["microk8s", "enable", "ingress"], b"").exit, 0);
}

#[test]
fn traefik_needs_its_repository() {
    let mut world = cluster("1.36", &[FaultKind::ChartRepoDown]);
    let output = world.run("nuc1", &["microk8s", "enable", "ingress"], b"");
    assert_eq!(output.exit, 1, "{output:?}");
    assert!(
        output.stderr.contains("Error: looks like \"https://traefik.github.io/charts\" is not a valid chart repository or cannot be reached"),
        "{output:?}"
    );
    assert_eq!(world.run("nuc1", &["microk8s", "status", "-a", "ingress"], b"").stdout, "disabled\n");
    let mut old = cluster("1.35", &[FaultKind::ChartRepoDown]);
    assert_eq!(old.run("nuc1", &["microk8s", "enable", "ingress"], b"").exit, 0);
}

#[test]
fn the_hooks_refuse_what_they_do_not_know() {
    let mut old = cluster("1.35", &[]);
    let output = old.run("nuc1", &["microk8s", "enable", "ingress:nonsense=1"], b"");
    assert!(output.exit == 1 && output.stdout.starts_with("Unknown argument 'nonsense'.\n"), "{output:?}");
    let mut new = cluster("1.36", &[]);
    for (args, said) in [
        (&["-x"][..], "Invalid option -x\n"),
        (&["-V"], "Missing argument for option -V\n"),
        (
            &["--default-ssl-certificate", "nonsense"],
            "Invalid value for --default-ssl-certificate; expected NAMESPACE/NAME\n",
        ),
    ] {
        let output = new.run("nuc1", &[&["microk8s", "enable", "ingress"], args].concat(), b"");
        assert!(output.exit == 1 && output.stdout.starts_with(said), "{output:?}");
    }
}

#[test]
fn the_pool_can_refuse_the_namespace_ingress() {
    let mut world = cluster("1.35", &[FaultKind::NoIngressAddress]);
    assert_eq!(world.run("nuc1", &["microk8s", "enable", "ingress"], b"").exit, 0);
    let mut other = service(&json!({"k8s-app": "kube-dns"}));
    other["metadata"] = json!({"name": "other", "namespace": "kube-system"});
    apply(&mut world, &[service(&json!({"name": "nginx-ingress-microk8s"})), other]);
    world.advance(world.now() + 60_000);
    let refused = object(&mut world, "/api/v1/namespaces/ingress/services/ingress");
    assert_eq!(refused["status"]["loadBalancer"], json!({}));
    let served = object(&mut world, "/api/v1/namespaces/kube-system/services/other");
    assert_eq!(served["status"]["loadBalancer"]["ingress"][0]["ip"], "10.77.0.200");
    let events = object(&mut world, "/api/v1/namespaces/ingress/events");
    let said = events["items"].as_array().unwrap().iter().find(|event| event["reason"] == "AllocationFailed");
    assert_eq!(said.unwrap()["message"], "Failed to allocate IP for \"ingress/ingress\": no available IPs");
}

#[test]
fn the_number_of_mappings_is_each_machine_s_own() {
    let mut world = World::in_memory(Config::homelab(2, Os::Debian12, "2026-11-21T01:45:00Z".parse().unwrap()));
    let read = |world: &mut World, node: &str| world.run(node, &["sysctl", "-n", "vm.max_map_count"], b"").stdout;
    assert_eq!(read(&mut world, "nuc1"), "65530\n");
    world.machine_mut("nuc1").files_mut().write("/etc/sysctl.d/60-search.conf", b"vm.max_map_count = 262144\n", 0o644);
    assert_eq!(read(&mut world, "nuc1"), "65530\n", "a file alone changes nothing");
    assert_eq!(world.run("nuc1", &["sysctl", "--system"], b"").exit, 0);
    assert_eq!((read(&mut world, "nuc1"), read(&mut world, "nuc2")), ("262144\n".to_owned(), "65530\n".to_owned()));
    world.power_off("nuc1");
    world.power_on("nuc1");
    world.advance(world.now() + 60_000);
    assert_eq!(read(&mut world, "nuc1"), "262144\n", "the file counts at the next boot");
}
