//! A node is taken away and comes back, and what stays stuck is mended: with real bytes on volumes.

use crate::harness::lab;
use crate::row::Row;

#[test]
fn a_node_that_is_stopped_is_missed_and_comes_back() {
    let row = Row::of("MicroK8s is stopped on a node, with its volumes", "`drill`, in the lab");
    let ran = lab(
        "--nodes 3 --storage default --speed 10",
        "homeprov up -q $I || exit 99
         part drill; homeprov drill $I nuc2 --yes; echo drill=$?
         part status; homeprov status $I
         part repair; homeprov repair $I --yes; echo repair=$?
         part again; homeprov up $I; echo again=$?",
    );
    ran.expect(ran.code_of("drill") == 0, "the drill should pass");
    for words in ["Node NotReady after", "canary read elsewhere after", "with the same hash", "every replica is RW"] {
        ran.expect(ran.part("drill").contains(words), words);
    }
    ran.expect(ran.part("status").contains("last drill: nuc2, today"), "status remembers it");
    ran.expect(ran.code_of("repair") == 0 && ran.part("repair").contains("nothing is stuck"), "nothing stays stuck");
    ran.expect(ran.code_of("again") == 0 && ran.part("again").contains("nothing to do"), "and nothing is left to do");
    row.ended("measured; the canary was read elsewhere, the node came back");
}

#[test]
fn the_last_voter_but_one_is_not_taken_away() {
    let row = Row::of("a voter is off", "another one is to be taken away; `drill`, in the lab");
    let ran = lab(
        "--nodes 3",
        "homeprov up -q $I || exit 99
         homeprov-lab power-off nuc3; sleep 60
         part drill; homeprov drill $I nuc2 --yes; echo drill=$?",
    );
    ran.expect(ran.code_of("drill") == 5, "it should be refused");
    ran.expect(ran.part("drill").contains("2 are needed"), "with what would be left");
    row.ended("exit code 5");
}
