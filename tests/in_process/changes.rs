//! An inventory that changes between two runs: what it takes is done, and no more.

use std::collections::BTreeSet;

use homeprov::error::ExitCode;

use super::session::{House, POOL, inventory, text};
use super::verify::problems;

async fn built() -> House {
    let house = House::three(&[]);
    let ran = house.up().await;
    assert_eq!(ran.outcome.code, ExitCode::Done, "{:?}", ran.outcome);
    house
}

/// Runs `up` with another inventory; the steps it applied.
async fn changed(house: &mut House, text: &str) -> Vec<String> {
    house.inventory = inventory(text);
    let ran = house.up().await;
    assert_eq!(ran.outcome.code, ExitCode::Done, "{:?}\n{}", ran.outcome, ran.tail());
    assert_eq!(problems(house), Vec::<String>::new());
    let again = house.up().await;
    assert_eq!(again.applied(), Vec::<String>::new());
    ran.applied()
}

#[tokio::test(start_paused = true)]
async fn labels_are_set() {
    let mut house = built().await;
    let text = text(3, 0)
        .replace("name = \"nuc2\"", "name = \"nuc2\"\nlabels = { disk = \"nvme\", \"example.org/room\" = \"attic\" }");
    assert_eq!(changed(&mut house, &text).await, ["labels@cluster"]);
}

#[tokio::test(start_paused = true)]
async fn the_pool_is_moved() {
    let mut house = built().await;
    let text = text(3, 0).replace(POOL, "10.77.0.220-10.77.0.230");
    assert_eq!(changed(&mut house, &text).await, ["pool-exact@cluster", "pool-probed@cluster"]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_is_added() {
    let mut house = built().await;
    let applied = changed(&mut house, &text(3, 1)).await;
    let elsewhere: BTreeSet<&str> =
        applied.iter().map(String::as_str).filter(|step| !step.ends_with("@nuc4")).collect();
    let names = ["peers-in-hosts@nuc1", "peers-in-hosts@nuc2", "peers-in-hosts@nuc3", "pool-probed@cluster"];
    assert_eq!(elsewhere, names.into());
    assert_eq!(applied.iter().filter(|step| *step == "workers-joined@nuc4").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lone_control_plane_grows_to_three() {
    let mut house = House::new(3, 0, homeprov_lab::world::Os::Ubuntu2404, &[], 5);
    house.inventory = inventory(&text(1, 0));
    assert_eq!(house.up().await.outcome.code, ExitCode::Done);
    let applied = changed(&mut house, &text(3, 0)).await;
    let joins: BTreeSet<&String> = applied.iter().filter(|step| step.starts_with("members-joined")).collect();
    assert_eq!(joins.into_iter().collect::<Vec<_>>(), ["members-joined@nuc2", "members-joined@nuc3"]);
    assert!(!applied.iter().any(|step| step.starts_with("snap-installed@nuc1") || step.starts_with("metallb-enabled")));
}
