//! The catalogue of commands whose exit status does not tell what happened.

use homeprov_lab::world::{Config, Os, World};

fn homelab(members: usize, workers: usize) -> World {
    let count = u8::try_from(members + workers).unwrap();
    let mut world = World::in_memory(Config::homelab(count, Os::Ubuntu2404, "2026-11-21T01:45:00Z".parse().unwrap()));
    world.prepare_cluster(members, workers);
    world
}

/// One row: where, what, the exit status, and a part of what is said.
struct Row(&'static str, &'static [&'static str], i32, &'static str);

#[rustfmt::skip]
const ROWS: [Row; 34] = [
    Row("nuc1", &["snap", "install", "microk8s", "--classic", "--channel=1.35/stable"], 0, "is already installed"),
    Row("nuc3", &["microk8s", "status"], 0, "acting as a node in a cluster"),
    Row("nuc1", &["microk8s", "status", "-a", "nosuch"], 0, "disabled"),
    Row("nuc3", &["microk8s", "kubectl", "get", "nodes"], 0, "Please use the microk8s kubectl on the master"),
    Row("nuc3", &["microk8s", "helm", "list"], 0, "acting as a node in a cluster"),
    Row("nuc3", &["microk8s", "helm3", "list"], 0, "acting as a node in a cluster"),
    Row("nuc3", &["microk8s", "config"], 0, "acting as a node in a cluster"),
    Row("nuc3", &["microk8s", "start"], 0, "acting as a node in a cluster"),
    Row("nuc3", &["microk8s", "add-node"], 1, "Please use the microk8s add-node on the master"),
    Row("nuc3", &["microk8s", "enable", "dns"], 1, "Please use the master node."),
    Row("nuc1", &["microk8s", "add-node", "--with-some-help"], 0, "usage: microk8s add-node"),
    Row("nuc1", &["microk8s", "enable", "core/nosuch"], 0, "Addon core/nosuch not found"),
    Row("nuc1", &["microk8s", "enable", "nosuch"], 1, "was not found in any repository"),
    Row("nuc1", &["microk8s", "enable", "dns:1.1.1.1"], 0, "Addon core/dns is already enabled"),
    Row("nuc1", &["microk8s", "enable", "metallb", "--help"], 0, "does not yet have a help message"),
    Row("nuc1", &["microk8s", "enable", "metallb:nonsense"], 1, "is not a valid IP Range"),
    Row("nuc1", &["microk8s", "enable", "metallb"], 1, "Enabling MetalLB"),
    Row("nuc1", &["microk8s", "enable", "community"], 0, "Community repository is now enabled"),
    Row("nuc1", &["microk8s", "enable", "community/openebs", "-j", "2"], 0, "iscsid is not available or enabled"),
    Row("nuc1", &["microk8s", "leave"], 3, "the only copy of the Kubernetes database"),
    Row("nuc1", &["microk8s", "remove-node"], 1, "Please provide the node you want to remove."),
    Row("nuc1", &["microk8s", "remove-node", "nuc2"], 1, "is registered with dqlite"),
    Row("nuc1", &["microk8s", "remove-node", "nuc9"], 1, "Node nuc9 does not exist in Kubernetes."),
    Row("nuc1", &["microk8s", "join", "nonsense"], 1, "Expected format"),
    Row("nuc1", &["microk8s", "join", "nuc2:25000/00000000000000000000000000000000"], 1, "Invalid master IP"),
    Row("nuc1", &["microk8s", "join", "10.77.0.12:99999/00000000000000000000000000000000"], 1, "Master PORT not in range"),
    Row("nuc1", &["microk8s", "join", "10.77.0.12:25000/short"], 1, "at least 32 bytes"),
    Row("nuc1", &["microk8s", "join", "10.77.0.12:25000/00000000000000000000000000000000/short"], 1, "at least 12 bytes"),
    Row("nuc1", &["microk8s", "join", "10.77.0.12:25000/00000000000000000000000000000000"], 6, "Invalid token (500)"),
    Row("nuc1", &["microk8s", "join", "10.77.0.99:25000/00000000000000000000000000000000"], 1, "No route to host"),
    Row("nuc1", &["microk8s", "nosuch"], 1, "'nosuch' is not a valid MicroK8s subcommand."),
    Row("nuc1", &["snap", "install", "nosuch"], 1, "not found"),
    Row("nuc1", &["snap", "refresh", "--channel=9.99/stable", "microk8s"], 1, "is not available on 9.99/stable"),
    Row("nuc1", &["microk8s", "addons", "repo", "remove", "nosuch"], 1, "does not exist"),
];

#[test]
fn exit_statuses_that_lie() {
    let mut world = homelab(2, 1);
    for Row(machine, argv, status, part) in ROWS {
        let output = world.run(machine, argv, b"");
        assert_eq!(output.exit, status, "{argv:?}: {output:?}");
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(said.contains(part), "{argv:?} should say \"{part}\": {output:?}");
    }
}

#[test]
fn a_stopped_node_reports_success() {
    let mut world = homelab(1, 0);
    assert_eq!(world.run("nuc1", &["microk8s", "stop"], b"").exit, 0);
    let output = world.run("nuc1", &["microk8s", "status"], b"");
    assert_eq!((output.exit, output.stdout.as_str()), (0, "microk8s is not running, try microk8s start\n"));
    assert_eq!(world.run("nuc1", &["microk8s", "start"], b"").exit, 0);
    assert_eq!(world.run("nuc1", &["microk8s", "status", "--wait-ready"], b"").exit, 0);
}

#[test]
fn a_ghost_is_removed_with_a_status_of_one() {
    let mut world = homelab(3, 0);
    world.power_off("nuc3");
    world.advance(world.now() + 60_000);
    assert_eq!(world.run("nuc1", &["microk8s", "kubectl", "delete", "node", "nuc3"], b"").exit, 0);
    let output = world.run("nuc1", &["microk8s", "remove-node", "10.77.0.13", "--force"], b"");
    assert_eq!(output.exit, 1);
    assert!(output.stdout.contains("Removing node entry found in dqlite."), "{output:?}");
    assert_eq!(world.cluster_of("nuc1").unwrap().members.len(), 2);
}

#[test]
fn a_status_that_is_not_ready_hides_its_message_below_high_availability() {
    let mut world = homelab(2, 0);
    world.power_off("nuc1");
    let output = world.run("nuc2", &["microk8s", "status", "--format", "yaml"], b"");
    assert_eq!(output.exit, 1);
    let wanted = "microk8s:\n  running: False\nhigh-availability:\n  enabled: True\n  nodes:\n  message: microk8s is not running. \
                  Use microk8s inspect for a deeper inspection.\n";
    assert_eq!(output.stdout, wanted);
    assert!(output.took > 30_000, "dqlite is asked again and again: {}", output.took);
}

#[test]
fn a_single_use_token_is_gone_after_any_refusal_and_one_with_a_life_is_not() {
    let mut world = homelab(2, 0);
    let joined = |world: &mut World, args: &[&str]| {
        let argv: Vec<&str> = ["microk8s", "add-node", "--format", "short"].iter().chain(args).copied().collect();
        let url = world.run("nuc1", &argv, b"").stdout.trim().rsplit(' ').next().unwrap().to_owned();
        let first = world.run("nuc2", &["microk8s", "join", &url], b"");
        (first, world.run("nuc2", &["microk8s", "join", &url], b""))
    };
    let (first, second) = joined(&mut world, &[]);
    assert!(first.stdout.contains("already known to dqlite (500)."), "{first:?}");
    assert!(second.stdout.contains("Invalid token (500)."), "{second:?}");
    let (first, second) = joined(&mut world, &["--token-ttl", "600"]);
    assert_eq!(first.stdout, second.stdout);
    assert!(world.machine("nuc2").locked("join-in-progress"));
    let token = world.run("nuc1", &["microk8s", "add-node", "--token-ttl", "60", "--format", "token"], b"").stdout;
    world.advance(world.now() + 61_000);
    let url = format!("10.77.0.11:25000/{}", token.trim());
    assert!(world.run("nuc2", &["microk8s", "join", &url], b"").stdout.contains("Invalid token (500)."));
}
