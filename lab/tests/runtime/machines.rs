//! Nodes are machines of their own, and the lab's command is a command like any other.

use std::path::Path;

use super::lab::Lab;

#[test]
fn nodes_share_no_files_with_each_other_or_with_this_machine() {
    let name = format!("homeprov-lab-test-{}", std::process::id());
    let script = "
        for place in root etc usr/bin var/lib tmp; do on nuc1 \"echo mine >/$place/NAME\"; done
        on nuc1 'rm /usr/bin/env'
        show there on nuc1 'cat /root/NAME /etc/NAME /usr/bin/NAME /var/lib/NAME /tmp/NAME'
        show other on nuc2 'ls /root/NAME /etc/NAME /usr/bin/NAME /var/lib/NAME /tmp/NAME 2>/dev/null'
        show env on nuc2 '/usr/bin/env true'
        show homes on nuc2 'ls -A /home /srv /mnt /root'";
    let said = Lab::of(2).run(&script.replace("NAME", &name));
    assert_eq!(said.text("there"), "mine|mine|mine|mine|mine");
    assert_eq!(said.text("other"), "");
    assert_eq!(said.status("env"), 0);
    assert_eq!(said.text("homes"), "/home:||/mnt:||/root:|.ssh||/srv:");
    for place in ["/root", "/etc", "/usr/bin", "/var/lib", "/tmp"] {
        assert!(!Path::new(place).join(&name).exists(), "{place} of this machine was written to");
    }
    assert!(Path::new("/usr/bin/env").exists());
}

#[test]
fn nodes_have_names_addresses_and_processes_of_their_own() {
    let said = Lab::of(1).with(&["--workers", "1", "--spare", "1"]).run(
        "show names sh -c 'grep ^name \"$LAB_INVENTORY\"; grep ^role \"$LAB_INVENTORY\"'
         for node in nuc1 nuc2; do show $node on $node 'uname -n; ip -4 -o addr show dev eth0'; done
         show spare sh -c 'ssh-keyscan -T 5 10.77.0.13 2>/dev/null'
         on nuc1 'sleep 4321 </dev/null >/dev/null 2>&1 &'
         show here on nuc1 'pgrep -c -x sleep'
         show other on nuc2 'pgrep -c -x sleep'",
    );
    assert_eq!(
        said.text("names"),
        "name = \"lab\"|name = \"nuc1\"|name = \"nuc2\"|role = \"control-plane\"|role = \"worker\""
    );
    assert!(said.text("nuc1").starts_with("nuc1|") && said.text("nuc1").contains(" 10.77.0.11/24 "), "{said:?}");
    assert!(said.text("nuc2").starts_with("nuc2|") && said.text("nuc2").contains(" 10.77.0.12/24 "), "{said:?}");
    assert!(said.text("spare").contains("ssh-ed25519"), "{said:?}");
    assert_eq!((said.text("here"), said.text("other")), ("1", "0"));
}

#[test]
fn the_exit_status_is_the_commands() {
    assert_eq!(Lab::of(1).run("exit 42").status, Some(42));
    assert_eq!(Lab::of(1).run("kill -KILL $$").status, Some(137));
    assert_eq!(Lab::of(1).run("kill -INT $$").status, Some(130));
}

#[test]
fn a_snapshot_tells_writing_from_reading() {
    let said = Lab::of(2).run(
        r#"cd "$(mktemp -d)"
           "$LAB" snapshot first
           on nuc1 'cat /etc/hosts; snap list; systemctl is-active snapd; hostnamectl; date' >/dev/null 2>&1
           on nuc2 'find /etc /var -xdev -type f -exec cat {} + | wc -c' >/dev/null
           "$LAB" snapshot second
           show reading cmp first second
           on nuc1 'echo more >>/etc/hosts' && "$LAB" snapshot third
           show writing sh -c 'diff second third | grep -c "^> nuc1 /etc/hosts"'
           on nuc2 'chmod 600 /etc/passwd' && "$LAB" snapshot fourth
           show mode sh -c 'diff third fourth | grep -c "^> nuc2 /etc/passwd"'
           on nuc2 'rm /etc/group' && "$LAB" snapshot fifth
           show removing sh -c 'diff fourth fifth | grep "^>" | grep -c " /etc/group "'"#,
    );
    assert_eq!((said.status("reading"), said.text("reading")), (0, ""), "{said:?}");
    assert_eq!((said.text("writing"), said.text("mode"), said.text("removing")), ("1", "1", "1"), "{said:?}");
}

#[test]
fn a_round_trip_takes_its_time() {
    // A command on a connection that is there takes two round trips: the channel, and the request in it.
    let said = Lab::of(1).with(&["--rtt", "20"]).run(
        r#"show ports grep -c 'host = "127.0.0.1"' "$LAB_INVENTORY"
           ssh_options="-o ControlPath=$(mktemp -u) -o ControlMaster=auto -o ControlPersist=60"
           on nuc1 true
           since=$(date +%s%N)
           on nuc1 true
           show took echo $((($(date +%s%N) - since) / 1000000))"#,
    );
    assert_eq!(said.text("ports"), "1");
    assert!(said.number("took") >= 40, "{said:?}");
}
