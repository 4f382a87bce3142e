//! `up` on fresh machines, and again: the second run changes nothing and looks at each node once.

use std::time::Duration;

use homeprov::error::ExitCode;
use homeprov::ssh::Purpose;
use homeprov_lab::world::Os;

use super::session::House;
use super::verify::{problems, tokens};

/// Brings a house up, and again.
async fn converges(house: &House) {
    let first = house.up().await;
    assert_eq!(first.outcome.code, ExitCode::Done, "{:?}\n{}", first.outcome, first.tail());
    assert_eq!(problems(house), Vec::<String>::new());
    for node in &house.inventory.nodes {
        assert_eq!(house.lab.with(|world| tokens(world, &node.name)), Vec::<String>::new(), "{}", node.name);
    }
    assert!(first.took < Duration::from_secs(900), "it took {:?}", first.took);

    let second = house.up().await;
    assert_eq!(second.outcome.code, ExitCode::Done, "{:?}\n{}", second.outcome, second.tail());
    assert_eq!(second.applied(), Vec::<String>::new());
    let nodes = house.inventory.nodes.len();
    assert_eq!((second.connections(), second.execs(Purpose::Observe)), (nodes, nodes));
    for purpose in [Purpose::Apply, Purpose::Job, Purpose::Probe] {
        assert_eq!(second.execs(purpose), 0, "{purpose:?}");
    }
    assert!(second.took < Duration::from_secs(5), "it took {:?}", second.took);
}

#[tokio::test(start_paused = true)]
async fn one_control_plane() {
    converges(&House::new(1, 0, Os::Ubuntu2404, &[], 1)).await;
}

#[tokio::test(start_paused = true)]
async fn three_control_planes() {
    converges(&House::three(&[])).await;
}

#[tokio::test(start_paused = true)]
async fn five_control_planes() {
    converges(&House::new(5, 0, Os::Ubuntu2404, &[], 2)).await;
}

#[tokio::test(start_paused = true)]
async fn three_control_planes_and_two_workers() {
    converges(&House::new(3, 2, Os::Ubuntu2404, &[], 3)).await;
}

#[tokio::test(start_paused = true)]
async fn debian_without_snapd_and_a_login_that_is_not_root() {
    let mut house = House::new(3, 0, Os::Debian12, &[], 4);
    house.login = "anna";
    converges(&house).await;
    let group = house.lab.with(|world| world.machine("nuc2").files().read("/etc/group")).unwrap_or_default();
    assert!(String::from_utf8_lossy(&group).contains("microk8s:x:995:anna"));
}
