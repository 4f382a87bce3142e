//! Two runs at once: one works, the other ends with exit code 8 and the holder's name.

use std::time::Duration;

use homeprov::engine::event::Event;
use homeprov::engine::lock::{Holder, LEASE};
use homeprov::error::ExitCode;
use homeprov::ssh::Purpose;
use homeprov_lab::world::FaultKind;
use tokio::time::sleep;

use super::session::House;
use super::verify::problems;

/// A run on another machine, of which this one cannot tell whether it still goes on.
fn elsewhere(run: &str) -> Holder {
    Holder { run: run.to_owned(), owner: "bob".to_owned(), host: "desktop".to_owned(), ..Holder::default() }
}

#[tokio::test(start_paused = true)]
async fn the_second_run_ends_with_the_name_of_the_first() {
    let house = House::three(&[]);
    let (first, second) = tokio::join!(house.up_as(Holder::this_process("01FIRST")), async {
        sleep(Duration::from_secs(20)).await;
        house.up_as(Holder::this_process("02SECOND")).await
    });
    assert_eq!((first.outcome.code, problems(&house)), (ExitCode::Done, vec![]), "{:?}", first.outcome);
    assert_eq!(second.outcome.code, ExitCode::Locked, "{:?}", second.outcome);
    for words in ["another run holds the lock on nuc1", "--break-lock"] {
        assert!(second.outcome.summary.contains(words), "{words}: {:?}", second.outcome);
    }
    assert_eq!(second.applied(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn of_two_runs_that_begin_together_one_works() {
    let house = House::three(&[]);
    let (one, other) = tokio::join!(house.up_as(elsewhere("01A")), house.up_as(elsewhere("01B")));
    let mut codes = [one.outcome.code, other.outcome.code];
    codes.sort_by_key(|code| code.number());
    assert_eq!(codes, [ExitCode::Done, ExitCode::Locked]);
    assert_eq!(problems(&house), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_run_with_nothing_to_do_takes_no_lock() {
    let house = House::three(&[]);
    assert_eq!(house.up().await.outcome.code, ExitCode::Done);
    let ran = house.up().await;
    assert_eq!((ran.outcome.code, ran.execs(Purpose::Lock)), (ExitCode::Done, 0));
    house.plan().await;
    for name in ["nuc1", "nuc2", "nuc3"] {
        assert!(!house.lab.with(|world| world.machine(name).files().exists("/run/homeprov/lease")), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_killed_runs_lease_runs_out() {
    let mut house = House::three(&[]);
    house.me = elsewhere("");
    house.up_cut_off(Duration::from_secs(20)).await;
    let ran = house.up().await;
    assert_eq!(ran.outcome.code, ExitCode::Locked, "{:?}", ran.outcome);
    assert!(ran.outcome.summary.contains("bob on desktop"), "{:?}", ran.outcome);
    sleep(LEASE).await;
    let ran = house.up().await;
    assert_eq!((ran.outcome.code, problems(&house)), (ExitCode::Done, vec![]), "{:?}", ran.outcome);
}

#[tokio::test(start_paused = true)]
async fn a_killed_run_of_this_machine_is_taken_over_at_once() {
    let house = House::three(&[]);
    house.up_cut_off(Duration::from_secs(20)).await;
    let ran = house.up().await;
    assert_eq!((ran.outcome.code, problems(&house)), (ExitCode::Done, vec![]), "{:?}", ran.outcome);
    let told = |event: &Event| matches!(event, Event::Warning { message, .. } if message.contains("taken over"));
    assert_eq!(ran.events.iter().filter(|event| told(event)).count(), 1, "{}", ran.tail());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_keeps_no_lease_is_told() {
    let house = House::three(&[]);
    house.lab.with(|world| world.machine_mut("nuc2").files_mut().write("/run/homeprov", b"a file in the way", 0o644));
    let ran = house.up().await;
    assert_eq!((ran.outcome.code, problems(&house)), (ExitCode::Done, vec![]), "{:?}", ran.outcome);
    let told = |event: &&Event| matches!(event, Event::Warning { node: Some(node), message } if node == "nuc2" && message.contains("is not kept out here"));
    assert_eq!(ran.events.iter().filter(told).count(), 1, "{}", ran.tail());
}

#[tokio::test(start_paused = true)]
async fn a_broken_lock_ends_its_holder() {
    let house = House::three(&[FaultKind::SnapStoreDown]);
    let (first, second) = tokio::join!(house.up_as(elsewhere("01A")), async {
        sleep(Duration::from_secs(20)).await;
        house.up_by_force(elsewhere("01B")).await
    });
    assert_eq!((second.outcome.code, problems(&house)), (ExitCode::Done, vec![]), "{:?}", second.outcome);
    assert_eq!(first.outcome.code, ExitCode::Locked, "{:?}", first.outcome);
    assert!(first.took < LEASE + Duration::from_secs(20), "{:?}", first.took);
}

#[tokio::test(start_paused = true)]
async fn a_lock_outlives_its_lease_while_the_run_goes_on() {
    let house = House::three(&[FaultKind::SnapStoreDown]);
    let (first, second) = tokio::join!(house.up_as(elsewhere("01A")), async {
        sleep(LEASE * 2).await;
        house.up_as(elsewhere("01B")).await
    });
    assert_eq!(first.outcome.code, ExitCode::Done, "{:?}", first.outcome);
    assert_eq!(second.outcome.code, ExitCode::Locked, "{:?}", second.outcome);
}
