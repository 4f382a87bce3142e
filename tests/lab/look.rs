//! What only looks, against the real program and real ARP: the pool, and a cluster that somebody made by hand.

use crate::harness::lab;
use crate::row::Row;

#[test]
fn a_device_in_the_pool_is_found_by_arp() {
    let row = Row::of("pool-collision", "two minutes after the pool was made, in the lab");
    let ran = lab(
        "--nodes 3 --fault pool-collision",
        "cd $(mktemp -d)
         part up; homeprov up -q $I; echo up=$?
         for i in $(seq 60); do homeprov verify pool -q $I >/dev/null 2>&1; [ $? = 7 ] && break; sleep 2; done
         homeprov-lab snapshot before
         part pool; homeprov verify pool $I; echo pool=$?
         homeprov-lab snapshot after
         part difference; diff before after; echo difference=$?
         part json; homeprov verify pool --json $I 2>/dev/null
         part again; homeprov up -q $I; echo again=$?",
    );
    ran.expect(ran.code_of("up") == 0, "it should converge before");
    ran.expect(ran.code_of("pool") == 7, "it should be found");
    // However wide the terminal is.
    let pool = ran.part("pool").split_whitespace().collect::<Vec<_>>().join(" ");
    for words in ["10.77.0.205 is answered for by", "heard by nuc1 and nuc2", "[metallb] pool"] {
        ran.expect(pool.contains(words), words);
    }
    ran.expect(ran.part("json").contains("\"kind\": \"collision\""), "as JSON, too");
    ran.expect(ran.code_of("difference") == 0, "nothing on the machines may have changed");
    row.ended("exit code 7: 10.77.0.205 is answered for by another device");
}

/// Typed on the nodes as a person does.
const BY_HAND: &str = r#"
cd $(mktemp -d)
key() { sed -n "s/^$1 = \"\(.*\)\"/\1/p" $I; }
printf 'Host *\n  UserKnownHostsFile %s\n' "$(key known_hosts)" >config
on() { host=$1; shift; ssh -F config -i "$(key identity)" -o BatchMode=yes -o LogLevel=ERROR root@10.77.0.$host "$@"; }
adopt() { homeprov adopt --user root --identity "$(key identity)" --config config "$@"; }
for host in 11 12 13; do
  on $host /usr/bin/snap install microk8s --classic --channel=1.36/stable >/dev/null
  on $host /snap/bin/microk8s status --wait-ready --timeout 300 >/dev/null; echo ready$host=$?
done
"#;

#[test]
fn a_cluster_made_by_hand_is_read_and_taken_over() {
    let script = r#"
part two; adopt 10.77.0.11 10.77.0.13; echo two=$?
for host in 12 13; do
  url=$(on 11 /snap/bin/microk8s add-node --format short | head -n 1 | grep -o '[^ ]*$')
  on $host /snap/bin/microk8s join "$url" >/dev/null; echo join$host=$?
done
on 11 /snap/bin/microk8s enable metallb:10.77.0.200-10.77.0.210 >/dev/null; echo metallb=$?
sleep 20
homeprov-lab snapshot before
part adopt; adopt 10.77.0.11 >home.toml; echo adopt=$?
homeprov-lab snapshot after
part difference; diff before after; echo difference=$?
part file; cat home.toml
part plan; homeprov plan home.toml; echo plan=$?
part clean; homeprov status -q home.toml; echo status=$?
part refused; homeprov up home.toml </dev/null; echo refused=$?
part up; homeprov up -q --yes home.toml; echo up=$?
part again; homeprov up home.toml; echo again=$?
part pool; homeprov verify pool home.toml; echo pool=$?
"#;
    let ran = lab("--nodes 3", &format!("{BY_HAND}{script}"));
    for step in ["ready11", "ready12", "ready13", "join12", "join13", "metallb", "adopt", "plan", "up", "again", "pool"]
    {
        ran.expect(ran.code_of(step) == 0, &format!("{step} should succeed"));
    }
    ran.expect(ran.code_of("two") == 5 && ran.part("two").contains("2 clusters"), "two clusters should be refused");
    ran.expect(ran.code_of("difference") == 0, "reading should change nothing");
    let file = ran.part("file");
    for words in
        ["name = \"nuc1\"", "name = \"nuc3\"", "pool = \"10.77.0.200-10.77.0.210\"", "channel = \"1.36/stable\""]
    {
        ran.expect(file.contains(words), words);
    }
    let plan = ran.part("plan");
    ran.expect(!plan.contains("it is a member of the cluster") && !plan.contains("MetalLB is installed"), "only drift");
    ran.expect(ran.part("clean").contains("the API: 1;"), "one more node may fail");
    ran.expect(ran.code_of("refused") == 5 && ran.part("refused").contains("did not set up"), "nobody was asked");
    ran.expect(ran.part("again").contains("nothing to do"), "it is homeprov's by now");
}
