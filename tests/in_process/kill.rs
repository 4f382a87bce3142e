//! A run that is killed after any of its events is continued by the next one, to the same world.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use homeprov::engine::event::Event;
use homeprov::error::ExitCode;
use serde_json::Value;
use tokio::runtime::Builder;

use super::row::Row;
use super::session::{House, started};
use super::verify::problems;

/// What two worlds that were built in different order have in common: everything but names drawn at random, certificates,
/// tokens and times.
pub fn likeness(house: &House) -> BTreeMap<String, Value> {
    let world = house.lab.with(|world| world.describe());
    let mut parts = BTreeMap::new();
    for machine in world["machines"].as_array().into_iter().flatten() {
        let name = machine["name"].as_str().expect("a name");
        for part in ["powered", "connected", "hostname", "packages", "modules", "sysctls", "units", "snap-settings"] {
            parts.insert(format!("{name} {part}"), machine[part].clone());
        }
        parts.insert(format!("{name} services"), machine["microk8s"]["services"].clone());
        parts.insert(format!("{name} channel"), machine["snaps"]["microk8s"][0].clone());
        let files = machine["files"].as_object().into_iter().flatten();
        // Left by whichever member enabled an addon.
        for (path, digest) in files.filter(|(path, _)| !path.ends_with("/.microk8s-addon-lock")) {
            let configured = path.starts_with("/etc/") && !path.contains("machine-id");
            let digest = if configured { digest.clone() } else { Value::Null };
            parts.insert(format!("{name} {path}"), digest);
        }
    }
    let clusters = world["clusters"].as_array().into_iter().flatten();
    for object in clusters.flat_map(|cluster| cluster["kubernetes"].as_array().into_iter().flatten()) {
        let at = object["at"].as_str().expect("a place");
        // Pods and what belongs to them have names drawn at random.
        let random = ["pods", "replicasets", "endpointslices", "controllerrevisions", "leases"];
        if !random.iter().any(|kind| at.contains(&format!("/{kind}/"))) {
            parts.insert(at.to_owned(), object["object"]["spec"]["replicas"].clone());
        }
    }
    parts
}

/// How many events an unbroken run has, and what it makes of the machines.
pub async fn unbroken() -> (usize, BTreeMap<String, Value>) {
    let house = House::three(&[]);
    let ran = house.up().await;
    assert_eq!((ran.outcome.code, problems(&house)), (ExitCode::Done, vec![]), "{:?}", ran.outcome);
    (ran.events.len(), likeness(&house))
}

/// The steps that were seen to hold.
fn held(events: &[Event]) -> BTreeSet<String> {
    let steps = events.iter().filter_map(|event| match event {
        Event::StepHolds { step, place, .. } => Some(format!("{step} at {place:?}")),
        _ => None,
    });
    steps.collect()
}

/// Kills a run after so many events, and holds what the next one does against an unbroken run.
async fn continues(after: usize, wanted: &BTreeMap<String, Value>) {
    let house = House::three(&[]);
    let before = house.up_events(after).await;
    let ran = house.up().await;
    let shown =
        || format!("killed after {after} events, the last {:?}:\n{:?}\n{}", before.last(), ran.outcome, ran.tail());
    assert_eq!((ran.outcome.code, problems(&house)), (ExitCode::Done, vec![]), "{}", shown());
    let again: Vec<String> = started(&ran.events).map(|(step, place, _)| format!("{step}@{place}")).collect();
    for (step, place, why) in started(&ran.events) {
        assert!(!why.is_empty(), "{step} at {place} was started without a reason: {}", shown());
    }
    // What was seen to hold is left alone; a restart of the data store may shake what stands on it.
    let lasting = ["snap-installed", "identity-recorded", "failure-domain", "members-joined", "metallb-enabled"];
    for step in held(&before).iter().filter(|step| lasting.iter().any(|name| step.starts_with(name))) {
        let name = step.split(" at ").next().unwrap_or_default();
        let place = step.split('"').nth(1).unwrap_or("cluster");
        assert!(!again.contains(&format!("{name}@{place}")), "{step} held and was done again: {}", shown());
    }
    assert_eq!(house.lab.doubled(), Vec::<String>::new(), "{}", shown());
    assert_eq!(house.lab.harm(), Vec::<String>::new(), "{}", shown());
    assert_eq!(differing(&house, wanted), Vec::<String>::new(), "{}", shown());
}

/// What is not as after an unbroken run.
pub fn differing(house: &House, wanted: &BTreeMap<String, Value>) -> Vec<String> {
    let found = likeness(house);
    let keys: BTreeSet<_> = wanted.keys().chain(found.keys()).collect();
    keys.into_iter()
        .filter(|key| wanted.get(*key) != found.get(*key))
        .map(|key| format!("{key}: {:?} instead of {:?}", found.get(key), wanted.get(key)))
        .collect()
}

pub fn in_its_own_time<T>(work: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime").block_on(work)
}

/// Tries something at every `stride`-th event of an unbroken run, from `first` on, on all processors.
pub fn at_every(first: usize, stride: usize, events: usize, attempt: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(first);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let after = next.fetch_add(stride, Ordering::Relaxed);
                    if after >= events {
                        return;
                    }
                    attempt(after);
                }
            });
        }
    });
}

fn continues_after_every(stride: usize) {
    let (events, wanted) = in_its_own_time(unbroken());
    at_every(1, stride, events, |after| in_its_own_time(continues(after, &wanted)));
    println!("killed after each of {events} events, every {stride}");
}

#[test]
fn a_run_killed_now_and_then_is_continued() {
    let row = Row::of("up is killed", "after every 97th of its events");
    continues_after_every(97);
    row.ended("continued to the same world by the next run, each time");
}

/// In `make matrix`.
#[test]
fn a_run_killed_after_any_event_is_continued() {
    let row = Row::of("up is killed", "after each of its events");
    continues_after_every(1);
    row.ended("continued to the same world by the next run, each time");
}

/// Runs are killed after so many events each, one after another, until one is left alone; it must end as an unbroken one.
async fn ends_after(kills: &[usize], wanted: &BTreeMap<String, Value>) {
    let house = House::three(&[]);
    for after in kills {
        house.up_events(*after).await;
    }
    let ran = house.up().await;
    let shown = || format!("killed after {kills:?} events: {:?}\n{}", ran.outcome, ran.tail());
    assert_eq!((ran.outcome.code, problems(&house)), (ExitCode::Done, vec![]), "{}", shown());
    assert_eq!(house.lab.doubled(), Vec::<String>::new(), "{}", shown());
    let found = likeness(&house);
    let differing: Vec<&String> = wanted.keys().filter(|key| wanted.get(*key) != found.get(*key)).collect();
    assert_eq!(differing, Vec::<&String>::new(), "{}", shown());
}

#[test]
fn runs_killed_one_after_another_are_continued() {
    let row =
        Row::of("up is killed, and killed again while it continues", "five times in a row, at other events each time");
    let (events, wanted) = in_its_own_time(unbroken());
    for seed in 0..6 {
        let kills: Vec<usize> = (1..=5).map(|nth| 3 + (seed * 97 + nth * 61) % (events / 3)).collect();
        in_its_own_time(ends_after(&kills, &wanted));
    }
    row.ended("the run after that ended in the same world, each time");
}
