//! MicroK8s goes from one minor version to the next, one node at a time.

use std::time::Duration;

use homeprov::engine::event::Event;
use homeprov::error::ExitCode;
use homeprov::plan::Place;
use homeprov_lab::world::{FaultKind, Os};

use super::kill::in_its_own_time;
use super::row::Row;
use super::session::{House, Ran, inventory, started, text};
use super::verify::problems;

const NEXT: &str = "1.36/stable";

async fn built(house: House) -> House {
    let ran = house.up().await;
    assert_eq!(ran.outcome.code, ExitCode::Done, "{:?}\n{}", ran.outcome, ran.tail());
    house
}

/// The nodes that track the new channel.
fn upgraded(house: &House) -> Vec<String> {
    let tracks = |name: &String| house.lab.with(|world| world.machine(name).snapd.snaps["microk8s"].tracking == NEXT);
    house.inventory.nodes.iter().map(|node| node.name.clone()).filter(tracks).collect()
}

/// The inventory gets the channel last, and `up` finds nothing to do then.
async fn is_upgraded(house: &mut House, text: &str) {
    house.inventory = inventory(&text.replace("1.35/stable", NEXT));
    assert_eq!(problems(house), Vec::<String>::new());
    let again = house.upgrade(NEXT, |_| {}).await;
    assert_eq!((again.outcome.code, again.applied()), (ExitCode::Done, vec![]), "{:?}", again.outcome);
    assert_eq!((house.lab.harm(), house.lab.doubled()), (vec![], vec![]), "the data store kept its majority");
}

/// The order of what began and what was seen to hold.
fn order(ran: &Ran) -> Vec<String> {
    let steps = ran.events.iter().filter_map(|event| match event {
        Event::StepStarted { step, place: Place::Node(node), .. } if step.ends_with("-upgraded") => {
            Some(format!("{node} begins"))
        }
        Event::StepHolds { step, place: Place::Node(node), .. } if step.ends_with("-upgraded") => {
            Some(format!("{node} is back"))
        }
        _ => None,
    });
    steps.collect()
}

#[tokio::test(start_paused = true)]
async fn one_node_after_another_and_the_workers_last() {
    let mut house = built(House::new(3, 1, Os::Ubuntu2404, &[], 5)).await;
    let ran = house.upgrade(NEXT, |_| {}).await;
    assert_eq!(ran.outcome.code, ExitCode::Done, "{:?}\n{}", ran.outcome, ran.tail());
    let wanted: Vec<String> = (1..=4).flat_map(|n| [format!("nuc{n} begins"), format!("nuc{n} is back")]).collect();
    assert_eq!(order(&ran), wanted);
    let saved = started(&ran.events).filter(|(step, ..)| *step == "datastore-saved").count();
    assert_eq!(saved, 3, "on each control plane");
    for name in ["nuc1", "nuc2", "nuc3"] {
        let file = "/var/lib/homeprov/datastore-before-1.36-stable.tar.gz";
        assert!(house.lab.with(|world| world.machine(name).files().exists(file)), "{name}");
    }
    is_upgraded(&mut house, &text(3, 1)).await;
}

#[tokio::test(start_paused = true)]
async fn no_minor_version_is_skipped() {
    let row = Row::of("an upgrade over two minor versions is asked for", "`upgrade`");
    let mut house = House::three(&[]);
    house.inventory = inventory(&text(3, 0).replace("1.35/stable", "1.34/stable"));
    let house = built(house).await;
    let ran = house.upgrade(NEXT, |_| {}).await;
    assert_eq!(ran.outcome.code, ExitCode::Refused, "{:?}", ran.outcome);
    assert!(ran.outcome.summary.contains("`--channel 1.35/stable` comes first"), "{:?}", ran.outcome);
    assert_eq!((ran.applied(), upgraded(&house)), (vec![], vec![]));
    row.refused(&ran.outcome);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_with_a_voter_dead() {
    let row = Row::of(FaultKind::DeadVoter.name(), "before `upgrade`");
    let house = built(House::three(&[])).await;
    house.lab.with(|world| world.power_off("nuc2"));
    let ran = house.upgrade(NEXT, |_| {}).await;
    assert_eq!(ran.outcome.code, ExitCode::Refused, "{:?}", ran.outcome);
    assert!(ran.outcome.summary.contains("nuc2 does not answer"), "{:?}", ran.outcome);
    assert_eq!((ran.applied(), upgraded(&house)), (vec![], vec![]));
    row.refused(&ran.outcome);
}

#[tokio::test(start_paused = true)]
async fn a_voter_that_dies_meanwhile_stops_it_before_the_next_node() {
    let row = Row::of(FaultKind::DeadVoter.name(), "while the first node is refreshed; it is switched on again later");
    let mut house = built(House::three(&[])).await;
    let lab = house.lab.clone();
    let ran = house
        .upgrade(NEXT, |event| {
            if matches!(event, Event::StepApplied { step, .. } if step == "control-planes-upgraded") {
                lab.with(|world| world.power_off("nuc3"));
            }
        })
        .await;
    assert_eq!(ran.outcome.code, ExitCode::Refused, "{:?}\n{}", ran.outcome, ran.tail());
    assert!(ran.outcome.summary.contains("nuc3 does not answer"), "{:?}", ran.outcome);
    assert_eq!(upgraded(&house), ["nuc1"]);
    house.lab.with(|world| world.power_on("nuc3"));
    let ran = house.upgrade(NEXT, |_| {}).await;
    assert_eq!(ran.outcome.code, ExitCode::Done, "{:?}\n{}", ran.outcome, ran.tail());
    is_upgraded(&mut house, &text(3, 0)).await;
    row.ended("stopped after one node; finished by the same command once the voter was back");
}

#[test]
fn an_upgrade_killed_now_and_then_is_finished_by_the_same_command() {
    let row = Row::of("upgrade is killed", "after every thirteenth of its events");
    let events = in_its_own_time(async {
        let house = built(House::three(&[])).await;
        house.upgrade(NEXT, |_| {}).await.events.len()
    });
    assert!(events > 30, "{events}");
    for after in (1..events).step_by(13) {
        in_its_own_time(async {
            let mut house = built(House::three(&[])).await;
            house.upgrade_events(NEXT, after).await;
            let ran = house.upgrade(NEXT, |_| {}).await;
            assert_eq!(ran.outcome.code, ExitCode::Done, "killed after {after}: {:?}\n{}", ran.outcome, ran.tail());
            is_upgraded(&mut house, &text(3, 0)).await;
        });
    }
    row.ended("finished by the same command, each time");
}

#[tokio::test(start_paused = true)]
async fn the_only_voter_is_refreshed_as_well() {
    let two = text(2, 0).replace("[cluster]", "[cluster]\nallow_two_control_planes = true");
    for (control_planes, workers, written) in [(1, 1, text(1, 1)), (1, 1, two), (1, 0, text(1, 0))] {
        let mut house = House::new(control_planes, workers, Os::Ubuntu2404, &[], 5);
        house.inventory = inventory(&written);
        let mut house = built(house).await;
        let ran = house.upgrade(NEXT, |_| {}).await;
        assert_eq!(ran.outcome.code, ExitCode::Done, "{written}\n{:?}\n{}", ran.outcome, ran.tail());
        let wanted: Vec<String> = (1..=house.inventory.nodes.len())
            .flat_map(|n| [format!("nuc{n} begins"), format!("nuc{n} is back")])
            .collect();
        assert_eq!(order(&ran), wanted);
        is_upgraded(&mut house, &written).await;
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_refresh_that_fails_for_good_the_others_stay_as_they_are() {
    let row = Row::of("the snap store does not answer one node for long", "when its turn in `upgrade` comes");
    let mut house = built(House::three(&[])).await;
    let lab = house.lab.clone();
    let ran = house
        .upgrade_within(NEXT, Duration::from_secs(300), |event| {
            let first = Place::Node("nuc1".into());
            if matches!(event, Event::StepHolds { step, place, .. } if step == "control-planes-upgraded" && *place == first) {
                lab.with(|world| world.mute_dns("nuc2", 3_600_000));
            }
        })
        .await;
    assert_eq!(ran.outcome.code, ExitCode::StepFailed, "{:?}\n{}", ran.outcome, ran.tail());
    assert!(ran.outcome.summary.contains("nuc2"), "{:?}", ran.outcome);
    assert_eq!(upgraded(&house), ["nuc1"], "nuc3 is left as it is");
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    let again = house.upgrade(NEXT, |_| {}).await;
    assert_eq!(again.outcome.code, ExitCode::Done, "{:?}\n{}", again.outcome, again.tail());
    is_upgraded(&mut house, &text(3, 0)).await;
    row.ended(
        "stopped after one node, with the third one as it was; finished by the same command once the store was back",
    );
}
