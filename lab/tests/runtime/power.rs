//! Power cuts and cables.

use super::lab::Lab;

#[test]
fn a_power_cut_ends_everything_at_once_but_the_disk() {
    let said = Lab::of(2).run(
        r#"show boot on nuc1 'cat /proc/sys/kernel/random/boot_id'
           on nuc1 'echo kept >/etc/kept; echo gone >/run/gone; systemd-run --quiet --unit=homeprov-job sleep 2001'
           until_so pgrep -f '^sleep 2001$'
           "$LAB" power-off nuc1
           until_not pgrep -f '^sleep 2001$'
           show off on nuc1 true
           show neighbour on nuc2 true
           "$LAB" power-on nuc1
           until_so on nuc1 true
           show disk on nuc1 'cat /etc/kept; ls /run/gone 2>/dev/null; uname -n'
           show unit on nuc1 'systemctl is-active homeprov-job'
           show again on nuc1 'cat /proc/sys/kernel/random/boot_id'"#,
    );
    assert_eq!((said.status("off"), said.status("neighbour")), (255, 0));
    assert_eq!(said.text("disk"), "kept|nuc1");
    assert_eq!(said.text("unit"), "inactive");
    assert_eq!(said.text("boot").len(), 36);
    assert_ne!(said.text("boot"), said.text("again"));
}

#[test]
fn a_node_without_its_cable_runs_on() {
    let said = Lab::of(2).run(
        r#"on nuc1 'systemd-run --quiet --unit=homeprov-job sleep 2002'
           show boot on nuc1 'cat /proc/sys/kernel/random/boot_id'
           show before on nuc2 'ssh-keyscan -T 5 10.77.0.11 2>/dev/null | wc -l'
           "$LAB" cut nuc1
           until_not on nuc1 true
           show neighbour on nuc2 'ssh-keyscan -T 1 10.77.0.11 2>/dev/null | wc -l'
           show process pgrep -c -f '^sleep 2002$'
           "$LAB" heal nuc1
           until_so on nuc1 true
           show again on nuc1 'cat /proc/sys/kernel/random/boot_id'
           show unit on nuc1 'systemctl is-active homeprov-job'"#,
    );
    assert_eq!((said.text("before"), said.text("neighbour")), ("1", "0"), "{said:?}");
    assert_eq!(said.text("process"), "1");
    assert_eq!(said.text("boot"), said.text("again"));
    assert_eq!(said.text("unit"), "active");
}

#[test]
fn a_cable_that_is_out_stays_out_over_a_power_cut() {
    let said = Lab::of(1).run(
        r#""$LAB" cut nuc1
           until_not on nuc1 true
           "$LAB" power-off nuc1
           until_not pgrep -f '^[^ ]*stand-in node-init'
           "$LAB" power-on nuc1
           until_so pgrep -f '^[^ ]*stand-in node-init'
           until_so sh -c "ip -o link show | grep -q 'node11.*state \(DOWN\|LOWERLAYERDOWN\)'"
           show cut on nuc1 true
           "$LAB" heal nuc1
           until_so on nuc1 true
           show healed on nuc1 'uname -n'"#,
    );
    assert_eq!(said.status("cut"), 255);
    assert_eq!(said.text("healed"), "nuc1");
}

#[test]
fn only_nodes_that_exist_can_be_asked_for() {
    let said = Lab::of(1).run("for what in power-off power-on cut heal; do show $what \"$LAB\" $what nuc7; done");
    for what in ["power-off", "power-on", "cut", "heal"] {
        assert_eq!(said.status(what), 1);
    }
    assert_eq!(said.err, "homeprov-lab: there is no node nuc7\n".repeat(4));
}

#[test]
fn a_machine_switches_itself_off_past_everything_that_runs() {
    let said = Lab::of(2).run(
        r#"show orderly on nuc1 'systemctl poweroff 2>&1'
           show boot on nuc2 'cat /proc/sys/kernel/random/boot_id'
           on nuc2 'systemctl reboot --force --force' >/dev/null 2>&1
           until_so on nuc2 true
           show again on nuc2 'cat /proc/sys/kernel/random/boot_id'
           on nuc1 'if [ -e /proc/sysrq-trigger ]; then echo o >/proc/sysrq-trigger; else systemctl poweroff -ff; fi; sleep 60' >/dev/null 2>&1 &
           until_not on nuc1 true
           show off on nuc1 true
           show neighbour on nuc2 true
           "$LAB" power-on nuc1
           until_so on nuc1 true"#,
    );
    assert_eq!((said.status("orderly"), said.text("orderly")), (1, "Failed to talk to init daemon."));
    assert_ne!(said.text("boot"), said.text("again"));
    assert_eq!((said.status("off"), said.status("neighbour")), (255, 0));
}

#[test]
fn rules_that_drop_all_but_ssh_keep_the_other_machines_away() {
    let said = Lab::of(2).with(&["--state", "cluster"]).run(
        r#"asks() { on nuc2 'curl -sk -m 2 -o /dev/null https://10.77.0.11:16443/ && echo answers || echo silent'; }
           show before asks
           on nuc1 'printf "table inet away { chain input { type filter hook input priority 0; policy drop; tcp dport 22 accept } }" | nft -f -'
           until_not on nuc2 'curl -sk -m 1 https://10.77.0.11:16443/'
           show away asks
           show itself on nuc1 'curl -sk -m 2 -o /dev/null https://127.0.0.1:16443/; echo $?; nft list ruleset | grep -c drop'
           on nuc1 'nft delete table inet away'
           until_so on nuc2 'curl -sk -m 1 https://10.77.0.11:16443/'
           show after asks"#,
    );
    assert_eq!(
        (said.text("before"), said.text("away"), said.text("after")),
        ("answers", "silent", "answers"),
        "{said:?}"
    );
    assert_eq!(said.text("itself"), "0|1");
}
