//! MicroK8s goes from one minor version to the next, one node at a time, under a volume that is in use.

use serde_json::Value;

use crate::harness::{Ran, lab};
use crate::row::Row;
use crate::tools::{ALBUM, TOOLS};

/// The newest channel but one of the lab's store, and the newest.
const BEFORE: &str = "sed -i 's|^channel = .*|channel = \"1.35/stable\"|' $I\n";
const UPGRADE: &str = "homeprov upgrade --yes $I --channel 1.36/stable";

/// The refreshes to the wanted channel: the machine, when it began and when it ended, in milliseconds.
fn refreshes(ran: &Ran, part: &str) -> Vec<(String, u64, u64)> {
    let commands = ran.part(part);
    let commands = commands.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut refreshes: Vec<(String, u64, u64)> = commands
        .filter(|command| {
            let words: Vec<&str> = command["argv"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            words.contains(&"refresh") && words.contains(&"--channel=1.36/stable")
        })
        .map(|command| {
            let machine = command["machine"].as_str().expect("a machine").to_owned();
            (machine, command["began"].as_u64().expect("a time"), command["ended"].as_u64().unwrap_or(u64::MAX))
        })
        .collect();
    refreshes.sort_by_key(|(_, began, _)| *began);
    refreshes
}

/// Each control plane once, in the inventory's order, none before the one before it was back.
fn one_at_a_time(ran: &Ran) {
    let refreshes = refreshes(ran, "commands");
    let machines: Vec<&str> = refreshes.iter().map(|(machine, ..)| machine.as_str()).collect();
    assert_eq!(machines, ["nuc1", "nuc2", "nuc3"], "{}", ran.text);
    for pair in refreshes.windows(2) {
        assert!(pair[0].2 < pair[1].1, "{} was refreshed while {} was\n{}", pair[1].0, pair[0].0, ran.text);
    }
}

/// The order of what began and what was seen to hold, of all runs.
fn order(ran: &Ran) -> Vec<String> {
    let log = ran.part("log");
    let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let upgraded = events.filter(|event| event["step"] == "control-planes-upgraded");
    let told = upgraded.filter_map(|event| {
        let node = event["place"]["node"].as_str()?.to_owned();
        match event["event"].as_str()? {
            "step-started" => Some(format!("{node} begins")),
            "step-holds" => Some(format!("{node} is back")),
            _ => None,
        }
    });
    let mut told: Vec<String> = told.collect();
    told.dedup();
    told
}

/// The second upgrade and `up` have nothing to do, and the file says the channel.
fn rests(ran: &Ran) {
    for again in ["again", "up"] {
        let nothing = ran.code_of(again) == 0 && ran.part(again).contains("nothing to do");
        ran.expect(nothing, &format!("nothing should be left to do: {again}"));
    }
    ran.expect(ran.part("file").contains("channel = \"1.36/stable\""), "the inventory should have the channel");
    let nodes = ran.part("nodes");
    ran.expect(nodes.lines().filter(|line| line.starts_with("v1.36.")).count() == 3, "every kubelet should be new");
}

const RESTS: &str = r#"
part again; homeprov upgrade --yes $I --channel 1.36/stable; echo again=$?
part up; homeprov up $I; echo up=$?
part file; cat $I
part nodes; kubectl get nodes -o "jsonpath='{range .items[*]}{.status.nodeInfo.kubeletVersion}{\"\n\"}{end}'"
part commands; homeprov-lab commands
part log; cat log
part end
"#;

#[test]
fn one_node_after_another_with_a_volume_in_use() {
    let ran = lab(
        "--nodes 3 --storage default",
        &format!(
            r"{TOOLS}{ALBUM}{BEFORE}
            part made; homeprov up -q $I; echo made=$?; album
            part before; hash
            part asked; homeprov upgrade $I --channel 1.36/stable </dev/null; echo asked=$?
            part skipped; homeprov upgrade --yes $I --channel 1.37/stable; echo skipped=$?
            part kept; cat $I
            {UPGRADE} --json >log 2>errors; echo upgraded=$?; cat errors
            part after; seen hashed; hash; modes; echo
            {RESTS}"
        ),
    );
    ran.expect(ran.code_of("made") == 0, "there should be a cluster");
    let before = ran.part("before").trim().to_owned();
    ran.expect(before.ends_with("/data/picture"), "with bytes on a volume");
    ran.expect(ran.code_of("asked") == 2, "without a terminal it should want --yes");
    let skipped = ran.part("skipped");
    ran.expect(
        ran.code_of("skipped") == 5 && skipped.contains("`--channel 1.36/stable` comes first"),
        "no version should be skipped",
    );
    ran.expect(ran.part("kept").contains("channel = \"1.35/stable\""), "the file stays as it is until then");
    ran.expect(ran.code_of("upgraded") == 0, "it should be upgraded");
    one_at_a_time(&ran);
    let wanted: Vec<String> = (1..=3).flat_map(|n| [format!("nuc{n} begins"), format!("nuc{n} is back")]).collect();
    assert_eq!(order(&ran), wanted, "{}", ran.text);
    ran.expect(ran.part("after").contains(&before), "the bytes should be there");
    ran.expect(ran.part("after").matches("RW").count() == 3, "on three nodes");
    rests(&ran);
}

#[test]
fn a_voter_that_dies_meanwhile_stops_it_before_the_next_node() {
    let row =
        Row::of("dead-voter", "while the first node is refreshed; `upgrade`, in the lab; switched on again later");
    let ran = lab(
        "--nodes 3 --speed 10",
        &format!(
            r#"{TOOLS}{BEFORE}
            part made; homeprov up -q $I; echo made=$?
            {UPGRADE} --json >log 2>errors & run=$!
            seen grep -q '"event":"step-applied".*"step":"control-planes-upgraded"' log
            homeprov-lab power-off nuc3
            wait $run; echo stopped=$?
            part stopped; tail -n 1 log; cat errors
            part half; homeprov-lab commands
            part kept; cat $I
            part refused; {UPGRADE}; echo refused=$?
            homeprov-lab power-on nuc3; seen on 13 true
            part finished; {UPGRADE} --json >>log 2>errors; echo finished=$?; cat errors
            {RESTS}"#
        ),
    );
    ran.expect(ran.code_of("made") == 0, "there should be a cluster");
    ran.expect(ran.code_of("stopped") == 5, "it should stop, and be refused");
    let half = refreshes(&ran, "half");
    assert_eq!(half.iter().map(|(machine, ..)| machine.as_str()).collect::<Vec<_>>(), ["nuc1"], "{}", ran.text);
    for part in ["stopped", "refused"] {
        for words in ["nuc3 does not answer", "bring it back", "homeprov remove --dead"] {
            ran.expect(ran.part(part).contains(words), &format!("{part} should say: {words}"));
        }
    }
    ran.expect(ran.code_of("refused") == 5, "as long as the machine is off");
    ran.expect(ran.part("kept").contains("channel = \"1.35/stable\""), "the file should stay as it was");
    ran.expect(ran.code_of("finished") == 0, "the same command should finish it");
    one_at_a_time(&ran);
    rests(&ran);
    row.ended("exit code 5 after one node, with the machine's name; finished by the same command once it was on");
}
