//! The exit codes that take machines: unreachable nodes, refused pre-flights, verification. The others are tested
//! without a lab.

use crate::harness::lab;

#[test]
fn an_unreachable_node_holds_up_nothing_else() {
    let ran = lab(
        "--nodes 3 --workers 1",
        "homeprov-lab power-off nuc4
         part up; homeprov up $I; echo up=$?
         part status; homeprov status $I; echo status=$?",
    );
    ran.expect(ran.code_of("up") == 9, "a node is unreachable");
    ran.expect(ran.part("up").contains("nuc4"), "the node is named");
    let status = ran.part("status");
    ran.expect(ran.code_of("status") == 9, "status says so, too");
    ran.expect(status.contains("highly available (3 of 3 voters answer)"), "the rest is done");
}

#[test]
fn a_channel_the_store_does_not_list_is_refused_with_what_it_lists() {
    let ran = lab(
        "--nodes 1",
        "sed -i 's|1.36/stable|1.99/stable|' $I
         part up; homeprov up $I; echo up=$?
         part snap; ls /mnt/nodes/nuc1/root/snap",
    );
    ran.expect(ran.code_of("up") == 5, "refused");
    ran.expect(ran.part("up").contains("1.36/stable"), "with what the store lists");
}
