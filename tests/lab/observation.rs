//! One observation is one exec a node, and it is quick.

use crate::harness::lab;

#[test]
fn a_no_op_up_makes_one_connection_and_one_observation_a_node() {
    let ran = lab(
        "--nodes 3 --workers 1",
        "homeprov up -q $I; echo up=$?
         part journal; homeprov up --json $I",
    );
    ran.expect(ran.code_of("up") == 0, "it should succeed");
    let events: Vec<serde_json::Value> =
        ran.part("journal").lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let count = |name: &str| events.iter().filter(|event| event["event"] == name).count();
    assert_eq!(count("connected"), 4, "{}", ran.text);
    assert_eq!(count("executed"), 4, "{}", ran.text);
    assert!(events.iter().filter(|event| event["event"] == "executed").all(|event| event["purpose"] == "observe"));
    assert_eq!(count("forwarded"), 1, "one forward to one API server");
    assert_eq!(count("step-started"), 0);
}
