//! The connection is lost while a detached job runs: the job goes on, is attached to again, and is never begun twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use homeprov::engine::event::Event;
use homeprov::error::ExitCode;
use homeprov_lab::world::Os;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::jobs::{is_of, step_of};
use super::kill::{in_its_own_time, likeness};
use super::row::Row;
use super::session::{House, LONGEST, Ran, inventory, text, with_storage};
use super::verify::problems;

/// Which ways are cut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// The controller's to the node the job runs on.
    ToTheNode,
    /// The controller's to every node: a laptop's Wi-Fi.
    ToEveryNode,
}

/// Machines on which every kind of job is run that needs no Git server: Debian without snapd, volumes in replicas; and
/// one that keeps volumes in folders.
fn houses() -> [House; 2] {
    let mut replicated = House::new(1, 2, Os::Debian12, &[], 11);
    replicated.inventory = inventory(
        &with_storage(&text(2, 1), "[storage]\nengine = \"jiva\"")
            .replace("[cluster]", "[cluster]\nallow_two_control_planes = true"),
    );
    let mut alone = House::new(1, 0, Os::Ubuntu2404, &[], 12);
    alone.inventory = inventory(&with_storage(&text(1, 0), ""));
    [replicated, alone]
}

fn events_of(ran: &Ran, step: &str) -> (usize, usize) {
    let lost = |event: &&Event| matches!(event, Event::StepLost { step: of, .. } if of == step);
    let attached = |event: &&Event| matches!(event, Event::StepAttached { step: of, .. } if of == step);
    (ran.events.iter().filter(lost).count(), ran.events.iter().filter(attached).count())
}

/// Waits until a step's job runs, and tells where.
async fn runs(house: &House, step: &str) -> String {
    let waiting = async {
        loop {
            match house.lab.jobs.running(step) {
                Some(machine) => return machine,
                None => sleep(Duration::from_millis(50)).await,
            }
        }
    };
    timeout(LONGEST, waiting).await.unwrap_or_else(|_| panic!("{step} never ran"))
}

fn every_node(house: &House) -> Vec<String> {
    house.inventory.nodes.iter().map(|node| node.name.clone()).collect()
}

/// `up`, with a cut while a step's job runs; the machine it ran on.
async fn up_with_cut(house: &House, step: &str, cut: Cut, lasts: Duration) -> (Ran, String) {
    tokio::join!(house.up(), async {
        let machine = runs(house, step).await;
        match cut {
            Cut::ToTheNode => house.lab.cut_off([machine.as_str()]),
            Cut::ToEveryNode => house.lab.cut_off(every_node(house).iter().map(String::as_str)),
        }
        sleep(lasts).await;
        house.lab.reach_all();
        machine
    })
}

/// How many times a step's job was begun, on all machines together.
fn begun_anywhere(house: &House, step: &str) -> usize {
    house.lab.jobs.begun().iter().filter(|(_, id)| is_of(id, step)).count()
}

/// How many times a step's job was begun on a machine.
fn begun(house: &House, machine: &str, step: &str) -> usize {
    house.lab.jobs.begun().iter().filter(|(on, id)| on == machine && is_of(id, step)).count()
}

/// The kinds of jobs a house has, how often each is begun, and what the house becomes.
async fn unbroken(house: &House) -> (BTreeMap<String, usize>, BTreeMap<String, Value>) {
    let ran = house.up().await;
    assert_eq!(ran.outcome.code, ExitCode::Done, "{:?}", ran.outcome);
    let steps: BTreeSet<String> = house.lab.jobs.begun().iter().map(|(_, id)| step_of(id).to_owned()).collect();
    let often = |step: String| (begun_anywhere(house, &step), step);
    (steps.into_iter().map(often).map(|(often, step)| (step, often)).collect(), likeness(house))
}

/// Cuts the way to the node during one kind of job.
async fn is_attached_to_again(house: House, step: &str, often: usize, wanted: &BTreeMap<String, Value>) {
    let row = Row::of("the SSH connection is lost", format!("while the job of {step} runs, for 50 s"));
    let (ran, machine) = up_with_cut(&house, step, Cut::ToTheNode, Duration::from_secs(50)).await;
    let shown = || format!("{step} on {machine}: {:?}\n{}", ran.outcome, ran.tail());
    assert_eq!(ran.outcome.code, ExitCode::Done, "{}", shown());
    let (lost, attached) = events_of(&ran, step);
    assert!(lost >= 1 && attached >= 1, "lost {lost}, attached {attached}: {}", shown());
    assert_eq!(begun_anywhere(&house, step), often, "{:?} {}", house.lab.jobs.begun(), shown());
    assert_eq!(house.lab.doubled(), Vec::<String>::new(), "{}", shown());
    let found = likeness(&house);
    // With an old snapd refreshes are held until a date, which is another one.
    let told = wanted.keys().filter(|key| !key.ends_with(" snap-settings"));
    let differing: Vec<&String> = told.filter(|key| wanted.get(*key) != found.get(*key)).collect();
    assert_eq!(differing, Vec::<&String>::new(), "{}", shown());
    row.ended("told, attached to again, begun once, converged");
}

/// In `make matrix`.
#[test]
fn every_kind_of_job_is_attached_to_again() {
    let known: Vec<_> = houses().map(|house| in_its_own_time(unbroken(&house))).into();
    let mut work: Vec<(usize, String)> = Vec::new();
    for (which, (steps, _)) in known.iter().enumerate() {
        for step in steps.keys() {
            if !work.iter().any(|(_, other)| other == step) {
                work.push((which, step.clone()));
            }
        }
    }
    let expected = ["packages-installed", "snap-installed", "members-joined", "workers-joined", "metallb-enabled"];
    let storage = ["iscsi-installed", "openebs-installed", "nfs-provisioner", "hostpath-enabled"];
    for step in expected.iter().chain(&storage) {
        assert!(work.iter().any(|(_, other)| other == step), "{step} is no job any more: {work:?}");
    }
    let work = Mutex::new(work);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let next = work.lock().expect("nobody panics with it").pop();
                    let Some((which, step)) = next else { return };
                    let house = houses().into_iter().nth(which).expect("one of them");
                    let (often, wanted) = &known[which];
                    in_its_own_time(is_attached_to_again(house, &step, often[&step], wanted));
                }
            });
        }
    });
}

#[tokio::test(start_paused = true)]
async fn the_whole_network_may_be_away_for_a_while() {
    for step in ["snap-installed", "members-joined"] {
        let row = Row::of("the whole network is cut", format!("while the job of {step} runs, for 3 min"));
        let house = House::three(&[]);
        let (ran, machine) = up_with_cut(&house, step, Cut::ToEveryNode, Duration::from_secs(180)).await;
        assert_eq!((ran.outcome.code, problems(&house)), (ExitCode::Done, vec![]), "{:?}\n{}", ran.outcome, ran.tail());
        let (lost, attached) = events_of(&ran, step);
        assert!(lost >= 1 && lost == attached, "lost {lost}, attached {attached}: {}", ran.tail());
        assert_eq!(begun(&house, &machine, step), 1);
        assert_eq!(house.lab.doubled(), Vec::<String>::new());
        row.ended("told, attached to again, begun once, converged");
    }
}

#[tokio::test(start_paused = true)]
async fn beyond_the_limit_the_run_ends_and_the_next_one_attaches() {
    let row = Row::of("the whole network is cut", "while the job of snap-installed runs, for longer than the limit");
    let house = House::three(&[]);
    let (ran, machine) = up_with_cut(&house, "snap-installed", Cut::ToEveryNode, Duration::from_secs(1200)).await;
    assert_eq!(ran.outcome.code, ExitCode::Unreachable, "{:?}", ran.outcome);
    let still = format!("lost, still running on {machine}");
    let next = format!("Once {machine} answers, `up` attaches");
    for words in ["could not be reached", &still, &next] {
        assert!(ran.outcome.summary.contains(words), "{words}: {:?}", ran.outcome);
    }
    assert!(ran.took < Duration::from_secs(450), "it took {:?}", ran.took);
    row.refused(&ran.outcome);
    let ran = house.up().await;
    assert_eq!((ran.outcome.code, problems(&house)), (ExitCode::Done, vec![]), "{:?}\n{}", ran.outcome, ran.tail());
    assert_eq!(begun(&house, &machine, "snap-installed"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_died_with_its_node_is_not_waited_for() {
    let row = Row::of("the node reboots", "while the job of snap-installed runs");
    let house = House::three(&[]);
    let (ran, machine) = tokio::join!(house.up(), async {
        let machine = runs(&house, "snap-installed").await;
        sleep(Duration::from_secs(1)).await;
        house.lab.with(|world| world.reboot(&machine));
        machine
    });
    assert_eq!((ran.outcome.code, problems(&house)), (ExitCode::Done, vec![]), "{:?}\n{}", ran.outcome, ran.tail());
    let told = ran.events.iter().any(|event| {
        matches!(event, Event::StepRetry { step, reason, .. } if step == "snap-installed" && reason.contains("restarted"))
    });
    assert!(told, "{:?}", ran.events);
    assert_eq!(begun(&house, &machine, "snap-installed"), 2);
    assert_eq!(house.lab.doubled(), Vec::<String>::new());
    assert!(ran.took < Duration::from_secs(900), "it took {:?}", ran.took);
    row.ended("recognised by the boot id, begun again, converged");
}

#[tokio::test(start_paused = true)]
async fn troubles_one_upon_another() {
    let row = Row::of(
        "a fault during recovery",
        "killed during a job; the next run loses the connection and is killed too; the node reboots; the third run is cut off while it joins",
    );
    let house = House::three(&[]);
    let job = async {
        runs(&house, "snap-installed").await;
    };
    house.up_until(job).await;
    let lost = async {
        let machine = runs(&house, "snap-installed").await;
        house.lab.cut_off([machine.as_str()]);
        sleep(Duration::from_secs(40)).await;
    };
    let events = house.up_until(lost).await;
    assert!(events.iter().any(|event| matches!(event, Event::Connected { .. })), "{events:?}");
    house.lab.reach_all();
    let restarted = house.lab.jobs.running("snap-installed").unwrap_or_else(|| "nuc1".to_owned());
    house.lab.with(|world| world.reboot(&restarted));
    let (ran, _) = up_with_cut(&house, "members-joined", Cut::ToEveryNode, Duration::from_secs(60)).await;
    assert_eq!((ran.outcome.code, problems(&house)), (ExitCode::Done, vec![]), "{:?}\n{}", ran.outcome, ran.tail());
    let (lost, attached) = events_of(&ran, "members-joined");
    assert!(lost >= 1 && attached >= 1, "{}", ran.tail());
    assert_eq!(house.lab.doubled(), Vec::<String>::new());
    row.ended("converged");
}
