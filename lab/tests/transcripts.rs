//! Replays transcripts of a real MicroK8s v1.36.2 on three Debian 12 machines against a world in the same state, and
//! compares texts, exit statuses and durations.

mod transcript;

use homeprov_lab::world::{Config, Fault, FaultKind, Files as _, MachineSpec, Os, World};
use transcript::{Entry, Mismatch, normal, read};

/// What to do with one entry of a transcript.
enum Do {
    /// Run it and compare everything.
    Compare,
    /// Leave it out, for this reason.
    Skip(&'static str),
}

fn world() -> World {
    let spec = |n: u8| {
        let mut spec = MachineSpec::new(
            &format!("node{n}"),
            [10, 77, 0, 10 + n].into(),
            Os::Debian12,
        );
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

/// Runs what the shell would: commands joined by `;`, maybe piped into `head -N`, `ls` and `cat` of the world's files.
fn shell(world: &mut World, node: &str, line: &str) -> (String, String, i32, u64) {
    let (mut stdout, mut stderr, mut exit, mut took) = (String::new(), String::new(), 0, 0);
    for part in line.split("; ") {
        let (command, head) = part
            .split_once(" | head -")
            .map_or((part, None), |(command, lines)| {
                (command, lines.parse().ok())
            });
        let words: Vec<&str> = command
            .split_whitespace()
            .filter(|word| !word.starts_with("2>"))
            .collect();
        let mut out = match words[0] {
            "ls" => {
                let names = world.machine(node).files().list(words[1]);
                names
                    .iter()
                    .filter(|name| !name.starts_with('.'))
                    .map(|name| format!("{name}\n"))
                    .collect()
            }
            "cat" => {
                let mut text = String::new();
                exit = 0;
                for path in &words[1..] {
                    match world.machine(node).files().read(path) {
                        Some(bytes) => text.push_str(&String::from_utf8_lossy(&bytes)),
                        None => {
                            text.push_str(&format!("cat: {path}: No such file or directory\n"));
                            exit = 1;
                        }
                    }
                }
                text
            }
            _ => {
                let output = world.run(node, &words, b"");
                stderr.push_str(&output.stderr);
                exit = output.exit;
                took += output.took;
                output.stdout
            }
        };
        if let Some(lines) = head {
            out = out
                .lines()
                .take(lines)
                .map(|line| format!("{line}\n"))
                .collect();
            exit = 0;
        }
        stdout.push_str(&out);
    }
    (stdout, stderr, exit, took)
}

/// Replays a transcript; `before` may change the world before an entry, and chooses what to do with it.
fn replay(
    world: &mut World,
    name: &str,
    mut before: impl FnMut(&mut World, usize, &mut Entry) -> Do,
) {
    let mut failures = Vec::new();
    for (at, mut entry) in read(name).into_iter().enumerate() {
        if let Do::Skip(reason) = before(world, at, &mut entry) {
            assert!(!reason.is_empty());
            continue;
        }
        let (stdout, stderr, exit, took) = shell(world, &entry.node, &entry.command);
        let checks = [
            ("status", entry.status.to_string(), exit.to_string()),
            ("stdout", normal(&entry.stdout), normal(&stdout)),
            ("stderr", normal(&entry.stderr), normal(&stderr)),
        ];
        for (what, wanted, got) in checks {
            if wanted != got {
                failures.push(Mismatch {
                    at,
                    command: entry.command.clone(),
                    what,
                    wanted,
                    got,
                });
            }
        }
        // The transcripts' machines were slow and busy; what counts is the order of magnitude.
        let busy = entry.command.contains("bin/dqlite") || took == 0;
        if !busy && (took * 3 < entry.wall || took > entry.wall * 3) {
            let (wanted, got) = (entry.wall.to_string(), took.to_string());
            failures.push(Mismatch {
                at,
                command: entry.command.clone(),
                what: "duration",
                wanted,
                got,
            });
        }
    }
    let text: Vec<String> = failures.iter().map(ToString::to_string).collect();
    assert!(text.is_empty(), "{name}:\n{}", text.join("\n"));
}

#[test]
fn status() {
    replay(&mut single(), "status", |_, _, _| Do::Compare);
}

#[test]
fn version() {
    replay(&mut single(), "version", |_, _, entry| {
        // The transcript's snap was installed from a file: from the store it has a number and a publisher.
        for text in [&mut entry.stdout] {
            *text = text.replace("revision x1", "revision 8710");
            *text = text.replace(
                "Rev  Tracking     Publisher  ",
                "Rev   Tracking     Publisher    ",
            );
            *text = text.replace(
                "x1   1.36/stable  -          ",
                "8710  1.36/stable  canonical**  ",
            );
        }
        if entry.command == "snap info microk8s" {
            return Do::Skip("it came from a stand-in for the store");
        }
        Do::Compare
    });
}

#[test]
fn add_node() {
    replay(&mut single(), "add-node", |_, _, entry| {
        // The second address was a stray bridge of the transcript's host.
        let kept = entry
            .stdout
            .lines()
            .filter(|line| !line.contains("10.1.11.1"));
        let text: String = kept.map(|line| format!("{line}\n")).collect();
        entry.stdout = text.replace("\",\n  ]", "\"\n  ]");
        Do::Compare
    });
}

/// A token minted on `node`, in place of the transcript's.
fn mint(world: &mut World, node: &str) -> String {
    world
        .run(
            node,
            &["microk8s", "add-node", "--format", "token-check"],
            b"",
        )
        .stdout
        .trim()
        .to_owned()
}

fn with_token(command: &str, token: &str) -> String {
    let words = command
        .split(' ')
        .map(|word| match word.split_once(":25000/") {
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
    assert_eq!(
        world
            .run("node1", &["microk8s", "enable", "hostpath-storage"], b"")
            .exit,
        0
    );
    assert_eq!(
        world
            .run("node3", &["microk8s", "enable", "hostpath-storage"], b"")
            .exit,
        0
    );
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
    replay(&mut world, "dead-voter", |world, at, _| {
        // The first three entries are seconds after the power cut, the next three 40 s after it, the last two 70 s.
        if at == 3 {
            world.advance(world.now() + 37_000);
        } else if at == 6 {
            world.advance(world.now() + 30_000);
        }
        Do::Compare
    });
}

#[test]
fn half_joined() {
    let mut world = cluster(3, 0);
    world.inject(Fault {
        machine: Some("node3".into()),
        ..FaultKind::HalfJoined.into()
    });
    let mut token = String::new();
    replay(&mut world, "half-joined", |world, at, entry| {
        if at == 4 {
            // `join` is started and cut off 13 s later; it has said so much by then.
            token = mint(world, "node1");
            let id = world.start(
                "node3",
                homeprov_lab::world::Exec::root(&[
                    "microk8s",
                    "join",
                    &format!("10.77.0.11:25000/{token}"),
                ]),
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
            // Switched on again 20 s after the cut, looked at 30 s later.
            world.advance(world.now() + 45_000);
            // dqlite's own files, and the socket, are not part of the state a product may rely on.
            let raft = |line: &&str| {
                !line.starts_with("000")
                    && !line.starts_with("open-")
                    && !line.starts_with("snapshot-")
                    && !line.starts_with("kine.sock")
                    && !line.starts_with("metadata")
                    && !line.starts_with("dqlite-lock")
            };
            entry.stdout = entry
                .stdout
                .lines()
                .filter(raft)
                .map(|line| format!("{line}\n"))
                .collect();
            // The member list on disk is written at the leader's every look: it may lag by 30 s in either world.
            entry.stdout = entry.stdout.replace("Role: 2", "Role: 0");
        }
        entry.command = entry
            .command
            .replace("<token>/<check>", &mint(world, "node1"));
        Do::Compare
    });
}

#[test]
fn enable() {
    let mut world = single();
    world.inject(Fault {
        lasts: Some(600_000),
        ..FaultKind::MetallbEndlessLoop.into()
    });
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
        let wanted: Vec<&str> = entry
            .stdout
            .lines()
            .take_while(|line| !line.starts_with("  ["))
            .collect();
        let got: Vec<&str> = stdout.lines().collect();
        assert_eq!(got[..wanted.len()], wanted[..]);
        let retries = got
            .iter()
            .filter(|line| **line == "Failed to create default address pool, will retry")
            .count();
        assert!(
            (40..160).contains(&retries),
            "{retries} retries, the transcript has 84"
        );
        assert_eq!(stderr.lines().nth(1), entry.stderr.lines().nth(1));
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
    let add = [
        "microk8s",
        "addons",
        "repo",
        "add",
        "community",
        "/snap/microk8s/current/addons/community",
    ];
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
