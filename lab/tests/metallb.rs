//! The addon `metallb` on a whole cluster, as it should be and with its faults.

use homeprov_lab::kubernetes::Request;
use homeprov_lab::world::{Config, Exec, FaultKind, Os, World};
use serde_json::json;

const RANGE: &str = "10.77.0.200-10.77.0.210";
const READ_POOLS: [&str; 7] = [
    "microk8s",
    "kubectl",
    "-n",
    "metallb-system",
    "get",
    "ipaddresspools.metallb.io",
    "-o=jsonpath={.items[*].spec.addresses[*]}",
];

fn cluster(faults: &[FaultKind]) -> World {
    let mut config = Config::homelab(3, Os::Ubuntu2404, "2026-11-21T01:45:00Z".parse().unwrap());
    config.faults = faults.iter().map(|kind| (*kind).into()).collect();
    let mut world = World::in_memory(config);
    world.prepare_cluster(3, 0);
    world
}

fn post(world: &mut World, path: &str, object: &serde_json::Value) -> u16 {
    world.api("nuc2", &Request::new("POST", path).with_body("application/json", object)).status
}

fn load_balancer(world: &mut World) {
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "probe", "namespace": "kube-system"},
        "spec": {"type": "LoadBalancer", "selector": {"k8s-app": "kube-dns"}, "ports": [{"port": 53, "protocol": "TCP"}]}});
    assert_eq!(post(world, "/api/v1/namespaces/kube-system/services", &service), 201);
    world.advance(world.now() + 30_000);
}

#[test]
fn the_addon_makes_a_pool_that_is_announced() {
    let mut world = cluster(&[]);
    let output = world.run("nuc1", &["microk8s", "enable", "metallb", RANGE], b"");
    assert_eq!(output.exit, 0, "{output:?}");
    assert!(output.stdout.ends_with("MetalLB is enabled\n"), "{output:?}");
    assert_eq!(world.run("nuc3", &READ_POOLS, b"").stdout.trim(), RANGE);
    assert_eq!(world.run("nuc1", &["microk8s", "status", "-a", "metallb"], b"").stdout, "enabled\n");
    let again = world.run("nuc1", &["microk8s", "enable", "metallb:10.77.0.220-10.77.0.230"], b"");
    assert_eq!((again.exit, again.stdout.as_str()), (0, "Addon core/metallb is already enabled\n"));
    assert_eq!(world.run("nuc3", &READ_POOLS, b"").stdout.trim(), RANGE);
    load_balancer(&mut world);
    let addresses: Vec<String> = world.announcements().iter().map(|found| found.address.to_string()).collect();
    assert_eq!(addresses, ["10.77.0.200"]);
    assert!(!world.routes("nuc2").is_empty());
}

#[test]
fn a_pool_that_nobody_announces() {
    let mut world = cluster(&[FaultKind::PoolNotAnnounced]);
    assert_eq!(world.run("nuc1", &["microk8s", "enable", "metallb", RANGE], b"").exit, 0);
    load_balancer(&mut world);
    assert_eq!(world.announcements(), []);
    let service = [
        "microk8s",
        "kubectl",
        "-n",
        "kube-system",
        "get",
        "service",
        "probe",
        "-o=jsonpath={.status.loadBalancer.ingress[0].ip}",
    ];
    assert_eq!(world.run("nuc1", &service, b"").stdout.trim(), "10.77.0.200");
}

#[test]
fn the_endless_loop_holds_the_lock_until_it_is_killed_and_the_webhook_comes_later() {
    let mut world = cluster(&[FaultKind::MetallbEndlessLoop]);
    let looping = world.start("nuc1", Exec::root(&["microk8s", "enable", &format!("metallb:{RANGE}")]));
    world.advance(world.now() + 60_000);
    assert_eq!(world.run_for("nuc1", &["microk8s", "enable", "dns"], b"", 5_000), None, "the addon lock is held");
    let progress = world.poll(looping);
    assert_eq!(progress.exit, None);
    assert!(String::from_utf8_lossy(&progress.stdout).contains("Failed to create default address pool, will retry"));
    world.end(looping);
    let again = world.run("nuc1", &["microk8s", "enable", "metallb", RANGE], b"");
    assert_eq!(again.stdout, "Addon core/metallb is already enabled\n");
    let pool = json!({"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool",
        "metadata": {"name": "default-addresspool", "namespace": "metallb-system"}, "spec": {"addresses": [RANGE]}});
    let path = "/apis/metallb.io/v1beta1/namespaces/metallb-system/ipaddresspools";
    assert_eq!(post(&mut world, path, &pool), 500);
    world.advance(world.now() + 120_000);
    assert_eq!(post(&mut world, path, &pool), 201);
}

#[test]
fn a_patient_enable_outlives_the_refusing_webhook() {
    let mut world = cluster(&[FaultKind::MetallbEndlessLoop]);
    let output = world.run("nuc1", &["microk8s", "enable", "metallb", RANGE], b"");
    assert_eq!(output.exit, 0);
    assert!(output.took > 110_000, "{}", output.took);
}

#[test]
fn a_speaker_of_another_kind_counts_as_the_addon() {
    let mut world = cluster(&[FaultKind::MetallbStickyEnabled]);
    let output = world.run("nuc1", &["microk8s", "enable", "metallb", RANGE], b"");
    assert_eq!((output.exit, output.stdout.as_str()), (0, "Addon core/metallb is already enabled\n"));
    assert_eq!(world.run("nuc1", &["microk8s", "kubectl", "get", "namespace", "metallb-system"], b"").exit, 1);
}

#[test]
fn a_foreign_cluster_holds_its_owners_objects() {
    let mut config = Config::homelab(3, Os::Ubuntu2404, "2026-11-21T01:45:00Z".parse().unwrap());
    config.faults = vec![FaultKind::ForeignCluster.into()];
    let mut world = World::in_memory(config);
    world.until_ready("nuc2");
    let names = world.run("nuc2", &["microk8s", "kubectl", "get", "namespaces,nodes", "-o", "name"], b"").stdout;
    for name in ["namespace/photos", "node/garage", "node/nuc2"] {
        assert!(names.contains(name), "{names}");
    }
}

#[test]
fn kubectl_waits_as_long_as_it_must() {
    let mut world = cluster(&[]);
    assert_eq!(world.run("nuc1", &["microk8s", "enable", "metallb", RANGE], b"").exit, 0);
    let rollout =
        ["microk8s", "kubectl", "-n", "metallb-system", "rollout", "status", "daemonset/speaker", "--timeout=60s"];
    let output = world.run("nuc1", &rollout, b"");
    assert_eq!(output.exit, 0, "{output:?}");
    world.power_off("nuc3");
    let gone = ["microk8s", "kubectl", "wait", "--for=condition=Ready", "node/nuc3", "--timeout=90s"];
    world.advance(world.now() + 60_000);
    let output = world.run("nuc1", &gone, b"");
    assert_eq!(output.exit, 1, "{output:?}");
    assert!((85_000..100_000).contains(&output.took), "{output:?}");
}
