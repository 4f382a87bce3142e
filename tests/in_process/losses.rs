//! Members that are lost: the run ends at once with what is missing, and goes on when it is back.

use std::time::Duration;

use homeprov::error::ExitCode;
use homeprov_lab::world::Os;
use tokio::time::sleep;

use super::session::{House, inventory, text};
use super::verify::problems;

async fn built() -> House {
    let house = House::three(&[]);
    assert_eq!(house.up().await.outcome.code, ExitCode::Done);
    house
}

#[tokio::test(start_paused = true)]
async fn a_lost_majority_is_told_at_once_and_comes_back() {
    let house = built().await;
    house.lab.with(|world| world.power_off("nuc1"));
    house.lab.with(|world| world.cut_network("nuc3"));
    let ran = house.up().await;
    assert_eq!(ran.outcome.code, ExitCode::Unreachable, "{:?}", ran.outcome);
    assert!(ran.outcome.summary.contains("no majority without nuc1, nuc3"), "{:?}", ran.outcome);
    assert!(ran.took < Duration::from_secs(60), "it took {:?}", ran.took);
    assert_eq!(ran.applied(), Vec::<String>::new());

    house.lab.with(|world| world.power_on("nuc1"));
    house.lab.with(|world| world.restore_network("nuc3"));
    let ran = house.up().await;
    assert_eq!((ran.outcome.code, problems(&house)), (ExitCode::Done, vec![]), "{:?}", ran.outcome);
    assert_eq!(ran.applied(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn one_lost_member_does_not_keep_the_others_from_their_steps() {
    let mut house = built().await;
    house.lab.with(|world| world.power_off("nuc2"));
    house.inventory = inventory(&text(3, 1));
    let ran = house.up().await;
    assert_eq!(ran.outcome.code, ExitCode::Unreachable, "{:?}", ran.outcome);
    assert!(ran.applied().contains(&"workers-joined@nuc4".to_owned()), "{:?}", ran.applied());
    house.lab.with(|world| world.power_on("nuc2"));
    let ran = house.up().await;
    assert_eq!((ran.outcome.code, problems(&house)), (ExitCode::Done, vec![]), "{:?}", ran.outcome);
}

#[tokio::test(start_paused = true)]
async fn the_only_voter_reinstalled_is_a_cluster_lost() {
    let mut house = House::new(3, 0, Os::Ubuntu2404, &[], 9);
    house.inventory = inventory(&text(2, 0).replace("[cluster]", "[cluster]\nallow_two_control_planes = true"));
    assert_eq!(house.up().await.outcome.code, ExitCode::Done);
    house.lab.with(|world| world.reinstall("nuc1"));
    let ran = house.up().await;
    assert_eq!(ran.outcome.code, ExitCode::Refused, "{:?}", ran.outcome);
    for words in ["nuc1 was reinstalled", "no majority", "snap remove --purge microk8s", "clusters/home"] {
        assert!(ran.outcome.summary.contains(words), "{words}: {:?}", ran.outcome);
    }
    assert_eq!(ran.applied(), Vec::<String>::new());
    // What it says helps.
    for name in ["nuc1", "nuc2"] {
        house.lab.with(|world| world.run(name, &["snap", "remove", "--purge", "microk8s"], b""));
        house.lab.with(|world| world.machine_mut(name).files_mut().remove("/var/lib/homeprov/identity"));
    }
    house.forget_the_cluster();
    let ran = house.up().await;
    assert_eq!((ran.outcome.code, problems(&house)), (ExitCode::Done, vec![]), "{:?}", ran.outcome);
}

#[tokio::test(start_paused = true)]
async fn two_of_three_reinstalled_are_a_cluster_lost() {
    let house = built().await;
    house.lab.with(|world| world.reinstall("nuc2"));
    house.lab.with(|world| world.reinstall("nuc3"));
    let ran = house.up().await;
    assert_eq!(ran.outcome.code, ExitCode::Refused, "{:?}", ran.outcome);
    assert!(ran.outcome.summary.contains("Without nuc2, nuc3 that cluster has no majority"), "{:?}", ran.outcome);
}

#[tokio::test(start_paused = true)]
async fn machines_that_were_all_installed_anew_are_told_apart_from_a_cluster_that_is_down() {
    let house = built().await;
    for name in ["nuc1", "nuc2", "nuc3"] {
        house.lab.with(|world| world.reinstall(name));
    }
    let ran = house.up().await;
    assert_eq!(ran.outcome.code, ExitCode::Refused, "{:?}", ran.outcome);
    for words in ["remembers a cluster `home`", "none of the nodes", "clusters/home"] {
        assert!(ran.outcome.summary.contains(words), "{words}: {:?}", ran.outcome);
    }
    assert!(ran.took < Duration::from_secs(30), "it took {:?}", ran.took);
    // What it says helps.
    house.forget_the_cluster();
    let ran = house.up().await;
    assert_eq!((ran.outcome.code, problems(&house)), (ExitCode::Done, vec![]), "{:?}", ran.outcome);
}

#[tokio::test(start_paused = true)]
async fn after_a_power_cut_everything_is_waited_for() {
    let house = built().await;
    for name in ["nuc1", "nuc2", "nuc3"] {
        house.lab.with(|world| world.power_off(name));
    }
    sleep(Duration::from_secs(600)).await;
    for name in ["nuc3", "nuc1", "nuc2"] {
        house.lab.with(|world| world.power_on(name));
    }
    let ran = house.up().await;
    assert_eq!((ran.outcome.code, problems(&house)), (ExitCode::Done, vec![]), "{:?}", ran.outcome);
    assert_eq!(ran.applied(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_joiner_whose_seed_is_lost_is_told_so_at_once() {
    let house = House::three(&[]);
    // The moment a joiner has its certificates and has not met the data store yet.
    let joiner = || {
        let init = "/var/snap/microk8s/current/var/kubernetes/backend/init.yaml";
        let joining = |name: &&str| house.lab.with(|world| world.machine(name).files().exists(init));
        ["nuc2", "nuc3"].into_iter().find(joining)
    };
    house
        .up_until(async {
            while joiner().is_none() {
                sleep(Duration::from_millis(200)).await;
            }
        })
        .await;
    assert!(joiner().is_some());
    house.lab.with(|world| world.power_off("nuc1"));
    sleep(Duration::from_secs(120)).await;
    let ran = house.up().await;
    assert_eq!(ran.outcome.code, ExitCode::Unreachable, "{:?}", ran.outcome);
    assert!(ran.outcome.summary.contains("it has not finished joining, and cannot without nuc1"), "{:?}", ran.outcome);
    assert!(ran.took < Duration::from_secs(150), "it took {:?}", ran.took);
    house.lab.with(|world| world.power_on("nuc1"));
    let ran = house.up().await;
    assert_eq!((ran.outcome.code, problems(&house)), (ExitCode::Done, vec![]), "{:?}", ran.outcome);
}
