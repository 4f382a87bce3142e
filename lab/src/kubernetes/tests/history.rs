//! Whatever happens, versions only grow, and who watches knows what who lists knows.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::bench::{APPLY, Bench, JSON, MERGE};
use crate::kubernetes::{Request, WatchId};

#[derive(Debug, Clone)]
enum Deed {
    Create(u8, u8),
    Merge(u8, u8),
    Apply(u8, u8, u8),
    Update(u8, u8),
    Delete(u8),
    Label(u8, bool),
    Hold(u8, bool),
    Pass(u16),
    Look,
}

fn deed() -> impl Strategy<Value = Deed> {
    let (name, value) = (0..6_u8, 0..4_u8);
    prop_oneof![
        (name.clone(), value.clone()).prop_map(|(name, value)| Deed::Create(name, value)),
        (name.clone(), value.clone()).prop_map(|(name, value)| Deed::Merge(name, value)),
        (name.clone(), value.clone(), 0..2_u8).prop_map(|(name, value, who)| Deed::Apply(name, value, who)),
        (name.clone(), value).prop_map(|(name, value)| Deed::Update(name, value)),
        name.clone().prop_map(Deed::Delete),
        (name.clone(), any::<bool>()).prop_map(|(name, on)| Deed::Label(name, on)),
        (name, any::<bool>()).prop_map(|(name, on)| Deed::Hold(name, on)),
        (0..3_000_u16).prop_map(Deed::Pass),
        Just(Deed::Look),
    ]
}

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn act(bench: &mut Bench, deed: &Deed) {
    let path = |name: &u8| format!("{MAPS}/m{name}");
    let object = |name: &u8, value: &u8| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("m{name}")}, "data": {"x": value.to_string()}});
    match deed {
        Deed::Create(name, value) => drop(bench.write("POST", MAPS, JSON, &object(name, value))),
        Deed::Merge(name, value) => {
            drop(bench.write("PATCH", &path(name), MERGE, &json!({"data": {"y": value.to_string()}})));
        }
        Deed::Apply(name, value, who) => {
            drop(bench.write("PATCH", &format!("{}?fieldManager=w{who}", path(name)), APPLY, &object(name, value)));
        }
        Deed::Update(name, value) => drop(bench.write("PUT", &path(name), JSON, &object(name, value))),
        Deed::Delete(name) => drop(bench.send(&Request::new("DELETE", &path(name)))),
        Deed::Label(name, on) => {
            let value = if *on { json!("1") } else { Value::Null };
            bench.write("PATCH", &path(name), MERGE, &json!({"metadata": {"labels": {"on": value}}}));
        }
        Deed::Hold(name, on) => {
            let value = if *on { json!(["x.io/hold"]) } else { Value::Null };
            bench.write("PATCH", &path(name), MERGE, &json!({"metadata": {"finalizers": value}}));
        }
        Deed::Pass(length) => bench.pass(u64::from(*length)),
        Deed::Look => {}
    }
}

/// What a client knows that listed once and has watched since.
struct Watcher {
    query: &'static str,
    id: WatchId,
    known: BTreeMap<String, Value>,
    version: u64,
}

fn bare(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut() {
        map.remove("kind");
        map.remove("apiVersion");
    }
    object
}

fn version_of(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok()).expect("a version")
}

fn listed(bench: &mut Bench, query: &str) -> (BTreeMap<String, Value>, u64) {
    let list = bench.get(&format!("{MAPS}?{query}"));
    let named = |item: &Value| (item["metadata"]["name"].as_str().unwrap().to_owned(), bare(item));
    (list["items"].as_array().unwrap().iter().map(named).collect(), version_of(&list))
}

impl Watcher {
    fn new(bench: &mut Bench, query: &'static str) -> Self {
        let (known, version) = listed(bench, query);
        let target = format!("{MAPS}?watch=true&resourceVersion={version}&{query}");
        let id = bench.send(&Request::new("GET", &target)).watch.expect("a watch");
        Self { query, id, known, version }
    }

    fn catch_up(&mut self, bench: &mut Bench) {
        let bytes = bench.cluster.watch(bench.now, self.id);
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let event: Value = serde_json::from_slice(line).unwrap();
            let object = &event["object"];
            let name = object["metadata"]["name"].as_str().unwrap().to_owned();
            let version = version_of(object);
            assert!(version > self.version, "versions only grow: {event}");
            self.version = version;
            match event["type"].as_str().unwrap() {
                "ADDED" => assert!(self.known.insert(name, bare(object)).is_none(), "added twice: {event}"),
                "MODIFIED" => {
                    assert!(self.known.insert(name, bare(object)).is_some(), "modified before it was added: {event}");
                }
                "DELETED" => assert!(self.known.remove(&name).is_some(), "deleted before it was added: {event}"),
                other => panic!("{other}"),
            }
        }
        assert_eq!(self.known, listed(bench, self.query).0, "the watcher and the list agree");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn watchers_know_what_lists_say(deeds in prop::collection::vec(deed(), 1..60)) {
        let mut bench = Bench::settled(0);
        let mut watchers = [Watcher::new(&mut bench, ""), Watcher::new(&mut bench, "labelSelector=on"), Watcher::new(&mut bench, "fieldSelector=metadata.name%3Dm1")];
        let mut version = bench.cluster.resource_version();
        for deed in &deeds {
            act(&mut bench, deed);
            let now = bench.cluster.resource_version();
            prop_assert!(now >= version);
            version = now;
            if matches!(deed, Deed::Look) {
                for watcher in &mut watchers {
                    watcher.catch_up(&mut bench);
                }
            }
        }
        for watcher in &mut watchers {
            watcher.catch_up(&mut bench);
        }
    }
}
