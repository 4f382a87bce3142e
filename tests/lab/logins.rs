//! root, sudo, sudo with a password: the same end.

use crate::harness::lab;

#[test]
fn sudo_without_a_password() {
    let ran = lab("--nodes 1 --login sudo", "homeprov up $I; echo up=$?; part again; homeprov up $I");
    ran.expect(ran.code_of("up") == 0, "it should succeed");
    ran.expect(ran.part("again").contains("nothing to do"), "and then rest");
}

#[test]
fn sudo_with_a_password() {
    let ran = lab(
        "--nodes 1 --login sudo-password",
        "part refused; homeprov up $I </dev/null; echo refused=$?
         cd $(mktemp -d); touch watching
         # Command lines and environments, of the homelab's processes and of this machine's part of it.
         while [ -e watching ]; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | sort -u >>argv; sleep 0.1; done &
         homeprov up --json --sudo-password-file $LAB_SUDO_PASSWORD_FILE $I >out 2>err; echo allowed=$?
         rm watching; wait
         homeprov log -v >log 2>&1; homeprov log --bundle=report.tar.gz >bundle; tar -xzOf report.tar.gz >report
         part seen; grep -c 'sudo -S' argv; grep -c step-holds out; grep -c homeprov: report
         word=$(cat $LAB_SUDO_PASSWORD_FILE)
         part leaks; grep -rlF -e \"$word\" -e \"$(printf %s \"$word\" | base64 | tr -d =)\" argv out err log bundle report $XDG_STATE_HOME; echo leaks=$?",
    );
    ran.expect(ran.code_of("refused") == 9, "without the password the node cannot be used");
    ran.expect(ran.part("refused").contains("sudo"), "and the message names sudo");
    ran.expect(ran.code_of("allowed") == 0, "with the password it succeeds");
    let seen: Vec<u32> = ran.part("seen").lines().filter_map(|line| line.trim().parse().ok()).collect();
    ran.expect(
        seen.len() == 3 && seen.iter().all(|count| *count > 0),
        "sudo's own command line was among those looked at",
    );
    ran.expect(
        ran.code_of("leaks") == 1,
        "no command line, no environment, no output, no journal and no bundle holds the password",
    );
}
