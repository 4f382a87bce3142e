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
         part allowed; homeprov up --sudo-password-file $LAB_SUDO_PASSWORD_FILE $I; echo allowed=$?
         part leaks; grep -rl \"$(cat $LAB_SUDO_PASSWORD_FILE)\" $XDG_STATE_HOME; echo leaks=$?",
    );
    ran.expect(ran.code_of("refused") == 9, "without the password the node cannot be used");
    ran.expect(ran.part("refused").contains("sudo"), "and the message names sudo");
    ran.expect(ran.code_of("allowed") == 0, "with the password it succeeds");
    ran.expect(ran.code_of("leaks") == 1, "the journal does not hold the password");
}
