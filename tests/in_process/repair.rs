//! Members that are not whole: what mends itself, what is shown and asked about, and what is never done.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use homeprov::engine::event::Event;
use homeprov::error::ExitCode;
use homeprov_lab::world::Os;
use tokio::time::sleep;

use super::row::Row;
use super::session::{House, Ran, inventory, text};
use super::verify::problems;

async fn built() -> House {
    let house = House::three(&[]);
    assert_eq!(house.up().await.outcome.code, ExitCode::Done);
    house
}

fn types(house: &House, machine: &str, words: &str) -> i32 {
    let argv: Vec<&str> = words.split(' ').collect();
    house.lab.with(|world| world.run(machine, &argv, b"").exit)
}

fn converged(house: &House, ran: &Ran) {
    assert_eq!((ran.outcome.code, problems(house)), (ExitCode::Done, vec![]), "{:?}\n{}", ran.outcome, ran.tail());
}

/// Runs `up --repair`, answers every question with yes and returns what was asked.
async fn repairing(house: &House) -> (Ran, Vec<String>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let book = Arc::clone(&asked);
    let ran = house
        .up_repairing(move |question| {
            book.lock().expect("nobody panicked").push(question.to_owned());
            true
        })
        .await;
    let asked = asked.lock().expect("nobody panicked").clone();
    (ran, asked)
}

#[tokio::test(start_paused = true)]
async fn a_reinstalled_member_is_taken_out_and_joined_again_after_the_question() {
    let row = Row::of("a member was installed anew", "between two runs; `up --repair`");
    let house = built().await;
    house.lab.with(|world| world.reinstall("nuc3"));
    let shown = house.up().await;
    assert_eq!(shown.outcome.code, ExitCode::Refused, "{:?}", shown.outcome);
    for words in ["nuc3 was reinstalled", "microk8s remove-node 10.77.0.13 --force", "up --repair"] {
        assert!(shown.outcome.summary.contains(words), "{words}: {:?}", shown.outcome);
    }
    let (ran, asked) = repairing(&house).await;
    converged(&house, &ran);
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].contains("`microk8s remove-node 10.77.0.13 --force` on nuc1"), "{asked:?}");
    assert_eq!(house.lab.harm(), ["nuc1: /snap/bin/microk8s remove-node 10.77.0.13 --force"]);
    row.ended("converged");
}

#[tokio::test(start_paused = true)]
async fn a_no_is_a_no() {
    let row = Row::of("a member was installed anew", "between two runs; `up --repair`, answered with no");
    let house = built().await;
    house.lab.with(|world| world.reinstall("nuc1"));
    let ran = house.up_repairing(|_| false).await;
    assert_eq!(ran.outcome.code, ExitCode::Refused, "{:?}", ran.outcome);
    assert_eq!(house.lab.harm(), Vec::<String>::new());
    row.refused(&ran.outcome);
}

#[tokio::test(start_paused = true)]
async fn a_repair_that_would_need_a_voter_that_is_dead_is_not_done() {
    let row = Row::of("a member was installed anew", "while another voter is off; `up --repair`");
    let house = built().await;
    house.lab.with(|world| world.power_off("nuc2"));
    house.lab.with(|world| world.reinstall("nuc3"));
    let (ran, asked) = repairing(&house).await;
    assert_eq!(ran.outcome.code, ExitCode::Refused, "{:?}", ran.outcome);
    assert_eq!((asked, house.lab.harm()), (vec![], vec![]));
    row.refused(&ran.outcome);
    house.lab.with(|world| world.power_on("nuc2"));
    sleep(Duration::from_secs(60)).await;
    let (ran, _) = repairing(&house).await;
    converged(&house, &ran);
}

#[tokio::test(start_paused = true)]
async fn a_control_plane_that_is_to_be_a_worker_leaves_and_comes_back_after_the_question() {
    let row = Row::of("a control plane is a worker in the inventory", "between two runs; `up --repair`");
    let mut house = House::new(4, 0, Os::Ubuntu2404, &[], 3);
    assert_eq!(house.up().await.outcome.code, ExitCode::Done);
    house.inventory = inventory(&text(3, 1));
    let shown = house.up().await;
    assert_eq!(shown.outcome.code, ExitCode::Refused, "{:?}", shown.outcome);
    let (ran, asked) = repairing(&house).await;
    converged(&house, &ran);
    assert!(asked.len() == 1 && asked[0].contains("`microk8s leave` on nuc4"), "{asked:?}");
    row.ended("converged");
}

#[tokio::test(start_paused = true)]
async fn the_second_voter_of_two_that_answer_must_not_leave() {
    let row = Row::of("a control plane is a worker in the inventory", "while another voter is off; `up --repair`");
    let mut house = built().await;
    house.lab.with(|world| world.power_off("nuc2"));
    sleep(Duration::from_secs(60)).await;
    house.inventory = inventory(
        &text(3, 0)
            .replace(
                "address = \"10.77.0.13\"\nrole = \"control-plane\"",
                "address = \"10.77.0.13\"\nrole = \"worker\"",
            )
            .replace("[cluster]", "[cluster]\nallow_two_control_planes = true"),
    );
    let (ran, asked) = repairing(&house).await;
    assert_eq!(ran.outcome.code, ExitCode::Refused, "{:?}", ran.outcome);
    assert!(ran.outcome.summary.contains("voters"), "{:?}", ran.outcome);
    assert_eq!((asked, house.lab.harm()), (vec![], vec![]));
    row.refused(&ran.outcome);
}

/// Who left keeps the cluster's certificate authority: the first node must not be taken for the cluster by that.
#[tokio::test(start_paused = true)]
async fn who_left_is_joined_again() {
    for name in ["nuc3", "nuc1"] {
        let row = Row::of(format!("somebody types `microk8s leave` on {name}"), "between two runs");
        let house = built().await;
        assert_eq!(types(&house, name, "microk8s leave"), 0);
        let other = house.lab.with(|world| world.cluster_of("nuc2").map(|cluster| cluster.id));
        let ran = house.up().await;
        converged(&house, &ran);
        assert_eq!(house.lab.with(|world| world.cluster_of(name).map(|cluster| cluster.id)), other);
        assert_eq!(house.lab.harm(), Vec::<String>::new());
        row.ended("converged");
    }
}

/// A machine that left and was used on its own since holds what a join would delete.
#[tokio::test(start_paused = true)]
async fn who_left_and_was_used_since_is_left_alone() {
    let row = Row::of("a node has left and holds a namespace of the user's", "between two runs");
    let house = built().await;
    assert_eq!(types(&house, "nuc3", "microk8s leave"), 0);
    assert_eq!(types(&house, "nuc3", "microk8s kubectl create namespace photos"), 0);
    let ran = house.up().await;
    assert_eq!(ran.outcome.code, ExitCode::Refused, "{:?}", ran.outcome);
    assert!(ran.outcome.summary.contains("photos"), "{:?}", ran.outcome);
    assert_eq!(ran.applied(), Vec::<String>::new());
    row.refused(&ran.outcome);
}

#[tokio::test(start_paused = true)]
async fn who_was_removed_behind_its_back_is_joined_again() {
    let row = Row::of("somebody types `remove-node --force` for a member that lives", "between two runs");
    let house = built().await;
    types(&house, "nuc1", "microk8s remove-node 10.77.0.13 --force");
    let ran = house.up().await;
    converged(&house, &ran);
    assert_eq!(house.lab.harm(), Vec::<String>::new());
    row.ended("converged");
}

/// Both left the third, which is off: each carries the cluster's authority and neither knows the other.
#[tokio::test(start_paused = true)]
async fn two_data_stores_of_one_authority_are_shown_and_left_alone() {
    let row = Row::of("two nodes have left the third", "while that is off");
    let house = built().await;
    assert_eq!(types(&house, "nuc1", "microk8s leave"), 0);
    let (left, stayed) = match types(&house, "nuc2", "microk8s leave") {
        0 => ("nuc2", "nuc3"),
        _ => ("nuc3", "nuc2"),
    };
    if left == "nuc3" {
        assert_eq!(types(&house, "nuc3", "microk8s leave"), 0);
    }
    house.lab.with(|world| world.power_off(stayed));
    let (ran, asked) = repairing(&house).await;
    assert_eq!(ran.outcome.code, ExitCode::Refused, "{:?}", ran.outcome);
    for words in ["do not know each other", "Either", "the other way round", left] {
        assert!(ran.outcome.summary.contains(words), "{words}: {:?}", ran.outcome);
    }
    assert_eq!((asked, ran.applied()), (vec![], vec![]));
    row.refused(&ran.outcome);
    // Once the cluster itself is there, nothing is ambiguous.
    house.lab.with(|world| world.power_on(stayed));
    sleep(Duration::from_secs(60)).await;
    converged(&house, &house.up().await);
}

/// The user has not named it: it is told of, and left.
#[tokio::test(start_paused = true)]
async fn a_member_of_no_inventory_is_told_of_and_left() {
    let row = Row::of("a control plane is taken out of the inventory", "between two runs; `up --repair`");
    let mut house = House::new(4, 0, Os::Ubuntu2404, &[], 6);
    assert_eq!(house.up().await.outcome.code, ExitCode::Done);
    house.inventory = inventory(&text(3, 0));
    let (ran, asked) = repairing(&house).await;
    assert_eq!((ran.outcome.code, asked.len()), (ExitCode::Done, 0), "{:?}\n{}", ran.outcome, ran.tail());
    let told = |event: &Event| matches!(event, Event::Warning { message, .. } if message.contains("10.77.0.14"));
    assert_eq!(ran.events.iter().filter(|event| told(event)).count(), 1);
    assert_eq!(house.lab.harm(), Vec::<String>::new());
    row.ended("converged, and told of");
}

#[tokio::test(start_paused = true)]
async fn a_member_by_half_is_shown_with_its_commands_and_mended_after_the_question() {
    const GUARD: &str = "/var/snap/microk8s/current/var/lock/low-memory-guard.lock";
    let row = Row::of("a member's services do not start any more", "after a reboot; `up --repair`");
    let house = built().await;
    house.lab.with(|world| world.machine_mut("nuc3").files_mut().write(GUARD, b"", 0o664));
    house.lab.with(|world| world.reboot("nuc3"));
    sleep(Duration::from_secs(60)).await;
    let shown = house.up().await;
    assert_eq!(shown.outcome.code, ExitCode::StepFailed, "{:?}", shown.outcome);
    for words in
        ["not running", "nuc3 has joined by half", "`microk8s remove-node 10.77.0.13 --force` on nuc1", "--repair"]
    {
        assert!(shown.outcome.summary.contains(words), "{words}: {:?}", shown.outcome);
    }
    // Somebody has seen to what kept it from starting.
    let lab = house.lab.clone();
    let ran = house
        .up_repairing(move |_| {
            lab.with(|world| world.machine_mut("nuc3").files_mut().remove(GUARD));
            true
        })
        .await;
    converged(&house, &ran);
    row.ended("converged");
}
