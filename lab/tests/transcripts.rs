//! Replays transcripts of a real `MicroK8s` v1.36.2 on three Debian 12 machines against a world in the same state, and
//! compares texts, exit statuses and durations.

mod transcript;

use homeprov_lab::world::{Config, Fault, FaultKind, MachineSpec, Os, World};
use transcript::normal;
use transcript::replay::{Do, replay};

fn world() -> World {
    let spec = |n: u8| {
        let mut spec = MachineSpec::new(&format!("node{n}"), [10, 77, 0, 10 + n].into(), Os::Debian12);
        "6.18.44-fc-v669".clone_into(&mut spec.kernel);
        spec
    };
    let mut config = Config::homelab(0, Os::Debian12, "2026-11-21T01:45:00Z".parse().unwrap());
    config.nodes = vec![spec(1), spec(2), spec(3)];
    World::in_memory(config)
}

fn single() -> World {
    let mut world = world();
    world.prepare_cluster(1, 0);
    world
}

fn cluster(members: usize, workers: usize) -> World {
    let mut world = world();
    world.prepare_cluster(members, workers);
    world
}

#[test]
fn status() {
    replay(&mut single(), "status", |_, _, _| Do::Compare);
}

#[test]
fn version() {
    replay(&mut single(), "version", |_, _, entry| {
        // The transcript's snap was installed from a file: from the store it has a number and a publisher.
        {
            let text = &mut entry.stdout;
            *text = text.replace("revision x1", "revision 8710");
            *text = text.replace("Rev  Tracking     Publisher  ", "Rev   Tracking     Publisher    ");
            *text = text.replace("x1   1.36/stable  -          ", "8710  1.36/stable  canonical**  ");
        }
        if entry.command == "snap info microk8s" {
            return Do::Skip("it came from a stand-in for the store");
        }
        Do::Compare
    });
}

/// Lines put together again, each with its newline.
fn join_lines<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn add_node() {
    replay(&mut single(), "add-node", |_, _, entry| {
        // The second address was a stray bridge of the transcript's host.
        let kept = entry.stdout.lines().filter(|line| !line.contains("10.1.11.1"));
        let text = join_lines(kept);
        entry.stdout = text.replace("\",\n  ]", "\"\n  ]");
        Do::Compare
    });
}

/// A token minted on `node`, in place of the transcript's.
fn mint(world: &mut World, node: &str) -> String {
    world.run(node, &["microk8s", "add-node", "--format", "token-check"], b"").stdout.trim().to_owned()
}

fn with_token(command: &str, token: &str) -> String {
    let words = command.split(' ').map(|word| match word.split_once(":25000/") {
        Some((address, _)) => format!("{address}:25000/{token}"),
        None => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn join() {
    let mut world = world();
    for node in ["node1", "node2", "node3"] {
        world.prepare_microk8s(node, "1.36/stable");
    }
    world.until_ready("node1");
    world.advance(world.now() + 20_000);
    replay(&mut world, "join", |world, _, entry| {
        world.advance(world.now() + 10_000);
        let token = mint(world, "node1");
        entry.command = with_token(&entry.command, &token);
        Do::Compare
    });
}

#[test]
fn worker() {
    let mut world = cluster(2, 0);
    world.prepare_microk8s("node3", "1.36/stable");
    world.until_ready("node3");
    assert_eq!(world.run("node1", &["microk8s", "enable", "hostpath-storage"], b"").exit, 0);
    assert_eq!(world.run("node3", &["microk8s", "enable", "hostpath-storage"], b"").exit, 0);
    let mut token = String::new();
    replay(&mut world, "worker", |world, at, entry| {
        if at == 0 {
            token = mint(world, "node1");
        }
        if entry.command.contains(" join ") && !entry.command.contains("00000000") {
            entry.command = with_token(&entry.command, &token);
        }
        Do::Compare
    });
}

#[test]
fn leave() {
    let mut world = cluster(3, 0);
    replay(&mut world, "leave", |_, _, _| Do::Compare);
}

#[test]
fn reboot() {
    let mut world = cluster(3, 0);
    for node in ["node1", "node2", "node3"] {
        world.power_off(node);
    }
    for node in ["node1", "node2", "node3"] {
        world.power_on(node);
    }
    world.advance(world.now() + 60_000);
    replay(&mut world, "reboot", |_, _, _| Do::Compare);
}

#[test]
fn dead_voter() {
    let mut world = cluster(3, 0);
    world.power_off("node3");
    replay(&mut world, "dead-voter", |_, _, _| Do::Compare);
}

#[test]
fn half_joined() {
    let mut world = cluster(3, 0);
    world.inject(Fault { machine: Some("node3".into()), ..FaultKind::HalfJoined.into() });
    let mut token = String::new();
    replay(&mut world, "half-joined", |world, at, entry| {
        if at == 4 {
            // `join` is started and cut off 13 s later; it has said so much by then.
            token = mint(world, "node1");
            let id = world.start(
                "node3",
                homeprov_lab::world::Exec::root(&["microk8s", "join", &format!("10.77.0.11:25000/{token}")]),
            );
            world.advance(world.now() + 14_000);
            let progress = world.poll(id);
            let text = String::from_utf8_lossy(&progress.stdout).into_owned();
            assert_eq!(
                text,
                "Contacting cluster at 10.77.0.11\nWaiting for this node to finish joining the cluster. .. "
            );
            assert_eq!(progress.exit, Some(137));
        }
        if at == 7 {
            // Switched on again 20 s after the cut, which is later than it was then.
            world.advance(world.now() + 15_000);
            // dqlite's own files, and the socket, are not part of the state a product may rely on.
            let raft = |line: &&str| {
                !line.starts_with("000")
                    && !line.starts_with("open-")
                    && !line.starts_with("snapshot-")
                    && !line.starts_with("kine.sock")
                    && !line.starts_with("metadata")
                    && !line.starts_with("dqlite-lock")
            };
            entry.stdout = join_lines(entry.stdout.lines().filter(raft));
            // The member list on disk is written at the leader's every look: it may lag by 30 s in either world.
            entry.stdout = entry.stdout.replace("Role: 2", "Role: 0");
        }
        entry.command = entry.command.replace("<token>/<check>", &mint(world, "node1"));
        Do::Compare
    });
}

#[test]
fn enable() {
    let mut world = single();
    world.inject(Fault { lasts: Some(600_000), ..FaultKind::MetallbEndlessLoop.into() });
    replay(&mut world, "enable", |world, at, entry| {
        if at > 0 {
            return Do::Compare;
        }
        // The first command never ends by itself: `timeout` ended it after 120 s.
        let words: Vec<&str> = entry.command.split(' ').collect();
        let id = world.start("node1", homeprov_lab::world::Exec::root(&words));
        world.advance(world.now() + entry.wall);
        let progress = world.poll(id);
        assert_eq!(progress.exit, None);
        world.end(id);
        let stdout = String::from_utf8(progress.stdout).unwrap();
        let stderr = String::from_utf8(progress.stderr).unwrap();
        let wanted: Vec<&str> = entry.stdout.lines().take_while(|line| !line.starts_with("  [")).collect();
        let got: Vec<&str> = stdout.lines().collect();
        assert_eq!(got[..wanted.len()], wanted[..]);
        let retries = got.iter().filter(|line| **line == "Failed to create default address pool, will retry").count();
        assert!((40..160).contains(&retries), "{retries} retries, the transcript has 84");
        let complaint = |text: &str| text.lines().nth(1).map(normal);
        assert_eq!(complaint(&stderr), complaint(&entry.stderr));
        Do::Skip("compared above, line by line")
    });
}

#[test]
fn addons_repo() {
    replay(&mut single(), "addons-repo", |_, _, _| Do::Compare);
}

#[test]
fn ha_first_run() {
    let mut world = cluster(3, 0);
    let add = ["microk8s", "addons", "repo", "add", "community", "/snap/microk8s/current/addons/community"];
    assert_eq!(world.run("node1", &add, b"").exit, 0);
    replay(&mut world, "ha-first-run", |_, _, entry| {
        if entry.command.contains("| head -20") {
            // Python's complaint about the closed pipe is the shell's doing, not the script's.
            entry.stderr.clear();
        }
        if entry.command.contains(" status") {
            return Do::Compare;
        }
        Do::Skip("pods and certificates are other tests' business")
    });
}
