//! Host keys: strict, pinned, changed, accepted.

use std::sync::{Arc, Mutex};

use homeprov::inventory::model::Inventory;
use homeprov::ssh::{HostKeyPolicy, Options, Transport, TransportError};

use crate::exec::shell;
use crate::row::Row;
use crate::sshd::{Sshd, open, quick};

async fn attempt(inventory: Inventory, host_keys: HostKeyPolicy) -> Result<(), TransportError> {
    let options = Options { host_keys, ..quick() };
    let (ssh, _events) = open(inventory, options);
    let result = ssh.run("nuc1", &shell("true")).await;
    ssh.close().await;
    result.map(|_| ())
}

fn unknown(sshd: &Sshd) -> TransportError {
    TransportError::HostKeyUnknown {
        host: format!("127.0.0.1:{}", sshd.port),
        fingerprint: format!("ED25519 {}", sshd.fingerprint("host_ed25519")),
    }
}

#[tokio::test]
async fn an_unknown_key_is_refused_with_its_fingerprint() {
    let Some(sshd) = Sshd::start("") else { return };
    std::fs::write(sshd.path("known_hosts"), "").unwrap();
    let result = attempt(sshd.inventory(), HostKeyPolicy::Strict).await;
    assert_eq!(result, Err(unknown(&sshd)));
    assert_eq!(std::fs::read(sshd.path("known_hosts")).unwrap(), b"");
}

#[tokio::test]
async fn an_unknown_key_is_accepted_when_told_so_and_then_known() {
    let Some(sshd) = Sshd::start("") else { return };
    std::fs::remove_file(sshd.path("known_hosts")).unwrap();
    assert_eq!(attempt(sshd.inventory(), HostKeyPolicy::AcceptNew).await, Ok(()));
    assert_eq!(
        std::fs::read_to_string(sshd.path("known_hosts")).unwrap(),
        format!("[127.0.0.1]:{} {}\n", sshd.port, sshd.public_key("host_ed25519"))
    );
    assert_eq!(attempt(sshd.inventory(), HostKeyPolicy::Strict).await, Ok(()));
}

#[tokio::test]
async fn the_question_is_asked_once_and_its_answer_counts() {
    let Some(sshd) = Sshd::start("") else { return };
    for yes in [false, true] {
        std::fs::write(sshd.path("known_hosts"), "").unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let questions = Arc::clone(&asked);
        let policy = HostKeyPolicy::Ask(Arc::new(move |key| {
            questions.lock().unwrap().push(key.clone());
            yes
        }));
        let expected = if yes { Ok(()) } else { Err(unknown(&sshd)) };
        assert_eq!(attempt(sshd.inventory(), policy).await, expected);
        let asked = asked.lock().unwrap();
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].node, "nuc1");
    }
}

#[tokio::test]
async fn a_changed_key_is_refused_whatever_the_policy() {
    let Some(sshd) = Sshd::start("") else { return };
    let row = Row::of("host key of a node is another one", "before the first connection");
    // The client's own key stands for the one the machine had before.
    sshd.know(&sshd.public_key("client"));
    let result = attempt(sshd.inventory(), HostKeyPolicy::AcceptNew).await;
    let place = sshd.path("known_hosts");
    assert_eq!(
        result,
        Err(TransportError::HostKeyChanged {
            host: format!("127.0.0.1:{}", sshd.port),
            offered: format!("ED25519 {}", sshd.fingerprint("host_ed25519")),
            expected: format!("ED25519 {} ({}:1)", sshd.fingerprint("client"), place.display()),
        })
    );
    row.ended("refused with both fingerprints and the line of the known-hosts file");
}

#[tokio::test]
async fn a_pinned_key_or_fingerprint_needs_no_known_hosts_file() {
    let Some(sshd) = Sshd::start("") else { return };
    std::fs::write(sshd.path("known_hosts"), "").unwrap();
    for kind in ["host_ed25519", "host_ecdsa"] {
        for pin in [sshd.public_key(kind), sshd.fingerprint(kind)] {
            let mut inventory = sshd.inventory();
            inventory.nodes[0].host_key = Some(pin);
            assert_eq!(attempt(inventory, HostKeyPolicy::Strict).await, Ok(()));
        }
    }
    assert_eq!(std::fs::read(sshd.path("known_hosts")).unwrap(), b"");
}

#[tokio::test]
async fn a_key_that_is_not_the_pinned_one_is_refused_even_if_known() {
    let Some(sshd) = Sshd::start("") else { return };
    for pin in [sshd.public_key("client"), sshd.fingerprint("client")] {
        let mut inventory = sshd.inventory();
        inventory.nodes[0].host_key = Some(pin.clone());
        let error = attempt(inventory, HostKeyPolicy::AcceptNew).await.unwrap_err();
        let TransportError::HostKeyChanged { offered, expected, .. } = &error else {
            panic!("{pin}: {error}");
        };
        assert!(offered.contains(&sshd.fingerprint("host_ed25519")), "{offered}");
        assert!(
            expected.ends_with(&format!("{}, pinned by host_key in the inventory", sshd.fingerprint("client"))),
            "{expected}"
        );
    }
}

/// Two nodes behind a jump host; nobody knows any key. The jump host is an alias with a known-hosts file of its own.
fn behind(sshd: &Sshd, bastion: &Sshd) -> Inventory {
    let mut inventory = sshd.inventory();
    inventory.ssh.known_hosts = None;
    let config = format!(
        "Host bastion\n  HostName 127.0.0.1\n  Port {}\n  User root\n  IdentityFile {}\n  UserKnownHostsFile {}\n\
         Host *\n  UserKnownHostsFile {}\n",
        bastion.port,
        bastion.path("client").display(),
        bastion.path("known_hosts").display(),
        sshd.path("known_hosts").display(),
    );
    std::fs::write(sshd.path("ssh_config"), config).unwrap();
    for server in [sshd, bastion] {
        std::fs::write(server.path("known_hosts"), "").unwrap();
    }
    inventory.ssh.jump = Some("bastion".into());
    let mut second = inventory.nodes[0].clone();
    second.name = "nuc2".into();
    inventory.nodes.push(second);
    inventory
}

fn known(sshd: &Sshd) -> String {
    format!("[127.0.0.1]:{} {}\n", sshd.port, sshd.public_key("host_ed25519"))
}

#[tokio::test]
async fn the_keys_of_a_jump_host_and_of_the_nodes_behind_it_are_accepted_once() {
    let (Some(sshd), Some(bastion)) = (Sshd::start(""), Sshd::start("")) else {
        return;
    };
    let asked = Arc::new(Mutex::new(Vec::new()));
    let questions = Arc::clone(&asked);
    let ask = HostKeyPolicy::Ask(Arc::new(move |key| {
        questions.lock().unwrap().push((key.host.clone(), key.node.starts_with("the jump host to nuc")));
        true
    }));
    for host_keys in [HostKeyPolicy::AcceptNew, ask] {
        let (ssh, _events) = open(behind(&sshd, &bastion), Options { host_keys, ..quick() });
        let script = shell("true");
        let (one, two) = tokio::join!(ssh.run("nuc1", &script), ssh.run("nuc2", &script));
        assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
        for server in [&sshd, &bastion] {
            assert_eq!(std::fs::read_to_string(server.path("known_hosts")).unwrap(), known(server));
        }
        ssh.close().await;
    }
    let place = format!("127.0.0.1:{}", sshd.port);
    assert_eq!(*asked.lock().unwrap(), [(format!("bastion:{}", bastion.port), true), (place, false)]);
}

#[tokio::test]
async fn a_jump_host_s_key_is_declined_once_for_all_nodes() {
    let (Some(sshd), Some(bastion)) = (Sshd::start(""), Sshd::start("")) else {
        return;
    };
    let asked = Arc::new(Mutex::new(0));
    let questions = Arc::clone(&asked);
    let host_keys = HostKeyPolicy::Ask(Arc::new(move |_| {
        *questions.lock().unwrap() += 1;
        false
    }));
    let (ssh, _events) = open(behind(&sshd, &bastion), Options { host_keys, ..quick() });
    let script = shell("true");
    let (one, two) = tokio::join!(ssh.run("nuc1", &script), ssh.run("nuc2", &script));
    let expected = TransportError::HostKeyUnknown {
        host: format!("bastion:{}", bastion.port),
        fingerprint: format!("ED25519 {}", bastion.fingerprint("host_ed25519")),
    };
    assert_eq!((one.unwrap_err(), two.unwrap_err()), (expected.clone(), expected));
    assert_eq!(*asked.lock().unwrap(), 1);
    assert_eq!(std::fs::read(bastion.path("known_hosts")).unwrap(), b"");
    ssh.close().await;
}

#[tokio::test]
async fn a_jump_host_s_changed_key_is_refused_whatever_the_policy() {
    let (Some(sshd), Some(bastion)) = (Sshd::start(""), Sshd::start("")) else {
        return;
    };
    let inventory = behind(&sshd, &bastion);
    bastion.know(&bastion.public_key("client"));
    let before = std::fs::read(bastion.path("known_hosts")).unwrap();
    let error = attempt(inventory, HostKeyPolicy::AcceptNew).await.unwrap_err();
    assert_eq!(
        error,
        TransportError::HostKeyChanged {
            host: format!("bastion:{}", bastion.port),
            offered: format!("ED25519 {}", bastion.fingerprint("host_ed25519")),
            expected: format!(
                "ED25519 {} ({}:1)",
                bastion.fingerprint("client"),
                bastion.path("known_hosts").display()
            ),
        }
    );
    assert_eq!(std::fs::read(bastion.path("known_hosts")).unwrap(), before);
}
