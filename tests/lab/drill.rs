//! A node is taken away and comes back, and what stays stuck is mended: with real bytes on volumes, and when nobody watches.

use crate::harness::lab;
use crate::row::Row;
use crate::storage::TOOLS;

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

/// How much faster than here the lab's time passes.
const SPEED: i32 = 10;

#[test]
fn a_node_that_is_cut_off_lets_itself_in_when_its_controller_is_gone() {
    let fault = "a node is cut off from all but SSH";
    let watched = Row::of(fault, "`drill --how network`, in the lab");
    let alone = Row::of(fault, "homeprov is killed in the middle of `drill --how network`, in the lab");
    let ran = lab(
        "--nodes 3 --storage default --speed 10",
        &format!(
            r#"{TOOLS}
            cd "$(mktemp -d)"
            homeprov up -q $I || exit 99
            rules() {{ on 12 nft list table inet homeprov_drill >/dev/null 2>&1; }}
            reached() {{ curl -sk -m 2 -o /dev/null https://10.77.0.12:16443/livez && echo reached || echo silent; }}
            part before; reached
            part drill; homeprov drill $I nuc2 --how network --yes --json >report; echo drill=$?
            part report; cat report
            part let-in; rules || echo none; reached
            part meanwhile
            homeprov drill -v $I nuc2 --how network --yes >out 2>&1 & drill=$!
            until rules; do sleep 0.2; kill -0 $drill || break; done; cut=$(date +%s%N)
            until grep -q 'the cluster has noticed' out; do sleep 0.2; kill -0 $drill || break; done
            kill -KILL $drill; wait $drill
            part second; cat out
            part killed; rules && echo cut; reached; on 12 systemctl is-active homeprov-drill-back.timer
            part let
            left=120; while rules && [ $((left -= 1)) -gt 0 ]; do sleep 0.5; done; echo "alone-ms=$(( ($(date +%s%N) - cut) / 1000000 ))"
            part alone; rules || echo none; reached; on 12 systemctl is-active homeprov-drill-back.timer
            part status; homeprov status $I
            part up; homeprov up $I; echo up=$?
            part ended; homeprov status $I
            part again; homeprov up $I; echo again=$?
            part end"#
        ),
    );
    let is = |part: &str, wanted: &str| {
        let seen = ran.part(part).trim().to_owned();
        ran.expect(seen == wanted, &format!("{part} should be {wanted:?}, not {seen:?}"));
    };
    is("before", "reached");
    ran.expect(ran.code_of("drill") == 0, "the drill should pass");
    let report: serde_json::Value =
        serde_json::from_str(&ran.part("report")).unwrap_or_else(|_| panic!("{}", ran.text));
    let row = |what: &str| {
        let rows = report["rows"].as_array().into_iter().flatten();
        rows.filter(|row| row["what"] == what)
            .find(|row| row["well"] == true)
            .unwrap_or_else(|| panic!("{what}: {report:#}"))
    };
    let seconds = |what: &str| row(what)["seconds"].as_i64().unwrap_or_default() * i64::from(SPEED);
    assert!((30..270).contains(&seconds("node")), "the cluster notices in time: {report:#}");
    assert!(row("canary")["detail"].to_string().contains("with the same hash"), "{report:#}");
    is("let-in", "none\nreached");
    watched.ended(format!(
        "NotReady after {} s, canary read elsewhere after {} s, whole {} s after its return, in the lab's time",
        seconds("node"),
        seconds("canary"),
        seconds("whole")
    ));

    is("killed", "cut\nsilent\nactive");
    is("alone", "none\nreached\ninactive");
    // Its own timer, in the lab's time; from the first look at the rules, and until the first without.
    let took = ran.code_of("alone-ms") * SPEED / 1000;
    ran.expect((250..350).contains(&took), &format!("it should let itself in after 270 s, not {took} s"));
    ran.expect(
        ran.part("status").contains("a drill took nuc2 away (network) and did not end"),
        "status knows of the drill that did not end",
    );
    ran.expect(ran.code_of("up") == 0, "up should succeed");
    ran.expect(ran.part("up").contains("no drill is under way that nobody watches"), "and end what was begun");
    ran.expect(ran.part("ended").contains("last drill: nuc2, today"), "status remembers it as ended");
    ran.expect(ran.code_of("again") == 0 && ran.part("again").contains("nothing to do"), "nothing is left to do");
    alone.ended(format!("its own timer let it in after {took} s of the lab's time; `up` ended the drill"));
}
