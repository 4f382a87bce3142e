//! Watching: what is told, to whom, and from when on.

use serde_json::{Value, json};

use super::bench::{Bench, MERGE, config_map};
use crate::kubernetes::{Request, WatchId};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn open(bench: &mut Bench, target: &str) -> WatchId {
    let response = bench.send(&Request::new("GET", target));
    assert_eq!((response.status, response.body.len()), (200, 0));
    response.watch.expect("a watch")
}

fn events(bench: &mut Bench, id: WatchId) -> Vec<(String, Value)> {
    let bytes = bench.cluster.watch(bench.now, id);
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let event: Value = serde_json::from_slice(line).expect("an event per line");
            (event["type"].as_str().unwrap().to_owned(), event["object"].clone())
        })
        .collect()
}

fn words(events: &[(String, Value)]) -> Vec<String> {
    events
        .iter()
        .map(|(word, object)| format!("{word} {}", object["metadata"]["name"].as_str().unwrap_or_default()))
        .collect()
}

#[test]
fn a_watch_tells_every_change_after_its_version() {
    let mut bench = Bench::settled(0);
    bench.post(MAPS, &config_map("before", &json!({})));
    let version = bench.get(MAPS)["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let id = open(&mut bench, &format!("{MAPS}?watch=true&resourceVersion={version}"));
    bench.post(MAPS, &config_map("a", &json!({})));
    bench.write("PATCH", &format!("{MAPS}/a"), MERGE, &json!({"data": {"x": "1"}}));
    bench.delete(&format!("{MAPS}/a"));
    bench.post("/api/v1/namespaces/kube-system/configmaps", &config_map("elsewhere", &json!({})));
    let told = events(&mut bench, id);
    assert_eq!(words(&told), ["ADDED a", "MODIFIED a", "DELETED a"]);
    assert!(events(&mut bench, id).is_empty());
}

#[test]
fn without_a_version_the_state_comes_first() {
    let mut bench = Bench::settled(0);
    bench.post(MAPS, &config_map("a", &json!({})));
    let id = open(&mut bench, &format!("{MAPS}?watch=1&fieldSelector=metadata.name%3Da"));
    let told = events(&mut bench, id);
    assert_eq!(words(&told), ["ADDED a"]);
    let id = open(
        &mut bench,
        &format!("{MAPS}?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"),
    );
    let told = events(&mut bench, id);
    let (last, bookmark) = told.last().unwrap();
    assert_eq!(last, "BOOKMARK");
    assert_eq!(bookmark["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
}

#[test]
fn selections_turn_changes_into_comings_and_goings() {
    let mut bench = Bench::settled(0);
    bench.post(MAPS, &config_map("a", &json!({})));
    let version = bench.cluster.resource_version();
    let id = open(&mut bench, &format!("{MAPS}?watch=true&resourceVersion={version}&labelSelector=on"));
    for labels in [json!({"on": "1"}), json!({"on": "2"}), json!({"on": null}), json!({"off": "1"})] {
        bench.write("PATCH", &format!("{MAPS}/a"), MERGE, &json!({"metadata": {"labels": labels}}));
    }
    assert_eq!(words(&events(&mut bench, id)), ["ADDED a", "MODIFIED a", "DELETED a"]);
}

#[test]
fn too_old_a_version_is_gone() {
    let mut bench = Bench::settled(0);
    let version = bench.cluster.resource_version();
    bench.post(MAPS, &config_map("a", &json!({})));
    for turn in 0..5_000 {
        bench.write("PATCH", &format!("{MAPS}/a"), MERGE, &json!({"data": {"turn": turn.to_string()}}));
    }
    let id = open(&mut bench, &format!("{MAPS}?watch=true&resourceVersion={version}"));
    let told = events(&mut bench, id);
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].0.as_str(), &told[0].1["code"], &told[0].1["reason"]),
        ("ERROR", &json!(410), &json!("Expired"))
    );
    assert!(!bench.cluster.watching(id), "the client lists again and opens a new one");
    let future = bench.cluster.resource_version() + 1_000;
    let id = open(&mut bench, &format!("{MAPS}?watch=true&resourceVersion={future}"));
    assert_eq!(events(&mut bench, id)[0].1["code"], 410, "a version of another data store");
}

#[test]
fn a_watch_ends_at_its_timeout_and_bookmarks_meanwhile() {
    let mut bench = Bench::settled(0);
    let version = bench.cluster.resource_version();
    let id = open(
        &mut bench,
        &format!("{MAPS}?watch=true&resourceVersion={version}&timeoutSeconds=100&allowWatchBookmarks=true"),
    );
    bench.pass(61_000);
    assert_eq!(events(&mut bench, id)[0].0, "BOOKMARK");
    assert!(bench.cluster.watching(id));
    bench.pass(40_000);
    events(&mut bench, id);
    assert!(!bench.cluster.watching(id));
}

#[test]
fn a_watch_can_tell_tables() {
    let mut bench = Bench::settled(1);
    let mut request = Request::new("GET", "/api/v1/nodes?watch=true");
    request.accept = Some("application/json;as=Table;v=v1;g=meta.k8s.io".to_owned());
    let id = bench.send(&request).watch.unwrap();
    let told = events(&mut bench, id);
    assert_eq!((&told[0].1["kind"], &told[0].1["rows"][0]["cells"][1]), (&json!("Table"), &json!("Ready")));
}
