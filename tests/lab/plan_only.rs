//! `plan` and `status` touch nothing: the machines are byte-identical before and after.

use crate::harness::lab;

#[test]
fn looking_leaves_every_file_as_it_was() {
    let ran = lab(
        "--nodes 2 --speed 1",
        "cd $(mktemp -d)
         homeprov-lab snapshot before
         part plan; homeprov plan --exit-code $I; echo plan=$?
         homeprov status $I >/dev/null; echo status=$?
         homeprov-lab snapshot after
         part difference; diff before after; echo difference=$?
         wc -l before",
    );
    ran.expect(ran.code_of("plan") == 4, "changes are pending");
    ran.expect(ran.code_of("status") == 0, "the status can be told");
    ran.expect(ran.code_of("difference") == 0, "nothing on the machines may have changed");
    ran.expect(ran.part("plan").contains("the packages needed are installed"), "the plan names the steps");
}

#[test]
fn a_finished_cluster_is_left_as_it_is_too() {
    let ran = lab(
        "--nodes 1 --speed 50",
        "cd $(mktemp -d)
         homeprov up -q $I; echo up=$?
         sleep 1
         homeprov-lab snapshot before
         homeprov plan --exit-code $I; echo plan=$?
         homeprov up $I >/dev/null; echo again=$?
         homeprov-lab snapshot after
         part difference; diff before after; echo difference=$?",
    );
    ran.expect(
        ran.code_of("up") == 0 && ran.code_of("plan") == 0 && ran.code_of("again") == 0,
        "nothing is left to do",
    );
    ran.expect(ran.code_of("difference") == 0, "and nothing was touched");
}
