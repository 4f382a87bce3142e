//! The power is cut, of each node in turn, while the site is up: it answers through its address of the pool again, and what was
//! written is there.

use serde_json::Value;

use super::{SITE, TOOLS};
use crate::harness::{Ran, lab};
use crate::row::Row;

/// How much faster than here the lab's time passes.
const SPEED: u64 = 20;

/// `roles` says what runs where, `drill NODE OPTIONS` cuts its power and lets somebody press its button when that is asked for.
const NIGHT: &str = r#"
via=11
on() { a=$1; shift; ssh -F none -i "$key" -o BatchMode=yes -o ConnectTimeout=3 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR root@10.77.0.$a "$@"; }
kubectl() { on $via /snap/bin/microk8s kubectl "$@"; }
sql() { on $via /snap/bin/microk8s kubectl exec -i -n mastodon mastodon-postgresql-0 -- sh -c "'PGPASSWORD=\$POSTGRES_PASSWORD psql -XqAt -U mastodon -d mastodon_production'"; }
count() { echo 'SELECT count(*) FROM statuses;' | sql; }
number() { echo $((10 + ${1#nuc})); }
boot() { on $(number $1) cat /proc/sys/kernel/random/boot_id; }
database() { kubectl get pods -n mastodon mastodon-postgresql-0 -o "jsonpath='{.spec.nodeName}'"; }
roles() {
  echo "seed nuc1"
  echo "database $(database)"
  for server in $(kubectl get pods -A -l openebs.io/nfs-server -o "jsonpath='{.items[*].spec.nodeName}'"); do echo "NFS-server $server"; done
  echo "announcer $(kubectl get servicel2statuses -A -o "jsonpath='{.items[*].status.node}'")"
}
till() { left=$1; shift; while [ $((left -= 1)) -gt 0 ]; do "$@" >/dev/null 2>&1 && return; sleep 1; done; echo "this did not come about: $*"; }
answers() { [ "$(visit /health)" = 200 ]; }
modes() { kubectl get jivavolumes -n openebs -o "jsonpath='{.items[*].status.replicaStatus[*].mode}'" | tr ' ' '\n' | sort | uniq -c | awk '{ print $2 }'; }
drill() {
  part roles-$1; roles
  part boot-$1; boot $1
  homeprov drill $I $1 --how power --yes $2 >$1.out 2>$1.err & drill=$!
  until grep -q 'it is to be switched on now' $1.err || ! kill -0 $drill 2>/dev/null; do sleep 0.5; done
  part asked-$1; grep -c 'press the power button' $1.err; date +%s
  sleep 2; homeprov-lab power-on $1
  wait $drill; status=$?
  part out-$1; cat $1.out
  part err-$1; cat $1.err; echo "drill-$1=$status"
  part again-$1; boot $1
  part after-$1; visit /; count; modes
  part status-$1; homeprov status $I | grep 'last drill'
}
"#;

/// What a node was for when its power was cut.
fn roles(ran: &Ran, node: &str) -> String {
    let lines = ran.part(&format!("roles-{node}"));
    let mut all: Vec<String> = lines
        .lines()
        .filter_map(|line| line.strip_suffix(&format!(" {node}")).map(|role| role.replace('-', " ")))
        .collect();
    all.dedup();
    if all.is_empty() { "none of these".to_owned() } else { all.join(", ") }
}

/// The node went, the site came back, everything is as it was.
fn stood(ran: &Ran, node: &str) {
    ran.expect(ran.code_of(&format!("drill-{node}")) == 0, &format!("the drill of {node} should pass"));
    let boots = [format!("boot-{node}"), format!("again-{node}")].map(|part| ran.part(&part).trim().to_owned());
    ran.expect(boots[0].len() == 36 && boots[0] != boots[1], "it should really have been off");
    let asked = ran.part(&format!("asked-{node}"));
    ran.expect(!asked.starts_with('0'), "somebody is asked to press its button");
    let after = ran.part(&format!("after-{node}"));
    ran.expect(after.trim() == "200\n12\nRW", &format!("site, rows and replicas should be as before: {after:?}"));
    let status = ran.part(&format!("status-{node}"));
    ran.expect(status.contains(&format!("last drill: {node}, today, ")), "status remembers it");
}

/// The seconds the report has of something, in the lab's time.
fn measured(report: &Value, what: &str) -> u64 {
    let row = report["rows"].as_array().into_iter().flatten().find(|row| row["what"] == what);
    let row = row.unwrap_or_else(|| panic!("no {what} in {report:#}"));
    assert_eq!(row["well"], true, "{row:#}");
    row["seconds"].as_u64().unwrap_or_else(|| panic!("{what} was not measured: {report:#}")) * SPEED
}

/// What is in the report: all well, the canary read elsewhere, times that can be. Returns what the table says of it.
fn report(ran: &Ran, node: &str) -> String {
    let report: Value =
        serde_json::from_str(&ran.part(&format!("out-{node}"))).unwrap_or_else(|_| panic!("{}", ran.text));
    assert_eq!((&report["node"], &report["how"]), (&node.into(), &"power".into()), "{report:#}");
    assert_eq!((&report["passed"], &report["back"]), (&true.into(), &true.into()), "{report:#}");
    let rows = report["rows"].as_array().expect("rows");
    let detail = |what: &str| rows.iter().find(|row| row["what"] == what).map(|row| row["detail"].to_string());
    assert!(detail("canary").is_some_and(|detail| detail.contains("with the same hash")), "{report:#}");
    assert!(detail("whole").is_some_and(|detail| detail.contains("every replica is RW")), "{report:#}");
    // kube-controller-manager `--node-monitor-grace-period`: a second here is twenty there, and the first may be cut short.
    let (noticed, away) = (measured(&report, "node"), report["away_seconds"].as_u64().unwrap_or_default() * SPEED);
    assert!((40 - SPEED..600).contains(&noticed) && noticed <= away, "{report:#}");
    let (site, canary, whole) = (measured(&report, "site"), measured(&report, "canary"), measured(&report, "whole"));
    assert!(canary >= noticed && site < 3600 * 5, "{report:#}");
    let site = match detail("site") {
        Some(detail) if detail.contains("with the node only") => format!("site back with the node, after {site} s"),
        _ if site == 0 => "the site answered all the time".to_owned(),
        _ => format!("site back after {site} s"),
    };
    format!(
        "{site}; NotReady after {noticed} s, canary read elsewhere after {canary} s, whole {whole} s after its return, in the lab's time"
    )
}

#[test]
fn the_power_of_each_node_is_cut_in_turn() {
    let fault = "a machine loses its power, with Mastodon up";
    let rows = ["nuc1", "nuc2", "nuc3"].map(|node| Row::of(fault, format!("{node}; `drill --how power`")));
    let night = Row::of(fault, "the one with the database; `repair` while it is off");
    let ran = lab(
        SITE,
        &format!(
            r#"{TOOLS}{NIGHT}
            homeprov up $I >out 2>err || {{ cat err; exit 99; }}
            echo 'INSERT INTO statuses SELECT generate_series(1, 12);' | sql
            part before; visit /; count
            drill nuc1 --json; drill nuc2 --json; drill nuc3
            part repair; homeprov repair $I --yes; echo repair=$?
            part up; homeprov up $I; echo up=$?
            part up-again; homeprov up $I; echo up-again=$?

            # And now nobody is there to press a button.
            node=$(database); part roles-night; roles; echo "off $node"
            [ $node != nuc1 ] || via=12
            boot $node >boot
            homeprov-lab power-off $node; began=$(date +%s%N)
            ends() {{ [ -n "$(kubectl get pods -n mastodon mastodon-postgresql-0 -o "jsonpath='{{.metadata.deletionTimestamp}}'")" ]; }}
            till 120 ends; sleep 12
            part night; visit /; kubectl get pods -n mastodon mastodon-postgresql-0 --no-headers
            part told; homeprov repair $I </dev/null; echo told=$?
            mended=$(date +%s%N)
            part mended; homeprov repair $I --yes; echo mended=$?
            till 180 answers
            echo "site-ms=$(( ($(date +%s%N) - began) / 1000000 ))"; echo "repair-ms=$(( ($(date +%s%N) - mended) / 1000000 ))"
            part morning; visit /; count; database; echo
            homeprov-lab power-on $node; till 60 boot $node
            nodes() {{ [ $(kubectl get nodes --no-headers | grep -cw Ready) = 3 ]; }}
            till 60 nodes
            whole() {{ [ "$(modes)" = RW ]; }}
            till 120 whole; sleep 5
            part last; homeprov repair $I --yes; echo last=$?
            part up-last; homeprov up $I; echo up-last=$?
            part up-over; homeprov up $I; echo up-over=$?
            part after; visit /; count
            part end"#
        ),
    );
    ran.expect(!ran.text.contains("this did not come about"), "everything that was waited for should come about");
    ran.expect(ran.part("before").trim() == "200\n12", "there is a site, and rows in its database");
    for (row, node) in rows.into_iter().zip(["nuc1", "nuc2", "nuc3"]) {
        stood(&ran, node);
        let seen = if node == "nuc3" { table(&ran) } else { report(&ran, node) };
        row.ended(format!("{}: {seen}", roles(&ran, node)));
    }
    ran.expect(ran.code_of("repair") == 0 && ran.part("repair").contains("nothing is stuck"), "nothing stays stuck");
    // The pods that answer are others by now: that they do is looked at, and nothing is changed.
    ran.expect(ran.code_of("up") == 0 && ran.code_of("up-again") == 0, "up should succeed");
    ran.expect(ran.part("up-again").contains("nothing to do"), "and leave nothing to do");

    let off = ran.part("roles-night").lines().find_map(|line| line.strip_prefix("off ").map(str::to_owned));
    let off = off.expect("a node");
    ran.expect(ran.part("night").lines().next() != Some("200"), "without its database the site is down");
    ran.expect(ran.part("night").contains("Terminating"), "whose pod waits for its node");
    ran.expect(ran.code_of("told") == 5, "without a yes it is only told");
    for words in ["pod-terminating mastodon/mastodon-postgresql-0", "is off: nobody answers for"] {
        ran.expect(ran.part("told").contains(words), words);
    }
    ran.expect(ran.part("mended").contains("mended: pod-terminating mastodon/mastodon-postgresql-0"), "it is mended");
    // It takes so long now and then that the replicas of the node that is off count as behind.
    let code = if ran.part("mended").contains("✘ replica-behind") { 5 } else { 9 };
    ran.expect(ran.code_of("mended") == code, "with its node off, not all is well");
    ran.expect(ran.part("mended").contains("could not be reached"), "and the node that is away is named");
    let morning = ran.part("morning");
    ran.expect(morning.starts_with("200\n12\n") && !morning.contains(&off), "the site is back, on another node");
    ran.expect(ran.code_of("last") == 0 && ran.part("last").contains("nothing is stuck"), "nothing stays stuck");
    ran.expect(ran.code_of("up-last") == 0 && ran.part("up-over").contains("nothing to do"), "nothing is left to do");
    ran.expect(ran.part("after").trim() == "200\n12", "and everything is there");
    let seconds = |name: &str| i64::from(ran.code_of(name)) * 20 / 1000;
    night.ended(format!(
        "site back on other nodes {} s after the cut, {} s after `repair` was called, in the lab's time; its rows are there",
        seconds("site-ms"),
        seconds("repair-ms")
    ));
}

/// The same as people see it.
fn table(ran: &Ran) -> String {
    let out = ran.part("out-nuc3");
    let seconds = |title: &str| {
        let line = out.lines().find(|line| line.contains(title)).unwrap_or_else(|| panic!("no {title} in\n{out}"));
        ran.expect(line.trim_start().starts_with('✔'), &format!("{title} should be well"));
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "s").unwrap_or_else(|| panic!("no seconds in {line}"));
        words[at - 1].parse::<u64>().unwrap_or_else(|_| panic!("no seconds in {line}")) * SPEED
    };
    // However the table is folded.
    let words: Vec<&str> = out.split_whitespace().collect();
    ran.expect(words.join(" ").contains("with the same hash"), "the canary is intact");
    format!(
        "site back after {} s; NotReady after {} s, canary read elsewhere after {} s, in the lab's time",
        seconds("site answers again"),
        seconds("Node NotReady after"),
        seconds("canary read elsewhere")
    )
}
