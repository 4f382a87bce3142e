//! Machines are made bare again, and never those of another cluster.

use std::time::Duration;

use homeprov::error::ExitCode;
use homeprov_lab::world::Os;
use tokio::time::sleep;

use super::row::Row;
use super::session::{House, inventory, text};
use super::verify::problems;

async fn built(house: House) -> House {
    let ran = house.up().await;
    assert_eq!(ran.outcome.code, ExitCode::Done, "{:?}\n{}", ran.outcome, ran.tail());
    house
}

/// Whether a machine has MicroK8s, and homeprov's record.
fn holds(house: &House, name: &str) -> (bool, bool) {
    house.lab.with(|world| {
        let machine = world.machine(name);
        (machine.has_microk8s(), machine.files().exists("/var/lib/homeprov/identity"))
    })
}

/// A command as a person types it, who sees that it has worked.
fn typed(house: &House, machine: &str, argv: &[&str]) -> String {
    let done = house.lab.with(|world| world.run(machine, argv, b""));
    assert_eq!(done.exit, 0, "{machine}: {argv:?}: {}{}", done.stdout, done.stderr);
    done.stdout
}

/// A worker is moved to the cluster that somebody made on the spare machine, `to`, which is in no inventory.
async fn moved(house: &House, worker: &str, to: &str, how: &[&str]) {
    typed(house, to, &["snap", "install", "microk8s", "--classic", "--channel=1.35/stable"]);
    typed(house, to, &["microk8s", "status", "--wait-ready", "--timeout", "120"]);
    typed(house, worker, &["microk8s", "leave"]);
    typed(house, "nuc1", &["microk8s", "remove-node", worker]);
    let token = typed(house, to, &["microk8s", "add-node", "--format", "short"]);
    let url = token.lines().next().and_then(|line| line.rsplit(' ').next()).expect("a connection").to_owned();
    typed(house, worker, &[&["microk8s", "join", &url], how].concat());
    sleep(Duration::from_secs(90)).await;
}

#[tokio::test(start_paused = true)]
async fn a_reset_machine_is_bare_and_can_be_set_up_again() {
    let house = built(House::three(&[])).await;
    let ran = house.reset().await;
    assert_eq!(ran.outcome.code, ExitCode::Done, "{:?}\n{}", ran.outcome, ran.tail());
    for node in &house.inventory.nodes {
        let bare = house.lab.with(|world| {
            let machine = world.machine(&node.name);
            !machine.has_microk8s() && !machine.files().exists("/var/lib/homeprov/identity")
        });
        assert!(bare, "{}", node.name);
    }
    assert_eq!(house.reset().await.applied(), Vec::<String>::new());
    house.lab.agreed_removals();
    house.forget_the_cluster();
    let ran = house.up().await;
    assert_eq!((ran.outcome.code, problems(&house)), (ExitCode::Done, vec![]), "{:?}\n{}", ran.outcome, ran.tail());
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_was_moved_to_another_cluster_is_not_purged() {
    for how in [&[][..], &["--worker"]] {
        let row = Row::of(
            "a machine was moved to another cluster",
            format!("it still stands in the inventory; `reset` {}", how.concat()),
        );
        let mut house = built(House::new(1, 2, Os::Ubuntu2404, &[], 3)).await;
        moved(&house, "nuc3", "nuc4", how).await;
        let ran = house.reset().await;
        assert_eq!((ran.outcome.code, ran.applied()), (ExitCode::Refused, vec![]), "{how:?}: {:?}", ran.outcome);
        let said = &ran.outcome.summary;
        let whom = if how.is_empty() { "10.77.0.14" } else { "a control plane it is a worker of" };
        for words in ["nuc3 belongs to another cluster", whom, "on this machine", "`microk8s leave` on nuc3"] {
            assert!(said.contains(words), "{words}: {said}");
        }
        assert!(holds(&house, "nuc1").0 && holds(&house, "nuc3").0);
        // Nor where the nodes alone have it on record, or it is the only one that is asked for.
        let whole = house.inventory.clone();
        house.inventory = inventory(&text(1, 2));
        std::sync::Arc::make_mut(&mut house.inventory).nodes.retain(|node| node.name == "nuc3");
        let ran = house.reset().await;
        assert_eq!((ran.outcome.code, ran.applied()), (ExitCode::Refused, vec![]), "{how:?}: {:?}", ran.outcome);
        house.inventory = whole;
        house.forget_the_cluster();
        let refused = house.reset().await;
        assert_eq!((refused.outcome.code, refused.applied()), (ExitCode::Refused, vec![]), "{:?}", refused.outcome);
        // Taken out of the inventory, it is left alone.
        house.inventory = inventory(&text(1, 1));
        let ran = house.reset().await;
        assert_eq!(ran.outcome.code, ExitCode::Done, "{:?}\n{}", ran.outcome, ran.tail());
        assert!(!holds(&house, "nuc1").0 && holds(&house, "nuc3").0);
        row.refused(&refused.outcome);
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_of_its_own_and_a_cluster_that_nobody_recorded_are_purged() {
    let house = built(House::new(1, 1, Os::Ubuntu2404, &[], 3)).await;
    typed(&house, "nuc2", &["microk8s", "leave"]);
    sleep(Duration::from_secs(90)).await;
    let ran = house.reset().await;
    assert_eq!(ran.outcome.code, ExitCode::Done, "{:?}\n{}", ran.outcome, ran.tail());
    assert_eq!((holds(&house, "nuc1"), holds(&house, "nuc2")), ((false, false), (false, false)));

    let house = built(House::new(1, 1, Os::Ubuntu2404, &[], 4)).await;
    for name in ["nuc1", "nuc2"] {
        house.lab.with(|world| world.machine_mut(name).files_mut().remove("/var/lib/homeprov/identity"));
    }
    house.forget_the_cluster();
    let ran = house.reset().await;
    assert_eq!(ran.outcome.code, ExitCode::Done, "{:?}\n{}", ran.outcome, ran.tail());
    assert_eq!((holds(&house, "nuc1"), holds(&house, "nuc2")), ((false, false), (false, false)));
}
