//! The connection to a node, or the controller's cable, is lost while a detached job runs there: over the real ssh.

use crate::harness::{Ran, lab};
use crate::row::Row;

/// Runs `up`, does something as soon as a step's command runs on a node, and shows what came of it. When that is, and how
/// long it lasts, depends on the machine: the lab is slow enough for a command to still run when it was seen to.
fn during(step: &str, command: &str, done: &str) -> Ran {
    let script = format!(
        "cd \"$(mktemp -d)\"
         homeprov up --json $I >log 2>errors & up=$!
         for wait in $(seq 1200); do grep -q '\"event\":\"step-started\".*\"step\":\"{step}\"' log && break; sleep 0.1; done
         for wait in $(seq 300); do homeprov-lab commands | grep -q '{command}.*\"ended\":null' && break; done
         {done}
         wait $up; echo up=$?
         part log; cat log errors
         part lost; grep '\"event\":\"step-lost\"' log | grep '\"step\":\"{step}\"'
         part attached; grep '\"event\":\"step-attached\"' log | grep '\"step\":\"{step}\"'
         part again; homeprov up $I; echo again=$?
         part commands; homeprov-lab commands"
    );
    let ran = lab("--nodes 3 --speed 7", &script);
    ran.expect(ran.code_of("up") == 0, "it should converge");
    ran.expect(ran.code_of("again") == 0 && ran.part("again").contains("nothing to do"), "and leave nothing to do");
    ran.expect(!ran.part("lost").is_empty(), "the loss should be told");
    ran.expect(ran.part("lost").lines().count() == ran.part("attached").lines().count(), "and the return");
    ran
}

/// How often a program was run, on all machines together.
fn count(ran: &Ran, words: &str) -> usize {
    ran.part("commands").lines().filter(|line| line.contains(words)).count()
}

#[test]
fn ssh_is_cut_during_a_join() {
    let row = Row::of("the SSH connections are cut", "while a node joins, by killing every ssh master (lab)");
    let ran = during("members-joined", "\"join\"", "pkill -KILL -f \"^ssh.*$XDG_RUNTIME_DIR/homeprov-\"");
    assert_eq!(count(&ran, "\"join\""), 2, "two nodes join, each once\n{}", ran.part("commands"));
    row.ended("told, connected again, attached to the join, joined once, converged");
}

/// In `make matrix`.
#[test]
fn the_controllers_cable_is_out_during_an_installation() {
    let row = Row::of("the controller's cable is pulled", "while MicroK8s is installed, for 60 s (lab)");
    let ran = during("snap-installed", "\"install\",\"microk8s\"", "homeprov-lab unplug; sleep 60; homeprov-lab plug");
    assert_eq!(count(&ran, "\"install\",\"microk8s\""), 3, "once on each node\n{}", ran.part("commands"));
    row.ended("told, connected again, attached to the jobs, installed once, converged");
}
