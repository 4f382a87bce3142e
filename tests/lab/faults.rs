//! Every fault of the lab ends in a cluster that is as it should be, or in a message that names cause and remedy.
//! None hangs, none ends in a success that is none.

use crate::harness::{Ran, lab};

/// `up`, and `up` again: the second finds nothing to do.
fn mends(options: &str) -> Ran {
    let ran = lab(
        options,
        "part first; homeprov up $I; echo first=$?
         part second; homeprov up $I; echo second=$?
         part status; homeprov status $I",
    );
    ran.expect(ran.code_of("first") == 0, "it should converge");
    ran.expect(ran.code_of("second") == 0, "and rest");
    ran.expect(ran.part("second").contains("nothing to do"), "with nothing left to do");
    ran.expect(ran.part("status").contains("highly available (3 of 3"), "as a cluster of three voters");
    ran.expect(ran.part("status").contains("announced; 3 of 3 speakers ready"), "with its pool");
    ran
}

/// `up` refuses or fails with a code and words that say why and what to do; again it ends the same way.
fn tells(options: &str, before: &str, code: i32, words: &[&str]) -> Ran {
    let script = format!("{before}\npart up; homeprov up $I; echo up=$?\npart again; homeprov up $I; echo again=$?");
    let ran = lab(options, &script);
    ran.expect(ran.code_of("up") == code, &format!("exit code {code}"));
    ran.expect(ran.code_of("again") == code, "the same again");
    let text = ran.part("up");
    for word in words {
        ran.expect(text.contains(word), &format!("the message should say: {word}"));
    }
    ran
}

const UP_FIRST: &str = "homeprov up -q $I || exit 99";

macro_rules! mended {
    ($($test:ident: $fault:literal),* $(,)?) => {$(
        #[test]
        fn $test() {
            mends(concat!("--nodes 3 --fault ", $fault));
        }
    )*};
}

mended!(
    a_join_that_lies_about_its_success: "join-false-success",
    a_token_used_up_by_a_refusal: "join-consumed-token",
    a_data_store_slow_to_give_votes: "dqlite-slow-vote",
    a_first_join_that_takes_the_api_down_for_long: "first-join-api-restart",
    a_metallb_addon_that_retries_for_ever: "metallb-endless-loop",
    a_snapd_busy_with_another_change: "snap-busy",
    a_store_that_is_down_for_a_while: "snap-store-down",
    a_package_lock_held_by_another: "apt-locked",
    a_login_shell_that_talks: "noisy-login-shell",
    a_snapd_that_cannot_hold_one_snap: "old-snapd",
    a_machine_cut_off_in_mid_join: "half-joined",
);

#[test]
fn a_first_node_that_was_reinstalled_is_not_joined_the_wrong_way_round() {
    let before = format!(
        "{UP_FIRST}\nhomeprov-lab fault first-node-reinstalled; sleep 3\nsed -i \"s|^10.77.0.11 .*|10.77.0.11 $(ssh-keyscan -t ed25519 10.77.0.11 2>/dev/null | cut -d' ' -f2-)|\" $(sed -n 's/^known_hosts = \"\\(.*\\)\"/\\1/p' $I)"
    );
    tells("--nodes 3", &before, 5, &["nuc1", "remove-node"]);
}

#[test]
fn a_machine_of_somebody_elses_cluster() {
    tells("--nodes 3 --fault foreign-cluster", "", 5, &["nuc2", "microk8s leave"]);
}

#[test]
fn a_pool_nobody_announces() {
    tells("--nodes 3 --fault pool-not-announced", "", 7, &["nobody announces", "ARP from"]);
}

#[test]
fn a_metallb_addon_that_calls_itself_enabled() {
    tells("--nodes 3 --fault metallb-sticky-enabled", "", 6, &["default/speaker-kitchen", "Delete that pod"]);
}

#[test]
fn two_machines_with_one_machine_id() {
    tells("--nodes 3 --fault duplicate-machine-id", "", 5, &["same machine id", "systemd-machine-id-setup"]);
}

#[test]
fn a_clock_that_is_off() {
    tells("--nodes 3 --fault clock-skew", "", 5, &["the clock of nuc3", "timedatectl"]);
}

#[test]
fn a_machine_with_too_little_memory() {
    tells("--nodes 3 --fault small-memory", "", 5, &["nuc3 has", "role = \"worker\""]);
}

#[test]
fn a_host_key_that_changed() {
    let ran = tells("--nodes 3 --fault host-key-changed", "", 9, &["host key of", "changed", "forget the old key"]);
    ran.expect(!ran.text.contains("nuc3     it is a member"), "the machine is not touched");
}

#[test]
fn a_voter_that_died() {
    let before = format!("{UP_FIRST}\nhomeprov-lab power-off nuc3; sleep 5");
    let ran = tells("--nodes 3", &before, 9, &["nuc3"]);
    ran.expect(ran.part("up").contains("unreachable"), "it says which machine does not answer");
    let seen = lab("--nodes 3", &format!("{before}\npart status; homeprov status $I; echo status=$?"));
    seen.expect(seen.part("status").contains("2 of 3 voters answer"), "status tells voters that answer, not roles");
    seen.expect(seen.code_of("status") == 9, "and that a node is unreachable");
}
