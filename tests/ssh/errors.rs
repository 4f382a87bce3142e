//! Each way not to get in has an error of its own, and none takes long.

use std::time::{Duration, Instant};

use homeprov::inventory::model::Inventory;
use homeprov::ssh::{Transport, TransportError};

use crate::exec::shell;
use crate::sshd::{Sshd, free_port, open, quick};

async fn error_of(inventory: Inventory) -> TransportError {
    let (ssh, _events) = open(inventory, quick());
    let began = Instant::now();
    let error = ssh.run("nuc1", &shell("true")).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(10));
    ssh.close().await;
    error
}

#[tokio::test]
async fn port_closed() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut inventory = sshd.inventory();
    let port = free_port();
    inventory.ssh.port = Some(port);
    assert_eq!(error_of(inventory).await, TransportError::PortClosed { host: "127.0.0.1".into(), port });
}

#[tokio::test]
async fn host_down() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut inventory = sshd.inventory();
    // A group of machines: there is no route for TCP to it, anywhere.
    inventory.nodes[0].address = [224, 0, 0, 1].into();
    let error = error_of(inventory).await;
    assert!(matches!(error, TransportError::HostDown { .. }), "{error}");
}

#[tokio::test]
async fn a_machine_that_accepts_and_says_nothing_is_down() {
    let Some(sshd) = Sshd::start("") else { return };
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut inventory = sshd.inventory();
    inventory.ssh.port = Some(silent.local_addr().unwrap().port());
    let error = error_of(inventory).await;
    assert!(matches!(error, TransportError::HostDown { .. }), "{error}");
}

#[tokio::test]
async fn name_not_found() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut inventory = sshd.inventory();
    inventory.nodes[0].ssh.host = Some("no-such-machine.invalid".into());
    let error = error_of(inventory).await;
    let TransportError::HostDown { detail, .. } = &error else {
        panic!("{error}");
    };
    assert!(detail.contains("no-such-machine.invalid"), "{detail}");
}

#[tokio::test]
async fn key_refused() {
    let Some(sshd) = Sshd::start("") else { return };
    std::fs::write(sshd.path("authorized"), "").unwrap();
    let error = error_of(sshd.inventory()).await;
    let TransportError::KeyRefused { host, user, detail } = &error else {
        panic!("{error}");
    };
    assert_eq!(host, &format!("127.0.0.1:{}", sshd.port));
    assert_eq!(user, "root");
    assert_eq!(detail, "Permission denied (publickey)");
}

#[tokio::test]
async fn no_shell() {
    let script = "echo 'This account is currently not available.'; exit 1";
    let Some(sshd) = Sshd::with_shell(script, "") else {
        return;
    };
    let error = error_of(sshd.inventory()).await;
    let TransportError::NoShell { detail, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(detail, "This account is currently not available.");
}

#[tokio::test]
async fn what_is_missing_here_is_said() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut inventory = sshd.inventory();
    inventory.ssh.identity = Some(sshd.path("nothing"));
    let error = error_of(inventory).await.to_string();
    assert!(error.ends_with("nothing of nuc1 does not exist"), "{error}");
    let error = {
        let (ssh, _events) = open(sshd.inventory(), quick());
        ssh.run("nuc9", &shell("true")).await.unwrap_err()
    };
    assert_eq!(error.to_string(), "no node is called nuc9");
}

#[tokio::test]
async fn a_jump_host_that_does_not_answer_is_named() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut inventory = sshd.inventory();
    let port = free_port();
    inventory.ssh.jump = Some(format!("root@127.0.0.1:{port}"));
    assert_eq!(error_of(inventory).await, TransportError::PortClosed { host: "127.0.0.1".into(), port });
}

#[tokio::test]
async fn a_jump_host_with_an_unknown_key_is_named() {
    let (Some(sshd), Some(bastion)) = (Sshd::start(""), Sshd::start("")) else {
        return;
    };
    let mut inventory = sshd.inventory();
    inventory.ssh.jump = Some(format!("root@127.0.0.1:{}", bastion.port));
    let error = error_of(inventory).await;
    assert_eq!(
        error,
        TransportError::HostKeyUnknown {
            host: format!("127.0.0.1:{}", bastion.port),
            fingerprint: format!("ED25519 {}", bastion.fingerprint("host_ed25519")),
        }
    );
}

#[tokio::test]
async fn callers_share_one_failing_attempt() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut inventory = sshd.inventory();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    inventory.ssh.port = Some(silent.local_addr().unwrap().port());
    let (ssh, _events) = open(inventory, quick());
    let began = Instant::now();
    let script = shell("true");
    let results = futures::future::join_all((0..8).map(|_| ssh.run("nuc1", &script))).await;
    assert!(results.iter().all(Result::is_err));
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    ssh.close().await;
}
