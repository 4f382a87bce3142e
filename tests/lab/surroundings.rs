//! What surrounds the nodes goes wrong, against the real program.

use crate::harness::lab;
use crate::row::Row;

#[test]
fn an_address_of_the_pool_that_another_device_has() {
    let row = Row::of("pool-taken", "from the start, in the lab");
    let ran = lab(
        "--nodes 3 --fault pool-taken",
        "part up; homeprov up $I; echo up=$?\npart status; homeprov status $I; true",
    );
    ran.expect(ran.code_of("up") == 5, "it should be refused");
    for words in ["10.77.0.203 is answered for by", "none of the nodes", "[metallb] pool"] {
        ran.expect(ran.part("up").contains(words), words);
    }
    ran.expect(!ran.part("status").contains("speakers ready"), "and nothing of it announced");
    row.ended("exit code 5: 10.77.0.203 is answered for by another device");
}

#[test]
fn a_dpkg_that_was_cut_off() {
    let row = Row::of("dpkg-interrupted", "from the start, in the lab");
    let ran = lab(
        "--nodes 3 --fault dpkg-interrupted",
        "part first; homeprov up $I; echo first=$?\npart second; homeprov up $I; echo second=$?",
    );
    ran.expect(ran.code_of("first") == 0, "it should converge");
    ran.expect(ran.part("first").contains("no package is left half-configured"), "having completed it");
    ran.expect(ran.code_of("second") == 0 && ran.part("second").contains("nothing to do"), "and rest");
    row.ended("converged");
}
