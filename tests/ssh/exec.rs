//! Connections and execs: counts, limits, noise, loss.

use std::time::{Duration, Instant};

use futures::future::join_all;
use homeprov::engine::event::Event;
use homeprov::inventory::model::NodeSsh;
use homeprov::ssh::{Program, Purpose, Script, Section, Transport, TransportError};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::row::Row;
use crate::sshd::{Sshd, open, quick};

pub fn shell(text: &str) -> Script {
    Script::single(Purpose::Apply, "it", Program::Shell(text.into()), Duration::from_secs(20))
}

/// Names of the events so far.
pub fn names(events: &mut UnboundedReceiver<Event>) -> Vec<String> {
    let mut names = Vec::new();
    while let Ok(event) = events.try_recv() {
        names.push(match event {
            Event::Connected { .. } => "connected".into(),
            Event::Executed { purpose, .. } => format!("executed {purpose:?}"),
            Event::Forwarded { .. } => "forwarded".into(),
            other => format!("{other:?}"),
        });
    }
    names
}

fn observation() -> Script {
    let section = |id: &str, text: &str, seconds| Section {
        id: id.into(),
        program: Program::Shell(text.into()),
        limit: Duration::from_secs(seconds),
    };
    Script {
        purpose: Purpose::Observe,
        sections: vec![
            section("both", "echo out; echo err >&2; exit 3", 5),
            section("slow", "echo begun; sleep 60", 1),
            section("killed", "kill -KILL $$", 5),
            section("own", "exit 124", 5),
            section("own-kill", "exit 137", 5),
            section("stdin", "cat; echo \"$LC_ALL $(id -u)\"; pwd", 5),
            section("path", "case $PATH in */sbin*/snap/bin*) echo yes;; esac", 5),
            section("bytes", "printf 'a\\200b'", 5),
        ],
    }
}

#[tokio::test]
async fn one_observation_is_one_connection_and_one_exec() {
    let Some(sshd) = Sshd::start("") else { return };
    let (ssh, mut events) = open(sshd.inventory(), quick());
    let answer = ssh.run("nuc1", &observation()).await.unwrap();

    let both = &answer.sections["both"];
    assert_eq!((both.status, both.stdout.as_str(), both.stderr.as_str()), (3, "out\n", "err\n"));
    assert!(answer.sections["slow"].timed_out);
    assert_eq!(answer.sections["slow"].stdout, "begun\n");
    assert_eq!(answer.sections["killed"].status, 137);
    assert!(!answer.sections["killed"].timed_out);
    for (id, status) in [("own", 124), ("own-kill", 137)] {
        assert_eq!((answer.sections[id].status, answer.sections[id].timed_out), (status, false));
    }
    assert_eq!(answer.sections["stdin"].stdout, "C 0\n/\n");
    assert_eq!(answer.sections["path"].stdout, "yes\n");
    assert_eq!(answer.sections["bytes"].stdout, "a\u{fffd}b");
    let offset = answer.clock_offset.unwrap();
    assert!(offset.abs() < jiff::SignedDuration::from_millis(500), "{offset}");

    assert_eq!(names(&mut events), ["connected", "executed Observe"]);
    ssh.close().await;
    assert!(sshd.wait_until_idle(Duration::from_secs(2)).await);
}

#[tokio::test]
async fn a_forgotten_transport_leaves_no_connection() {
    let Some(sshd) = Sshd::start("") else { return };
    let (ssh, _events) = open(sshd.inventory(), quick());
    ssh.run("nuc1", &shell("true")).await.unwrap();
    assert!(!sshd.wait_until_idle(Duration::from_millis(200)).await);
    drop(ssh);
    assert!(sshd.wait_until_idle(Duration::from_secs(15)).await);
}

#[tokio::test]
async fn an_idle_connection_stays() {
    let Some(sshd) = Sshd::start("") else { return };
    let (ssh, mut events) = open(sshd.inventory(), quick());
    ssh.run("nuc1", &shell("true")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(7)).await;
    ssh.run("nuc1", &shell("true")).await.unwrap();
    assert_eq!(names(&mut events), ["connected", "executed Apply", "executed Apply"]);
    ssh.close().await;
}

/// Notes its begin and its end, a while later.
fn counted(sshd: &Sshd) -> Script {
    std::fs::create_dir_all(sshd.path("count")).unwrap();
    let folder = sshd.path("count").display().to_string();
    shell(&format!("echo + >>{folder}/log; sleep 0.6; echo - >>{folder}/log"))
}

/// How many of [`counted`] ran at once, at the most.
fn at_once(sshd: &Sshd) -> i32 {
    let log = std::fs::read_to_string(sshd.path("count/log")).unwrap();
    let running = log.lines().scan(0, |running, line| {
        *running += if line == "+" { 1 } else { -1 };
        Some(*running)
    });
    running.max().unwrap()
}

#[tokio::test]
async fn twenty_at_once_share_eight_channels() {
    let Some(sshd) = Sshd::start("") else { return };
    let (ssh, mut events) = open(sshd.inventory(), quick());
    let script = counted(&sshd);
    let answers = join_all((0..20).map(|_| ssh.run("nuc1", &script))).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap().sections["it"].succeeded()));
    let most = at_once(&sshd);
    assert!((2..=8).contains(&most), "{most}");
    let names = names(&mut events);
    assert_eq!(names.iter().filter(|name| *name == "connected").count(), 1);
    assert_eq!(names.len(), 21);
    ssh.close().await;
}

#[tokio::test]
async fn a_server_with_fewer_channels_is_waited_for() {
    let Some(sshd) = Sshd::start("MaxSessions 2") else {
        return;
    };
    let (ssh, mut events) = open(sshd.inventory(), quick());
    let script = counted(&sshd);
    let answers = join_all((0..6).map(|_| ssh.run("nuc1", &script))).await;
    for answer in answers {
        assert!(answer.unwrap().sections["it"].succeeded());
    }
    assert_eq!(at_once(&sshd), 2);
    assert_eq!(names(&mut events).len(), 7);
    ssh.close().await;
}

#[tokio::test]
async fn a_server_with_one_channel_is_waited_for_however_long_it_is_in_use() {
    let Some(sshd) = Sshd::start("MaxSessions 1") else {
        return;
    };
    let row = Row::of("sshd refuses a channel (MaxSessions 1)", "while a command holds the only one for 17 s");
    let (ssh, mut events) = open(sshd.inventory(), quick());
    let (long, short) = (shell("sleep 17; echo long"), shell("echo short"));
    let (first, second, third) = tokio::join!(ssh.run("nuc1", &long), ssh.run("nuc1", &short), ssh.run("nuc1", &short));
    assert_eq!(first.unwrap().sections["it"].stdout, "long\n");
    for answer in [second, third] {
        assert_eq!(answer.unwrap().sections["it"].stdout, "short\n");
    }
    // One connection and three execs: nobody took the refusal for a loss.
    assert_eq!(names(&mut events), ["connected", "executed Apply", "executed Apply", "executed Apply"]);
    ssh.close().await;
    row.ended("queued: one connection, all commands run");
}

#[tokio::test]
async fn a_noisy_login_shell_confuses_nobody() {
    let noise = "printf 'motd\\r\\n\\nabc hello\\n\\nabc begin\\n\\0\\377no newline'; printf 'warn\\n' >&2\n";
    let script = format!("{noise}sh -c \"$SSH_ORIGINAL_COMMAND\"\n{noise}exit 7");
    let Some(sshd) = Sshd::with_shell(&script, "") else {
        return;
    };
    let row = Row::of("login shell prints a message, binary bytes and false frames", "around every answer");
    let (ssh, _events) = open(sshd.inventory(), quick());
    let answer = ssh.run("nuc1", &observation()).await.unwrap();
    assert_eq!(answer.sections["both"].stdout, "out\n");
    assert_eq!(answer.sections["both"].stderr, "err\n");
    row.ended("the answers are read as they are");
    ssh.close().await;
}

#[tokio::test]
async fn what_is_left_in_the_background_is_not_waited_for() {
    let Some(sshd) = Sshd::start("") else { return };
    let (ssh, _events) = open(sshd.inventory(), quick());
    let began = Instant::now();
    let answer = ssh.run("nuc1", &shell("sleep 120 & echo $!")).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(100));
    let left = answer.sections["it"].stdout.trim();
    let ended = ssh.run("nuc1", &shell(&format!("kill {left}"))).await.unwrap();
    assert!(ended.sections["it"].succeeded(), "it should have gone on");
    ssh.close().await;
}

#[tokio::test]
async fn too_much_output_is_refused() {
    let Some(sshd) = Sshd::start("") else { return };
    let (ssh, _events) = open(sshd.inventory(), quick());
    let two = ssh.run("nuc1", &shell("head -c 2000000 /dev/zero")).await;
    assert!(matches!(two, Err(TransportError::BadAnswer { detail, .. }) if detail.contains("1 MiB")));
    let endless = ssh.run("nuc1", &shell("yes")).await;
    assert!(matches!(endless, Err(TransportError::BadAnswer { detail, .. }) if detail.contains("8 MiB")));
    assert!(ssh.run("nuc1", &shell("true")).await.is_ok());
    ssh.close().await;
}

#[tokio::test]
async fn a_cut_connection_is_lost_and_made_anew() {
    let Some(sshd) = Sshd::start("") else { return };
    let (ssh, mut events) = open(sshd.inventory(), quick());
    let begun = sshd.path("begun");
    let script = shell(&format!("touch {}; sleep 4", begun.display()));
    let (lost, ()) = tokio::join!(ssh.run("nuc1", &script), async {
        while !begun.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        sshd.cut();
    });
    assert!(matches!(lost, Err(TransportError::Lost { .. })), "{lost:?}");
    ssh.run("nuc1", &shell("true")).await.unwrap();
    sshd.cut();
    ssh.run("nuc1", &shell("true")).await.unwrap();
    let connections = names(&mut events);
    assert_eq!(connections.iter().filter(|name| *name == "connected").count(), 3);
    ssh.close().await;
}

#[tokio::test]
async fn jump_hosts_and_aliases_of_the_users_configuration_work() {
    let (Some(sshd), Some(bastion)) = (Sshd::start(""), Sshd::start("")) else {
        return;
    };
    let mut inventory = sshd.inventory();
    let known = std::fs::read_to_string(bastion.path("known_hosts")).unwrap()
        + &std::fs::read_to_string(sshd.path("known_hosts")).unwrap();
    std::fs::write(sshd.path("known_hosts"), known).unwrap();
    let config = format!(
        "Host bastion\n  HostName 127.0.0.1\n  Port {}\n  User root\n  IdentityFile {}\n\
         Host box\n  HostName 127.0.0.1\n  ProxyJump bastion\n",
        bastion.port,
        bastion.path("client").display()
    );
    std::fs::write(sshd.path("ssh_config"), config).unwrap();
    let mut second = inventory.nodes[0].clone();
    inventory.nodes[0].ssh.jump = Some("bastion".into());
    second.name = "nuc2".into();
    second.ssh = NodeSsh { host: Some("box".into()), ..NodeSsh::default() };
    inventory.nodes.push(second);
    let (ssh, _events) = open(inventory, quick());
    for node in ["nuc1", "nuc2"] {
        let answer = ssh.run(node, &shell("echo here")).await.unwrap();
        assert_eq!(answer.sections["it"].stdout, "here\n");
    }
    assert_eq!(bastion.connections().len(), 2);
    ssh.close().await;
    assert!(bastion.wait_until_idle(Duration::from_secs(2)).await);
}
