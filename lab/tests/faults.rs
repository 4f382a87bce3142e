//! Each fault as a tool would meet it.

use homeprov_lab::world::{Config, Exec, Fault, FaultKind, Notice, Os, Role, World};

fn config(count: u8, os: Os, faults: &[&str]) -> Config {
    let mut config = Config::homelab(count, os, "2026-11-21T01:45:00Z".parse().unwrap());
    config.faults = faults.iter().map(|name| name.parse().unwrap()).collect();
    config
}

fn fresh(count: u8, faults: &[&str]) -> World {
    World::in_memory(config(count, Os::Ubuntu2404, faults))
}

const INSTALL: [&str; 5] = ["snap", "install", "microk8s", "--classic", "--channel=1.36/stable"];

fn roles(world: &World, machine: &str) -> Vec<Role> {
    world.cluster_of(machine).unwrap().members.iter().map(|member| member.role).collect()
}

fn join(world: &mut World, machine: &str) -> homeprov_lab::world::Output {
    let token = world.run("nuc1", &["microk8s", "add-node", "--format", "short"], b"").stdout;
    let url = token.trim().rsplit(' ').next().unwrap().to_owned();
    world.run(machine, &["microk8s", "join", &url], b"")
}

#[test]
fn every_name_is_understood_and_an_unknown_one_is_explained() {
    for (name, kind) in FaultKind::all() {
        let fault: Fault = name.parse().unwrap();
        assert_eq!((fault.kind, kind.name()), (*kind, *name));
    }
    assert_eq!("clock-skew@nuc2".parse::<Fault>().unwrap().machine.as_deref(), Some("nuc2"));
    assert!("nosuch".parse::<Fault>().unwrap_err().contains("snap-busy"));
}

#[test]
fn snap_busy_ends_with_ten_until_the_other_change_is_over() {
    let mut world = fresh(1, &["snap-busy"]);
    let output = world.run("nuc1", &INSTALL, b"");
    assert_eq!(output.exit, 10);
    assert_eq!(output.stderr, "error: snap \"microk8s\" has \"install-snap\" change in progress\n");
    let changes = world.run("nuc1", &["snap", "changes"], b"").stdout;
    assert!(changes.contains("Doing"), "{changes}");
    let watched = world.run("nuc1", &["snap", "watch", "--last=install"], b"");
    assert!((50_000..61_000).contains(&watched.took), "{watched:?}");
    assert_eq!(world.run("nuc1", &INSTALL, b"").exit, 0);
}

#[test]
fn snap_store_down_is_over_after_a_while() {
    let mut world = fresh(1, &["snap-store-down"]);
    let output = world.run("nuc1", &INSTALL, b"");
    assert_eq!((output.exit, output.stderr.as_str()), (1, "error: unable to contact snap store\n"));
    world.advance(100_000);
    assert_eq!(world.run("nuc1", &INSTALL, b"").exit, 0);
}

#[test]
fn apt_locked_refuses_unless_one_waits() {
    let mut world = World::in_memory(config(1, Os::Debian12, &["apt-locked"]));
    let output = world.run("nuc1", &["apt-get", "install", "-y", "snapd"], b"");
    assert_eq!(output.exit, 100);
    assert!(output.stderr.starts_with("E: Could not get lock /var/lib/dpkg/lock-frontend."), "{output:?}");
    let output =
        world.run("nuc1", &["apt-get", "-o", "DPkg::Lock::Timeout=120", "install", "-y", "snapd", "sudo"], b"");
    assert_eq!(output.exit, 0, "{output:?}");
    assert!(output.took > 30_000);
    assert!(world.take_notices().contains(&Notice::ProgramsChanged("nuc1".into())));
    let early = world.run("nuc1", &INSTALL, b"");
    assert_eq!(early.exit, 10);
    assert!(early.stderr.contains("too early for operation"), "{early:?}");
    assert_eq!(world.run("nuc1", &["snap", "wait", "system", "seed.loaded"], b"").exit, 0);
    assert_eq!(world.run("nuc1", &INSTALL, b"").exit, 0);
}

#[test]
fn old_snapd_has_no_hold_but_the_system_option() {
    let mut world = fresh(1, &["old-snapd"]);
    world.prepare_cluster(1, 0);
    let output = world.run("nuc1", &["snap", "refresh", "--hold", "microk8s"], b"");
    assert_eq!((output.exit, output.stderr.as_str()), (64, "error: unknown flag `hold'\n"));
    assert_eq!(world.run("nuc1", &["snap", "set", "system", "refresh.hold=2027-01-01T00:00:00Z"], b"").exit, 0);
    assert_eq!(world.run("nuc1", &["snap", "get", "system", "refresh.hold"], b"").stdout, "2027-01-01T00:00:00Z\n");
    let mut world = fresh(1, &[]);
    world.prepare_cluster(1, 0);
    assert_eq!(world.run("nuc1", &["snap", "refresh", "--hold", "microk8s"], b"").exit, 0);
    assert!(world.run("nuc1", &["snap", "list", "microk8s"], b"").stdout.contains("classic,held"));
}

#[test]
fn join_false_success_claims_what_comes_much_later() {
    let mut world = fresh(2, &["join-false-success"]);
    world.prepare_microk8s("nuc1", "1.36/stable");
    world.prepare_microk8s("nuc2", "1.36/stable");
    world.until_ready("nuc1");
    world.until_ready("nuc2");
    let output = join(&mut world, "nuc2");
    assert_eq!(output.exit, 0);
    assert!(output.stdout.ends_with("Successfully joined the cluster.\n"), "{output:?}");
    assert_eq!(output.stdout.matches(".. ").count(), 10);
    assert_eq!(roles(&world, "nuc1").len(), 1);
    world.advance(world.now() + 120_000);
    assert_eq!(roles(&world, "nuc1"), [Role::Voter, Role::Spare]);
}

#[test]
fn join_consumed_token_needs_a_new_token() {
    let mut world = fresh(2, &["join-consumed-token"]);
    world.prepare_microk8s("nuc1", "1.36/stable");
    world.prepare_microk8s("nuc2", "1.36/stable");
    world.until_ready("nuc1");
    let token = world.run("nuc1", &["microk8s", "add-node", "--format", "short"], b"").stdout;
    let url = token.trim().rsplit(' ').next().unwrap().to_owned();
    assert_eq!(world.run("nuc2", &["microk8s", "join", &url], b"").exit, 6);
    assert!(world.run("nuc2", &["microk8s", "join", &url], b"").stdout.contains("Invalid token (500)."));
    assert_eq!(join(&mut world, "nuc2").exit, 0);
}

#[test]
fn the_first_join_takes_the_api_away_for_a_while() {
    for (faults, down) in [(&[][..], 2_000..12_000), (&["first-join-api-restart"][..], 40_000..60_000)] {
        let mut world = fresh(2, faults);
        world.prepare_microk8s("nuc1", "1.36/stable");
        world.prepare_microk8s("nuc2", "1.36/stable");
        world.until_ready("nuc1");
        world.until_ready("nuc2");
        let token = world.run("nuc1", &["microk8s", "add-node", "--format", "short"], b"").stdout;
        let url = token.trim().rsplit(' ').next().unwrap().to_owned();
        let id = world.start("nuc2", Exec::root(&["microk8s", "join", &url]));
        let mut away = 0;
        for _ in 0..120 {
            world.advance(world.now() + 1_000);
            away += u64::from(!world.api_up("nuc1")) * 1_000;
        }
        assert_eq!(world.poll(id).exit, Some(0));
        assert!(down.contains(&away), "the API was away for {away} ms");
        assert!(world.accepts("nuc2", [10, 77, 0, 11].into(), 19_001));
    }
}

#[test]
fn dqlite_slow_vote_leaves_the_members_spare_for_two_minutes() {
    let mut world = fresh(3, &["dqlite-slow-vote"]);
    world.prepare_cluster(3, 0);
    assert_eq!(roles(&world, "nuc1"), [Role::Voter, Role::Spare, Role::Spare]);
    world.advance(world.now() + 120_000);
    assert_eq!(roles(&world, "nuc1"), [Role::Voter; 3]);
}

#[test]
fn dead_voter_strikes_once_there_are_three() {
    let mut world = fresh(3, &["dead-voter"]);
    world.prepare_cluster(3, 0);
    assert!(!world.machine("nuc3").powered);
    assert!(world.take_notices().contains(&Notice::PoweredOff("nuc3".into())));
    assert_eq!(roles(&world, "nuc1"), [Role::Voter; 3]);
    assert!(world.api_up("nuc1") && world.api_up("nuc2"));
    assert!(!world.accepts("nuc1", [10, 77, 0, 13].into(), 19_001));
}

#[test]
fn half_joined_finishes_by_itself_with_its_locks_wrong() {
    let mut world = fresh(3, &["half-joined"]);
    for name in ["nuc1", "nuc2", "nuc3"] {
        world.prepare_microk8s(name, "1.36/stable");
    }
    for name in ["nuc1", "nuc2", "nuc3"] {
        world.until_ready(name);
    }
    assert_eq!(join(&mut world, "nuc2").exit, 0);
    assert_eq!(join(&mut world, "nuc3").exit, 137);
    world.advance(world.now() + 60_000);
    assert_eq!(roles(&world, "nuc1"), [Role::Voter; 3]);
    assert!(world.machine("nuc3").locked("join-in-progress"));
    assert!(!world.machine("nuc3").locked("no-cert-reissue"));
    let output = world.run("nuc3", &["microk8s", "leave"], b"");
    assert_eq!(
        (output.exit, output.stdout.as_str()),
        (1, "This MicroK8s deployment is not acting as a node in a cluster.\n")
    );
}

#[test]
fn a_reinstalled_first_node_is_a_stranger_to_the_others() {
    let mut world = fresh(3, &[]);
    world.prepare_cluster(3, 0);
    let before = world.machine("nuc1").machine_id.clone();
    world.inject(FaultKind::FirstNodeReinstalled.into());
    assert_ne!(world.machine("nuc1").machine_id, before);
    assert!(!world.machine("nuc1").has_microk8s());
    assert_eq!(roles(&world, "nuc2").len(), 3);
    assert!(world.api_up("nuc2"));
    world.prepare_microk8s("nuc1", "1.36/stable");
    world.until_ready("nuc1");
    assert_ne!(world.cluster_of("nuc1").unwrap().id, world.cluster_of("nuc2").unwrap().id);
    assert!(world.api_up("nuc2"), "the new node's own data store does not count for the old cluster");
    let members = world.run("nuc2", &["dqlite", "-f", "json", "k8s", ".cluster"], b"").stdout;
    assert_eq!(members.matches("\"ID\"").count(), 3, "{members}");
    assert_eq!(world.run("nuc2", &["microk8s", "remove-node", "10.77.0.11", "--force"], b"").exit, 0);
    let token = world.run("nuc2", &["microk8s", "add-node", "--format", "token"], b"").stdout;
    let output = world.run("nuc1", &["microk8s", "join", &format!("10.77.0.12:25000/{}", token.trim())], b"");
    assert_eq!(output.exit, 0, "{output:?}");
    world.advance(world.now() + 30_000);
    assert_eq!(roles(&world, "nuc1"), [Role::Voter; 3]);
}

#[test]
fn states_of_the_world_are_there_from_the_start() {
    let world = fresh(3, &["duplicate-machine-id", "clock-skew", "small-memory@nuc2"]);
    assert_eq!(world.machine("nuc1").machine_id, world.machine("nuc3").machine_id);
    assert_eq!(world.machine("nuc3").clock_offset, 300_000);
    assert_eq!(world.machine("nuc2").spec.memory_kib, 524_288);
    let mut world = fresh(3, &["small-memory@nuc2"]);
    world.prepare_microk8s("nuc2", "1.36/stable");
    world.advance(60_000);
    let output = world.run("nuc2", &["microk8s", "status"], b"");
    assert_eq!(output.exit, 1);
    assert!(output.stdout.starts_with("This node does not have enough RAM"), "{output:?}");
}

#[test]
fn a_foreign_cluster_is_a_working_cluster_of_somebody_else() {
    let mut world = fresh(3, &["foreign-cluster"]);
    world.until_ready("nuc2");
    assert_eq!(world.cluster_of("nuc2").unwrap().members.len(), 2);
    assert!(world.machine("nuc2").locked("no-cert-reissue"));
    assert!(world.cluster_of("nuc1").is_none());
}

#[test]
fn a_full_disk_is_told_by_snapd_and_apt() {
    let mut world = World::in_memory(config(1, Os::Debian12, &["disk-full"]));
    assert_eq!(world.run("nuc1", &["apt-get", "install", "-y", "snapd"], b"").exit, 0, "300 MiB are enough for that");
    world.run("nuc1", &["snap", "wait", "system", "seed.loaded"], b"");
    let output = world.run("nuc1", &INSTALL, b"");
    assert_eq!((output.exit, output.stderr.trim()), (1, "error: cannot install \"microk8s\" due to low disk space"));
    world.fill_disk("nuc1", 20);
    let output = world.run("nuc1", &["apt-get", "install", "-y", "jq"], b"");
    assert_eq!(output.exit, 100);
    assert!(output.stderr.contains("E: You don't have enough free space in /var/cache/apt/archives/."), "{output:?}");
}

#[test]
fn what_dpkg_left_is_completed_before_anything_is_installed() {
    let mut world = fresh(1, &["dpkg-interrupted"]);
    let install = ["apt-get", "install", "-y", "jq"];
    let output = world.run("nuc1", &install, b"");
    assert_eq!(output.exit, 100);
    assert!(output.stderr.contains("you must manually run 'dpkg --configure -a'"), "{output:?}");
    assert_eq!(world.run("nuc1", &["dpkg", "--configure", "-a"], b"").exit, 0);
    assert_eq!(world.run("nuc1", &install, b"").exit, 0);
    world.interrupt_dpkg("nuc1");
    world.inject("apt-locked".parse().unwrap());
    let output = world.run("nuc1", &["dpkg", "--configure", "-a"], b"");
    assert!(output.exit == 2 && output.stderr.contains("locked by another process with pid 1482"), "{output:?}");
}

#[test]
fn without_dns_neither_archive_nor_store_answer() {
    let mut world = World::in_memory(config(1, Os::Ubuntu2404, &["dns-down"]));
    let output = world.run("nuc1", &["apt-get", "install", "-y", "jq"], b"");
    assert!(output.exit == 100 && output.stderr.contains("Temporary failure resolving 'deb.debian.org'"), "{output:?}");
    let output = world.run("nuc1", &INSTALL, b"");
    assert_eq!((output.exit, output.stderr.trim()), (1, "error: unable to contact snap store"));
    assert_eq!(world.run("nuc1", &["getent", "ahosts", "api.snapcraft.io"], b"").exit, 2);
    assert_eq!(world.run("nuc1", &["getent", "ahosts", "nuc1"], b"").exit, 0, "it has its own name in /etc/hosts");
    let later = world.now() + 300_000;
    world.advance(later);
    assert_eq!(world.run("nuc1", &INSTALL, b"").exit, 0);
}

#[test]
fn a_refresh_of_its_own_stops_the_services_and_goes_on_when_it_is_held() {
    let mut world = fresh(1, &["auto-refresh"]);
    assert_eq!(world.run("nuc1", &INSTALL, b"").exit, 0);
    let begun = world.now() + 200;
    world.advance(begun);
    let changes = world.run("nuc1", &["snap", "changes", "microk8s"], b"").stdout;
    assert!(changes.contains("Doing") && changes.contains("Auto-refresh snap \"microk8s\""), "{changes}");
    let refused = world.run("nuc1", &["snap", "refresh", "microk8s", "--channel=1.35/stable"], b"");
    assert_eq!(
        (refused.exit, refused.stderr.trim()),
        (10, "error: snap \"microk8s\" has \"auto-refresh\" change in progress")
    );
    assert_eq!(world.run("nuc1", &["snap", "refresh", "--hold=forever", "microk8s"], b"").exit, 0);
    let watched = world.run("nuc1", &["snap", "watch", "--last=auto-refresh?"], b"");
    assert!(watched.exit == 0 && watched.took > 30_000, "{watched:?}");
    assert_eq!(world.machine("nuc1").snapd.snaps["microk8s"].revision, "8717");
    assert!(!world.auto_refresh("nuc1"), "it is held now");
}

#[test]
fn api_servers_come_and_go() {
    let mut world = fresh(1, &[]);
    world.run("nuc1", &INSTALL, b"");
    world.run("nuc1", &["microk8s", "status", "--wait-ready"], b"");
    world.flap_api(100_000, 20_000, 4_000);
    let mut seen = Vec::new();
    for _ in 0..40 {
        let next = world.now() + 1_000;
        world.advance(next);
        seen.push(world.api_up("nuc1"));
    }
    let turns = seen.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!((3..=5).contains(&turns), "{seen:?}");
}

#[test]
fn a_member_with_another_address_does_not_serve() {
    let mut world = fresh(3, &[]);
    for name in ["nuc1", "nuc2", "nuc3"] {
        world.run(name, &INSTALL, b"");
        world.run(name, &["microk8s", "status", "--wait-ready"], b"");
    }
    for name in ["nuc2", "nuc3"] {
        assert_eq!(join(&mut world, name).exit, 0);
    }
    let later = world.now() + 60_000;
    world.advance(later);
    let answers = |world: &World| world.accepts("nuc1", [10, 77, 0, 12].into(), 19_001);
    assert!(answers(&world));
    world.give_address("nuc2", [10, 77, 0, 99].into());
    assert!(!answers(&world) && !world.accepts("nuc1", [10, 77, 0, 99].into(), 19_001));
    assert!(!world.api_up("nuc2") && world.api_up("nuc1"), "the other two are a majority");
    world.give_address("nuc2", [10, 77, 0, 12].into());
    assert!(answers(&world) && world.api_up("nuc2"));
}

fn text(world: &World, machine: &str, path: &str) -> String {
    let bytes = world.machine(machine).files().read(&format!("/var/snap/microk8s/current/{path}"));
    String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
}

/// The certificates come ten seconds before the data store is moved: a machine that loses power in between boots with the
/// cluster's authority and a data store of its own.
#[test]
fn a_join_cut_off_early_leaves_the_authority_without_the_data_store() {
    let mut world = fresh(3, &[]);
    world.prepare_cluster(2, 0);
    world.prepare_microk8s("nuc3", "1.36/stable");
    world.advance(world.now() + 60_000);
    let token = world.run("nuc1", &["microk8s", "add-node", "--format", "token-check"], b"").stdout;
    let connection = format!("10.77.0.11:25000/{}", token.trim());
    let id = world.start("nuc3", Exec::root(&["microk8s", "join", &connection]));
    world.advance(world.now() + 6_000);
    assert_eq!(String::from_utf8_lossy(&world.poll(id).stdout), "Contacting cluster at 10.77.0.11\n");
    world.reboot("nuc3");
    world.advance(world.now() + 60_000);
    assert_eq!(text(&world, "nuc3", "certs/ca.crt"), text(&world, "nuc1", "certs/ca.crt"));
    assert!(text(&world, "nuc3", "var/kubernetes/backend/cluster.yaml").contains("127.0.0.1:19001"));
    assert!(world.machine("nuc3").locked("join-in-progress") && !world.machine("nuc3").locked("no-cert-reissue"));
    assert_eq!((roles(&world, "nuc1").len(), roles(&world, "nuc3").len()), (2, 1));
}

/// `leave` makes a new data store, not a new authority; a worker has kept its own all along.
#[test]
fn who_leaves_keeps_the_authority() {
    let mut world = fresh(4, &[]);
    world.prepare_cluster(3, 1);
    let authority = text(&world, "nuc1", "certs/ca.crt");
    assert_eq!(text(&world, "nuc4", "certs/ca.remote.crt"), authority);
    assert_ne!(text(&world, "nuc4", "certs/ca.crt"), authority);
    for name in ["nuc3", "nuc4"] {
        assert_eq!(world.run(name, &["microk8s", "leave"], b"").exit, 0);
        assert_eq!(roles(&world, name), [Role::Voter]);
    }
    assert_eq!(text(&world, "nuc3", "certs/ca.crt"), authority);
    assert_ne!(text(&world, "nuc4", "certs/ca.crt"), authority);
    assert_eq!(text(&world, "nuc4", "certs/ca.remote.crt"), "");
}
