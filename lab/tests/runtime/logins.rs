//! The three ways to log in need what they say.

use super::lab::Lab;

#[test]
fn root_logs_in_with_the_inventorys_key_only() {
    let said = Lab::of(1).run(
        "show who on nuc1 'id -un'
         show key ssh -F none -o IdentityFile=none -o IdentityAgent=none -o BatchMode=yes \\
           -o UserKnownHostsFile=$(setting known_hosts) root@10.77.0.11 true",
    );
    assert_eq!(said.text("who"), "root");
    assert_eq!(said.status("key"), 255);
    assert!(said.err.contains("Permission denied (publickey)"), "{}", said.err);
}

#[test]
fn sudo_is_needed_and_asks_for_nothing() {
    let said = Lab::of(1).with(&["--login", "sudo"]).run(
        "show who on nuc1 'id -un'
         show without on nuc1 'cat /etc/shadow 2>&1; systemctl stop cron 2>&1; hostnamectl set-hostname attic 2>&1'
         show with on nuc1 'sudo -n id -u; sudo -n cat /etc/shadow | grep -c ^lab; sudo -n systemctl stop cron'
         show kept on nuc1 'uname -n'",
    );
    assert_eq!(said.text("who"), "lab");
    let refused = "cat: /etc/shadow: Permission denied|Failed to connect to bus: Interactive authentication required.\
                   |Could not set static hostname: Access denied";
    assert_eq!(said.text("without"), refused);
    assert_eq!((said.status("with"), said.text("with")), (0, "0|1"), "{said:?}");
    assert_eq!(said.text("kept"), "nuc1");
}

#[test]
fn sudo_with_a_password_takes_the_right_one_only() {
    let said = Lab::of(1).with(&["--login", "sudo-password"]).run(
        r#"show mode stat -c %a "$LAB_SUDO_PASSWORD_FILE"
           show without on nuc1 'sudo -n true 2>&1'
           wrong() { echo nonsense | on nuc1 "sudo -S -p '' id -u" 2>&1; }
           right() { (cat "$LAB_SUDO_PASSWORD_FILE"; echo) | on nuc1 "sudo -S -p '' id -u" 2>/dev/null; }
           show wrong wrong
           show right right"#,
    );
    assert_eq!(said.text("mode"), "600");
    assert_eq!((said.status("without"), said.text("without")), (1, "sudo: a password is required"));
    assert_eq!(said.status("wrong"), 1);
    assert!(!said.text("wrong").ends_with("|0"), "{said:?}");
    assert_eq!((said.status("right"), said.text("right")), (0, "0"), "{said:?}");
}
