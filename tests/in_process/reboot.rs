//! A node loses power at any moment of a run and comes back: the run, or the next one, ends in the same world.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use homeprov::error::ExitCode;
use serde_json::Value;
use tokio::time::sleep;

use super::kill::{at_every, differing, in_its_own_time, unbroken};
use super::row::Row;
use super::session::{House, Ran, started};
use super::verify::problems;

/// How long a machine is off.
const OFF: Duration = Duration::from_secs(20);

async fn reboot(house: &House, name: &str) {
    house.lab.with(|world| world.power_off(name));
    sleep(OFF).await;
    house.lab.with(|world| world.power_on(name));
}

/// Reboots a node after so many events of a run, and holds the end against an unbroken run's.
async fn survives(name: &str, after: usize, wanted: &BTreeMap<String, Value>) {
    let house = House::three(&[]);
    let mut ran = house.up_while(after, reboot(&house, name)).await;
    let first = ran.outcome.clone();
    if ran.outcome.code != ExitCode::Done {
        ran = house.up().await;
    }
    // A machine that came back at the very end still starts its services.
    sleep(Duration::from_secs(120)).await;
    let shown = || format!("{name} rebooted after {after} events: {first:?}, then {:?}\n{}", ran.outcome, ran.tail());
    assert_eq!((ran.outcome.code, problems(&house)), (ExitCode::Done, vec![]), "{}", shown());
    assert_eq!(house.lab.doubled(), Vec::<String>::new(), "{}", shown());
    assert_eq!(house.lab.harm(), Vec::<String>::new(), "{}", shown());
    assert_eq!(differing(&house, wanted), Vec::<String>::new(), "{}", shown());
    for (step, place, why) in started(&ran.events) {
        assert!(!why.is_empty(), "{step} at {place} was started without a reason: {}", shown());
    }
}

fn survives_at_every(stride: usize, moments: &str) {
    static UNBROKEN: OnceLock<(usize, BTreeMap<String, Value>)> = OnceLock::new();
    let (events, wanted) = UNBROKEN.get_or_init(|| in_its_own_time(unbroken()));
    for (first, name) in [(1, "nuc1"), (stride / 3 + 1, "nuc2"), (2 * stride / 3 + 1, "nuc3")] {
        let row = Row::of(format!("{name} loses power for {} s", OFF.as_secs()), moments);
        at_every(first, stride, *events, |after| in_its_own_time(survives(name, after, wanted)));
        row.ended("converged");
    }
}

#[test]
fn a_node_that_reboots_now_and_then_is_survived() {
    survives_at_every(97, "after every 97th event of `up`");
}

/// In `make matrix`.
#[test]
fn a_node_that_reboots_after_every_seventh_event_is_survived() {
    survives_at_every(7, "after every seventh event of `up`");
}

const DATA: &str = "/var/snap/microk8s/current";

/// What stands on nuc3's disk at a moment of its join, as names: the world is asked, not homeprov.
fn phase(house: &House) -> &'static str {
    house.lab.with(|world| {
        let machine = world.machine("nuc3");
        let there = |path: &str| machine.files().exists(&format!("{DATA}/{path}"));
        let joining = machine.locked("join-in-progress");
        match (there("certs/ca.crt.backup"), there("var/kubernetes/backend/init.yaml"), joining) {
            (false, _, true) => "it has asked",
            (true, false, true) if !there("var/kubernetes/backend.backup") => "it has the certificates",
            (true, true, true) => "its data store is to join",
            (true, false, true) => "its data store has joined",
            (true, _, false) => "it has joined",
            _ => "nothing yet",
        }
    })
}

/// homeprov is killed in a phase of nuc3's join, and nuc3 loses power in the same moment; what the next run does.
async fn cut_off(when: &'static str) -> (House, Ran) {
    let house = House::three(&[]);
    let comes = async {
        while phase(&house) != when {
            sleep(Duration::from_millis(100)).await;
        }
        house.lab.with(|world| world.power_off("nuc3"));
    };
    house.up_until(comes).await;
    assert_eq!(phase(&house), when);
    sleep(Duration::from_secs(30)).await;
    house.lab.with(|world| world.power_on("nuc3"));
    let ran = house.up().await;
    (house, ran)
}

fn joins(ran: &Ran) -> usize {
    ran.applied().iter().filter(|step| *step == "members-joined@nuc3").count()
}

#[tokio::test(start_paused = true)]
async fn a_join_cut_off_in_any_phase_is_finished() {
    // Before its data store is to join it is joined again; after that it finishes by itself at boot.
    for (when, again) in [
        ("it has asked", true),
        ("it has the certificates", true),
        ("its data store is to join", false),
        ("its data store has joined", false),
    ] {
        let row = Row::of("a joining node and homeprov lose power at once", format!("when {when}"));
        let (house, ran) = cut_off(when).await;
        assert_eq!(ran.outcome.code, ExitCode::Done, "{when}: {:?}\n{}", ran.outcome, ran.tail());
        assert_eq!((problems(&house), joins(&ran) > 0), (vec![], again), "{when}: {:?}", ran.applied());
        assert_eq!(house.lab.doubled(), Vec::<String>::new(), "{when}");
        row.ended("converged");
    }
}

/// The first control plane of the inventory has the cluster's certificates and a data store of its own: it must not be
/// taken for the cluster.
#[tokio::test(start_paused = true)]
async fn a_first_node_cut_off_while_it_joins_again_is_not_taken_for_the_cluster() {
    let row = Row::of("the first node, installed anew, loses power in its join", "when it has the certificates");
    let house = House::three(&[]);
    assert_eq!(house.up().await.outcome.code, ExitCode::Done);
    house.lab.with(|world| world.reinstall("nuc1"));
    house.lab.with(|world| world.run("nuc2", &["microk8s", "remove-node", "10.77.0.11", "--force"], b""));
    let certificates = || {
        house.lab.with(|world| {
            let there = |path: &str| world.machine("nuc1").files().exists(&format!("{DATA}/{path}"));
            there("certs/ca.crt.backup") && !there("var/kubernetes/backend.backup")
        })
    };
    house
        .up_until(async {
            while !certificates() {
                sleep(Duration::from_millis(100)).await;
            }
        })
        .await;
    assert!(certificates());
    reboot(&house, "nuc1").await;
    sleep(Duration::from_secs(60)).await;
    let before = house.lab.with(|world| world.cluster_of("nuc2").map(|cluster| cluster.id));
    let ran = house.up().await;
    assert_eq!((ran.outcome.code, problems(&house)), (ExitCode::Done, vec![]), "{:?}\n{}", ran.outcome, ran.tail());
    assert_eq!(house.lab.with(|world| world.cluster_of("nuc1").map(|cluster| cluster.id)), before);
    row.ended("converged");
}
