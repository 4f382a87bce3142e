//! The world as a whole: the same inputs give the same world, and no order of events breaks it.

use std::collections::BTreeSet;

use homeprov_lab::world::{Config, Exec, Os, Role, World};
use proptest::prelude::*;

fn homelab(count: u8, seed: u64) -> World {
    let mut config = Config::homelab(count, Os::Ubuntu2404, "2026-11-21T01:45:00Z".parse().unwrap());
    config.seed = seed;
    World::in_memory(config)
}

#[test]
fn the_same_seed_and_inputs_give_the_same_world() {
    let build = |seed| {
        let mut world = homelab(3, seed);
        world.prepare_cluster(3, 0);
        world.run("nuc1", &["microk8s", "enable", "metallb:10.77.0.200-10.77.0.210"], b"");
        (world.now(), world.describe())
    };
    assert_eq!(build(7), build(7));
    assert_ne!(build(7), build(8));
}

#[test]
fn looking_changes_nothing() {
    let mut world = homelab(3, 1);
    world.prepare_cluster(3, 0);
    world.advance(world.now() + 60_000);
    let files = |world: &World| world.describe()["machines"].clone();
    let before = files(&world);
    for argv in [
        &["microk8s", "status"][..],
        &["snap", "list", "microk8s"],
        &["dqlite", "-f", "json", "k8s", ".cluster"],
        &["systemctl", "is-active", "snap.microk8s.daemon-kubelite"],
        &["dpkg-query", "-W", "-f=${Status}", "sudo"],
        &["sysctl", "-n", "vm.swappiness"],
        &["lsmod"],
        &["timedatectl", "show"],
    ] {
        assert_eq!(world.run("nuc1", argv, b"").exit, 0, "{argv:?}");
    }
    assert_eq!(files(&world), before);
}

/// The cluster agent moves the data store from 127.0.0.1 before it looks what joins (canonical/microk8s-cluster-agent
/// `pkg/api/v2/join.go`), and refuses whom the data store knows.
#[test]
fn the_first_join_readdresses_the_data_store_also_for_a_worker() {
    let mut world = homelab(3, 1);
    world.prepare_cluster(1, 1);
    let addresses = |world: &World| -> Vec<String> {
        world.cluster_of("nuc1").expect("a cluster").members.iter().map(|member| member.address.clone()).collect()
    };
    assert_eq!(addresses(&world), ["10.77.0.11:19001"]);
    // Its agent still takes joins, and nothing is moved a second time.
    world.prepare_microk8s("nuc3", "1.36/stable");
    world.until_ready("nuc3");
    let token = world.run("nuc1", &["microk8s", "add-node", "--format", "token-check"], b"").stdout;
    let connection = format!("10.77.0.11:25000/{}", token.trim());
    assert_eq!(world.run("nuc3", &["microk8s", "join", &connection], b"").exit, 0);
    world.advance(world.now() + 60_000);
    assert_eq!(addresses(&world), ["10.77.0.11:19001", "10.77.0.13:19001"]);
    // A member that is known is refused as a worker, too.
    let token = world.run("nuc1", &["microk8s", "add-node", "--format", "token-check"], b"").stdout;
    let connection = format!("10.77.0.11:25000/{}", token.trim());
    let refused = world.run("nuc3", &["microk8s", "join", &connection, "--worker"], b"");
    assert!(
        refused.exit == 6 && refused.stdout.contains("already known to dqlite"),
        "{}{}",
        refused.stdout,
        refused.stderr
    );
}

#[test]
fn a_killed_enable_frees_the_addon_lock() {
    let mut world = homelab(1, 1);
    world.prepare_cluster(1, 0);
    let id = world.start("nuc1", Exec::root(&["microk8s", "enable", "hostpath-storage"]));
    world.advance(world.now() + 1_500);
    assert_eq!(world.run_for("nuc1", &["microk8s", "enable", "dns"], b"", 1_000), None);
    world.end(id);
    assert_eq!(world.run("nuc1", &["microk8s", "enable", "dns"], b"").exit, 0);
}

#[test]
fn five_control_planes_have_three_voters_and_two_stand_bys() {
    let mut world = homelab(5, 1);
    world.prepare_cluster(5, 0);
    let roles: Vec<Role> = world.cluster_of("nuc1").unwrap().members.iter().map(|member| member.role).collect();
    assert_eq!(roles, [Role::Voter, Role::Voter, Role::Voter, Role::StandBy, Role::StandBy]);
}

#[test]
fn a_lost_majority_takes_the_api_and_power_gives_it_back() {
    let mut world = homelab(3, 1);
    world.prepare_cluster(3, 0);
    world.power_off("nuc2");
    world.cut_network("nuc3");
    world.advance(world.now() + 10_000);
    assert!(!world.api_up("nuc1"));
    let output = world.run("nuc1", &["dqlite", "-s", "file:///x", "-f", "json", "k8s", ".cluster"], b"");
    assert_eq!(output.stderr, "Error: no available dqlite leader server found\n");
    world.power_on("nuc2");
    world.advance(world.now() + 30_000);
    assert!(world.api_up("nuc1"));
}

#[derive(Debug, Clone)]
enum Op {
    Install(u8),
    Join(u8, u8, bool),
    Leave(u8),
    Remove(u8, u8),
    Off(u8),
    On(u8),
    Cut(u8),
    Plug(u8),
    Status(u8),
    Stop(u8),
    Start(u8),
    Wait(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let node = 1..=4_u8;
    prop_oneof![
        3 => node.clone().prop_map(Op::Install),
        5 => (node.clone(), node.clone(), prop::bool::weighted(0.2)).prop_map(|(a, b, worker)| Op::Join(a, b, worker)),
        1 => node.clone().prop_map(Op::Leave),
        1 => (node.clone(), node.clone()).prop_map(|(a, b)| Op::Remove(a, b)),
        1 => node.clone().prop_map(Op::Off),
        2 => node.clone().prop_map(Op::On),
        1 => node.clone().prop_map(Op::Cut),
        1 => node.clone().prop_map(Op::Plug),
        1 => node.clone().prop_map(Op::Status),
        1 => node.clone().prop_map(Op::Stop),
        1 => node.prop_map(Op::Start),
        4 => (1_000..60_000_u64).prop_map(Op::Wait),
    ]
}

fn name(node: u8) -> String {
    format!("nuc{node}")
}

/// Starts an operation; commands are left running, as another process would leave them.
fn apply(world: &mut World, op: &Op) {
    let start = |world: &mut World, node: u8, argv: &[&str]| {
        world.start(&name(node), Exec::root(argv));
    };
    match *op {
        Op::Install(node) => start(world, node, &["snap", "install", "microk8s", "--classic"]),
        Op::Join(node, seed, worker) => {
            let argv = ["microk8s", "add-node", "--format", "short"];
            let Some(token) = world.run_for(&name(seed), &argv, b"", 60_000) else {
                return;
            };
            let url = token.stdout.trim().rsplit(' ').next().unwrap_or_default().to_owned();
            let worker = if worker { "--worker" } else { "--controlplane" };
            start(world, node, &["microk8s", "join", &url, worker]);
        }
        Op::Leave(node) => start(world, node, &["microk8s", "leave"]),
        Op::Remove(node, other) => start(world, node, &["microk8s", "remove-node", &name(other), "--force"]),
        Op::Off(node) => world.power_off(&name(node)),
        Op::On(node) => world.power_on(&name(node)),
        Op::Cut(node) => world.cut_network(&name(node)),
        Op::Plug(node) => world.restore_network(&name(node)),
        Op::Status(node) => start(world, node, &["microk8s", "status"]),
        Op::Stop(node) => start(world, node, &["microk8s", "stop"]),
        Op::Start(node) => start(world, node, &["microk8s", "start"]),
        Op::Wait(time) => world.advance(world.now() + time),
    }
}

fn check(world: &World) {
    for cluster in world.clusters() {
        let addresses: BTreeSet<&String> = cluster.members.iter().map(|member| &member.address).collect();
        assert_eq!(addresses.len(), cluster.members.len(), "every member has its own address");
        let ids: BTreeSet<u64> = cluster.members.iter().map(|member| member.id).collect();
        assert_eq!(ids.len(), cluster.members.len(), "every member has its own id");
        assert!(cluster.voters() <= 4, "one more than wanted at most, while a voter is being replaced");
        if let Some(leader) = cluster.leader {
            assert!(ids.contains(&leader), "the leader is a member");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_order_of_events_breaks_the_world(ops in prop::collection::vec(op(), 1..40), seed in 0..1_000_u64) {
        let mut world = homelab(4, seed);
        for op in &ops {
            apply(&mut world, op);
            check(&world);
        }
        // Once all is on and plugged in again, what still has a majority gets its roles right.
        for node in 1..=4 {
            world.power_on(&name(node));
            world.restore_network(&name(node));
        }
        world.advance(world.now() + 300_000);
        check(&world);
        for cluster in world.clusters().filter(|cluster| cluster.leader.is_some()) {
            let serving = cluster.members.iter().all(|member| {
                member.machine.as_ref().is_some_and(|machine| {
                    world.machine(machine).microk8s.as_ref().is_some_and(|snap| snap.dqlite_ready && snap.cluster == Some(cluster.id))
                })
            });
            if serving {
                let wanted = if cluster.members.len() < 3 { 1 } else { 3 };
                prop_assert_eq!(cluster.voters(), wanted);
            }
        }
        world.describe();
    }
}
