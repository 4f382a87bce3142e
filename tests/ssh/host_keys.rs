//! Host keys: strict, pinned, changed, accepted.

use std::sync::{Arc, Mutex};

use homeprov::inventory::model::Inventory;
use homeprov::ssh::{HostKeyPolicy, Options, Transport, TransportError};

use crate::exec::shell;
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
