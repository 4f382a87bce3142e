//! `plan` touches nothing: the machines are byte-identical before and after.

use std::time::Duration;

use homeprov_lab::world::Os;
use serde_json::Value;
use tokio::time::sleep;

use super::session::House;

/// The machines with the digests of all their files, and the clusters' members and objects.
fn state(house: &House) -> Value {
    house.lab.with(|world| world.describe())
}

/// Whether `plan` leaves a house as it is; what it planned.
async fn plans(house: &House) -> usize {
    let before = state(house);
    let plan = house.plan().await;
    assert_eq!(state(house), before);
    plan.pending.len()
}

#[tokio::test(start_paused = true)]
async fn it_changes_nothing_on_fresh_machines() {
    for os in [Os::Debian12, Os::Ubuntu2404] {
        assert!(plans(&House::new(3, 0, os, &[], 1)).await > 20);
    }
}

#[tokio::test(start_paused = true)]
async fn it_changes_nothing_half_way() {
    for seconds in [20, 60, 100] {
        let house = House::new(3, 1, Os::Ubuntu2404, &[], seconds);
        house.up_cut_off(Duration::from_secs(seconds)).await;
        // What runs on the nodes goes on by itself: it is let finish first.
        sleep(Duration::from_secs(300)).await;
        assert!(plans(&house).await > 0, "{seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_changes_nothing_where_nothing_is_to_do() {
    let house = House::three(&[]);
    house.up().await;
    sleep(Duration::from_secs(120)).await;
    assert_eq!(plans(&house).await, 0);
}
