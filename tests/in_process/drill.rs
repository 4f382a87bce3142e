//! `drill`: a node goes, times are measured, the node comes back; also when the run is killed or the cluster could not do without it.

mod stage;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use homeprov::drill::{How, Report, Row as Measured};
use homeprov::engine::event::Event;
use homeprov::engine::lock::Holder;
use homeprov::engine::{Outcome, lock};
use homeprov::error::ExitCode;
use homeprov::steps::drill::Prospect;
use homeprov_lab::world::Os;
use stage::{play, ready_on, standing, with_a_volume};
use tokio::time::sleep;

use super::homelab::Homelab;
use super::row::Row;
use super::session::{House, inventory, text};

fn prospect(node: &str, how: How) -> Prospect {
    Prospect { node: node.to_owned(), how }
}

/// `homeprov drill`, agreed to; the question that was asked.
async fn drilled(house: &House, prospect: &Prospect) -> (Result<Report, Outcome>, Outcome, Vec<Event>, String) {
    let asked = Arc::new(Mutex::new(String::new()));
    let book = Arc::clone(&asked);
    let ask = move |question: &str| {
        book.lock().expect("nobody panicked").push_str(question);
        true
    };
    let player = tokio::spawn(play(house.lab.clone()));
    let (report, outcome, events) = house.drill(prospect, Arc::new(ask)).await;
    player.abort();
    let asked = asked.lock().expect("nobody panicked").clone();
    (report, outcome, events, asked)
}

fn row<'a>(report: &'a Report, what: &str) -> &'a Measured {
    report.rows.iter().find(|row| row.what == what).unwrap_or_else(|| panic!("no {what} in {report:#?}"))
}

fn seconds(report: &Report, what: &str) -> u64 {
    row(report, what).seconds.unwrap_or_else(|| panic!("{what} was not measured: {report:#?}"))
}

/// The node is as it was, and the cluster remembers the drill.
async fn is_back(house: &House, node: &str) {
    let found = house.lab.with(|world| {
        let machine = world.machine(node);
        (machine.powered, machine.fenced, machine.locked("stopped.lock"), world.api_up(node))
    });
    assert_eq!(found, (true, false, false, true), "{node}");
    let status = house.status().await;
    let drill = status.drill.expect("the cluster remembers it");
    assert_eq!((drill.node.as_str(), drill.result.is_some()), (node, true), "{drill:?}");
    let ran = house.up().await;
    assert_eq!((ran.outcome.code, ran.applied()), (ExitCode::Done, vec![]), "{}", ran.tail());
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_services_are_stopped_is_missed_and_comes_back() {
    let house = standing().await;
    let node = with_a_volume(&house).await;
    let (report, outcome, events, asked) = drilled(&house, &prospect(&node, How::Stop)).await;
    let report = report.unwrap_or_else(|outcome| panic!("{outcome:?}\n{events:#?}"));
    assert_eq!(outcome.code, ExitCode::Done, "{outcome:?}\n{report:#?}");
    for words in [
        "MicroK8s on",
        "default/web-",
        "the volume of default/data stays writable with 2 of 3 replicas",
        "about six minutes",
    ] {
        assert!(asked.contains(words), "{words}: {asked}");
    }
    // kube-controller-manager `--node-monitor-grace-period`, and `DefaultTolerationSeconds` after that.
    assert!((35..70).contains(&seconds(&report, "node")), "{report:#?}");
    assert!((330..480).contains(&seconds(&report, "pods")), "{report:#?}");
    assert!(seconds(&report, "api") < 30, "{report:#?}");
    let volume = row(&report, "volume");
    assert!(
        volume.title.contains("default/data") && volume.well && volume.detail.contains("of 3 replicas at the least"),
        "{volume:?}"
    );
    let canary = row(&report, "canary");
    assert!(canary.well && canary.detail.contains("with the same hash") && canary.seconds.is_some(), "{canary:?}");
    assert!(seconds(&report, "whole") >= seconds(&report, "return"));
    assert!(report.passed && report.back && report.by_hand.is_none());
    assert_ne!(ready_on(&house), Some(node.clone()));
    is_back(&house, &node).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_cut_off_is_let_in_before_its_pods_move() {
    let house = standing().await;
    let node = with_a_volume(&house).await;
    let (report, outcome, events, _) = drilled(&house, &prospect(&node, How::Network)).await;
    let report = report.unwrap_or_else(|outcome| panic!("{outcome:?}\n{events:#?}"));
    assert_eq!(outcome.code, ExitCode::Done, "{outcome:?}\n{report:#?}");
    assert!((35..70).contains(&seconds(&report, "node")), "{report:#?}");
    assert!(report.away_seconds < 270, "{report:#?}");
    assert!(row(&report, "pods").detail.contains("stayed where they were"), "{report:#?}");
    assert!(row(&report, "canary").well, "{report:#?}");
    is_back(&house, &node).await;
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_is_switched_off_is_waited_for() {
    let row_of_table = Row::of("a machine is switched off", "`drill --how power`; somebody presses its button");
    let house = standing().await;
    let lab = house.lab.clone();
    let somebody = tokio::spawn(async move {
        loop {
            sleep(Duration::from_secs(5)).await;
            if lab.with(|world| !world.machine("nuc3").powered) {
                sleep(Duration::from_secs(400)).await;
                lab.with(|world| world.power_on("nuc3"));
                return;
            }
        }
    });
    let (report, outcome, events, asked) = drilled(&house, &prospect("nuc3", How::Power)).await;
    let report = report.unwrap_or_else(|outcome| panic!("{outcome:?}\n{events:#?}"));
    assert_eq!(outcome.code, ExitCode::Done, "{outcome:?}\n{report:#?}");
    assert!(asked.contains("SOMEBODY MUST PRESS ITS BUTTON"), "{asked}");
    assert!(events.iter().any(
        |event| matches!(event, Event::Warning { message, .. } if message.contains("press the power button of nuc3"))
    ));
    somebody.await.expect("the button was pressed");
    is_back(&house, "nuc3").await;
    row_of_table.ended("waited for; the table has its times");
}

#[tokio::test(start_paused = true)]
async fn a_machine_nobody_switches_on_is_told_with_the_way_back() {
    let row_of_table = Row::of("a machine is switched off", "`drill --how power`; nobody presses its button");
    let house = standing().await;
    let (report, outcome, _, _) = drilled(&house, &prospect("nuc2", How::Power)).await;
    let report = report.expect("a report");
    assert_eq!((outcome.code, report.back), (ExitCode::Unreachable, false), "{outcome:?}");
    assert!(outcome.summary.contains("press the power button of nuc2"), "{outcome:?}");
    assert!(house.status().await.drill.expect("remembered").result.is_none());
    row_of_table.refused(&outcome);
    // Somebody does at last, and `up` closes the matter.
    house.lab.with(|world| world.power_on("nuc2"));
    sleep(Duration::from_secs(120)).await;
    let ran = house.up().await;
    assert_eq!(
        (ran.outcome.code, ran.applied()),
        (ExitCode::Done, vec!["drill-ended@cluster".to_owned()]),
        "{}",
        ran.tail()
    );
    is_back(&house, "nuc2").await;
}

/// It is refused with these words, nobody is asked, and nothing has changed.
async fn refused(house: &House, prospect: &Prospect, words: &str) -> Outcome {
    let before = house.lab.with(|world| world.describe());
    let (report, outcome, _, asked) = drilled(house, prospect).await;
    assert!(report.is_err() && outcome.code == ExitCode::Refused, "{outcome:?}");
    assert!(outcome.summary.contains(words), "{words}: {}", outcome.summary);
    assert_eq!(asked, "");
    assert_eq!(house.lab.with(|world| world.describe()), before);
    outcome
}

#[tokio::test(start_paused = true)]
async fn the_voter_of_two_is_not_taken_away() {
    let row_of_table = Row::of("a node is to be taken away", "of two control planes, with one voter; `drill`");
    let mut house = House::new(1, 1, Os::Ubuntu2404, &[], 1);
    house.inventory = inventory(&text(2, 0).replace("[cluster]", "[cluster]\nallow_two_control_planes = true"));
    assert_eq!(house.up().await.outcome.code, ExitCode::Done);
    let outcome = refused(&house, &prospect("nuc1", How::Stop), "the only vote").await;
    row_of_table.refused(&outcome);
}

#[tokio::test(start_paused = true)]
async fn a_node_is_not_taken_away_while_another_one_is() {
    let row_of_table = Row::of("a node is off", "another one is to be taken away; `drill`");
    let house = standing().await;
    house.lab.with(|world| world.power_off("nuc3"));
    sleep(Duration::from_secs(120)).await;
    let outcome = refused(&house, &prospect("nuc2", How::Stop), "2 are needed").await;
    row_of_table.refused(&outcome);
    let outcome = refused(&house, &prospect("nuc3", How::Stop), "could not be brought back").await;
    assert!(outcome.summary.contains("nuc3"));
}

#[tokio::test(start_paused = true)]
async fn the_only_node_is_not_taken_away() {
    let house = House::new(1, 0, Os::Ubuntu2404, &[], 1);
    assert_eq!(house.up().await.outcome.code, ExitCode::Done);
    refused(&house, &prospect("nuc1", How::Stop), "is the only node").await;
    refused(&house, &prospect("nuc7", How::Stop), "the inventory has no node nuc7").await;
}

#[tokio::test(start_paused = true)]
async fn a_no_is_a_no() {
    let house = standing().await;
    let before = house.lab.with(|world| world.describe());
    let (report, outcome, _) = house.drill(&prospect("nuc2", How::Stop), Arc::new(|_| false)).await;
    assert!(report.is_err() && outcome.code == ExitCode::Refused, "{outcome:?}");
    assert_eq!(house.lab.with(|world| world.describe()), before);
}

/// Some time after a node has gone.
async fn gone(lab: Homelab, node: String, after: Duration) {
    loop {
        sleep(Duration::from_secs(1)).await;
        let gone = lab.with(|world| {
            let machine = world.machine(&node);
            machine.fenced || machine.locked("stopped.lock")
        });
        if gone {
            return sleep(after).await;
        }
    }
}

/// A drill that is killed some time after its node has gone.
async fn killed(house: &House, prospect: &Prospect, after: Duration) {
    let player = tokio::spawn(play(house.lab.clone()));
    house.drill_until(prospect, gone(house.lab.clone(), prospect.node.clone(), after)).await;
    player.abort();
}

#[tokio::test(start_paused = true)]
async fn a_drill_that_was_killed_is_ended_by_the_next_one() {
    let row_of_table = Row::of("homeprov is killed", "in the middle of a drill; the next `drill`");
    let house = standing().await;
    killed(&house, &prospect("nuc2", How::Stop), Duration::from_secs(30)).await;
    assert!(house.lab.with(|world| world.machine("nuc2").locked("stopped.lock")));
    assert!(house.status().await.drill.expect("remembered").result.is_none());
    let (report, outcome, events, _) = drilled(&house, &prospect("nuc3", How::Stop)).await;
    assert_eq!(outcome.code, ExitCode::Done, "{outcome:?}\n{report:#?}");
    let told = |event: &Event| matches!(event, Event::Warning { message, .. } if message.contains("an earlier drill took it away"));
    assert!(events.iter().any(told));
    is_back(&house, "nuc3").await;
    row_of_table.ended("ended, then drilled");
}

#[tokio::test(start_paused = true)]
async fn a_drill_that_was_killed_is_ended_by_up() {
    let row_of_table = Row::of("homeprov is killed", "in the middle of a drill; then `up`");
    let house = standing().await;
    killed(&house, &prospect("nuc2", How::Stop), Duration::from_secs(60)).await;
    let ran = house.up().await;
    assert_eq!(ran.outcome.code, ExitCode::Done, "{:?}\n{}", ran.outcome, ran.tail());
    assert!(ran.applied().contains(&"drill-ended@cluster".to_owned()), "{:?}", ran.applied());
    is_back(&house, "nuc2").await;
    row_of_table.ended("the node was brought back");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_cut_off_lets_itself_in_when_nobody_comes() {
    let row_of_table = Row::of("the controller is lost", "in the middle of a drill by network");
    let house = standing().await;
    killed(&house, &prospect("nuc2", How::Network), Duration::from_secs(20)).await;
    assert!(house.lab.with(|world| world.machine("nuc2").fenced));
    sleep(Duration::from_secs(270)).await;
    assert!(!house.lab.with(|world| world.machine("nuc2").fenced), "its own timer ends it");
    let ran = house.up().await;
    assert_eq!(ran.outcome.code, ExitCode::Done, "{:?}\n{}", ran.outcome, ran.tail());
    is_back(&house, "nuc2").await;
    row_of_table.ended("its own timer let it in; `up` closed the record");
}

#[tokio::test(start_paused = true)]
async fn who_asks_to_stop_gets_the_node_back() {
    let row_of_table = Row::of("Ctrl-C", "in the middle of a drill");
    let house = standing().await;
    let player = tokio::spawn(play(house.lab.clone()));
    let (report, outcome, _) = house
        .drill_stopped(&prospect("nuc2", How::Stop), gone(house.lab.clone(), "nuc2".into(), Duration::from_secs(60)))
        .await;
    player.abort();
    let report = report.expect("a report");
    assert_eq!((outcome.code, report.back, report.passed), (ExitCode::Interrupted, true, false), "{outcome:?}");
    sleep(Duration::from_secs(300)).await;
    is_back(&house, "nuc2").await;
    row_of_table.ended("exit code 130: the node was brought back first");
}

/// Another run, on another machine, takes the lock of a node away some time after that node has gone; its lease there.
async fn lock_taken(lab: Homelab, node: &str, by: &Holder) -> String {
    gone(lab.clone(), node.to_owned(), Duration::from_secs(60)).await;
    let path = format!("{}/lease", lock::FOLDER);
    let Holder { run, owner, host, .. } = by;
    lab.with(|world| {
        let (until, boot) = (world.now() / 1000 + lock::LEASE.as_secs(), world.machine("nuc1").boot_id.clone());
        let lease = format!("run={run}\nowner={owner}\nhost={host}\nprocess=\nsince=\nuntil={until}\n{boot}");
        world.machine_mut("nuc1").files_mut().write(&path, lease.as_bytes(), 0o600);
    });
    path
}

/// The lock of a drill is taken away, and nobody does anything but hold it.
#[tokio::test(start_paused = true)]
async fn who_loses_the_lock_brings_the_node_back_and_says_so() {
    let row_of_table = Row::of("another run takes the lock", "in the middle of a drill");
    let house = standing().await;
    let bob = Holder { run: "01BOB".into(), owner: "bob".into(), host: "desktop".into(), ..Holder::default() };
    let prospect = prospect("nuc2", How::Stop);
    let (ended, path) = tokio::join!(drilled(&house, &prospect), lock_taken(house.lab.clone(), "nuc2", &bob));
    let (report, outcome, events, _) = ended;
    let report = report.unwrap_or_else(|outcome| panic!("{outcome:?}\n{events:#?}"));
    assert_eq!((outcome.code, report.back, report.passed), (ExitCode::Locked, true, false), "{outcome:?}");
    for words in ["nuc2 is back", "another run holds the lock on nuc1: bob on desktop"] {
        assert!(outcome.summary.contains(words), "{words}: {outcome:?}");
    }
    // At the next renewal of the lease, long before its pods would have moved.
    assert!((60..120).contains(&report.away_seconds), "{report:#?}");
    let told = |event: &Event| matches!(event, Event::Warning { node: Some(node), message } if node == "nuc2" && message.contains("The drill ends here"));
    assert!(events.iter().any(told), "{events:#?}");
    assert!(house.lab.with(|world| world.machine("nuc1").files().read(&path)).is_some(), "it is bob's");
    house.lab.with(|world| world.machine_mut("nuc1").files_mut().remove(&path));
    sleep(Duration::from_secs(300)).await;
    is_back(&house, "nuc2").await;
    let result = house.status().await.drill.and_then(|drill| drill.result).unwrap_or_default();
    assert!(result.contains("another run took the lock"), "{result}");
    row_of_table.ended("exit code 8: the node was brought back first");
}

#[tokio::test(start_paused = true)]
async fn up_by_force_ends_a_drill_that_is_under_way() {
    let row_of_table = Row::of("two runs at once", "`up --break-lock` in the middle of a drill");
    let house = standing().await;
    let prospect = prospect("nuc2", How::Stop);
    let (ended, ran) = tokio::join!(drilled(&house, &prospect), async {
        gone(house.lab.clone(), "nuc2".into(), Duration::from_secs(60)).await;
        let bob = Holder { run: "01BOB".into(), owner: "bob".into(), host: "desktop".into(), ..Holder::default() };
        house.up_by_force(bob).await
    });
    let (_, outcome, events, _) = ended;
    assert_eq!(ran.outcome.code, ExitCode::Done, "{:?}\n{}", ran.outcome, ran.tail());
    assert!(ran.applied().contains(&"drill-ended@cluster".to_owned()), "{:?}", ran.applied());
    assert_eq!(outcome.code, ExitCode::Locked, "{outcome:?}\n{events:#?}");
    sleep(Duration::from_secs(300)).await;
    is_back(&house, "nuc2").await;
    row_of_table.ended("the node was brought back once; the drill ended with exit code 8");
}
