//! Faults that are the runtime's part show on the node.

use super::lab::Lab;

#[test]
fn a_noisy_login_shell_talks() {
    let said = Lab::of(2).with(&["--fault", "noisy-login-shell"]).run(
        "show quiet on nuc1 'echo hello'
         show noisy on nuc2 'echo hello'
         show status on nuc2 'exit 3'",
    );
    assert_eq!(said.text("quiet"), "hello");
    assert!(said.text("noisy").starts_with("Welcome!") && said.text("noisy").contains("hello|Goodbye."), "{said:?}");
    assert_eq!(said.status("status"), 3);
}

#[test]
fn a_skewed_clock_shows_on_its_node_only() {
    let said = Lab::of(2).with(&["--fault", "clock-skew@nuc1"]).run(
        "show here date +%s
         for node in nuc1 nuc2; do show $node on $node 'date +%s'; done
         show form on nuc1 'date -u +%Y-%m-%dT%H:%M:%S.%N'",
    );
    let (here, skewed, right) = (said.number("here"), said.number("nuc1"), said.number("nuc2"));
    assert!((250..400).contains(&(skewed - here)), "{said:?}");
    assert!((0..100).contains(&(right - here)), "{said:?}");
    assert_eq!(said.text("form").len(), "2026-01-01T00:00:00.000000000".len());
}

#[test]
fn a_small_memory_shows() {
    let said = Lab::of(2).with(&["--fault", "small-memory"]).run(
        "for node in nuc1 nuc2; do show $node on $node \"sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo\"; done",
    );
    assert_eq!(said.number("nuc2"), 512 * 1024);
    assert!(said.number("nuc1") > 2 * 1024 * 1024, "{said:?}");
}

#[test]
fn a_changed_host_key_is_refused() {
    let said = Lab::of(2).with(&["--fault", "host-key-changed"]).run(
        "show kept on nuc1 true
         show changed on nuc2 true",
    );
    assert_eq!((said.status("kept"), said.status("changed")), (0, 255));
    assert!(said.err.contains("Host key verification failed"), "{}", said.err);
}

#[test]
fn two_machines_share_a_machine_id() {
    let ids = "for node in nuc1 nuc2 nuc3; do show $node on $node 'cat /etc/machine-id'; done";
    let said = Lab::of(3).with(&["--fault", "duplicate-machine-id"]).run(ids);
    let mut shared = [said.text("nuc1"), said.text("nuc2"), said.text("nuc3")];
    shared.sort_unstable();
    assert!(shared.iter().all(|id| id.len() == 32), "{said:?}");
    assert_eq!(shared.windows(2).filter(|pair| pair[0] == pair[1]).count(), 1, "{said:?}");
    let said = Lab::of(3).run(ids);
    assert!(said.text("nuc1") != said.text("nuc2") && said.text("nuc2") != said.text("nuc3"), "{said:?}");
}

#[test]
fn a_fault_can_begin_while_the_lab_runs() {
    let said = Lab::of(1).run(
        "\"$LAB\" fault snap-store-down
         show down on nuc1 'timeout 20 snap install microk8s --classic 2>&1'
         show unknown \"$LAB\" fault no-such-fault",
    );
    assert_ne!(said.status("down"), 0, "{said:?}");
    assert_eq!(said.status("unknown"), 1);
    assert!(said.err.contains("no fault is named \"no-such-fault\""), "{}", said.err);
}
