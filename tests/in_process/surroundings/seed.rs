//! The seed loses power.

use homeprov::error::ExitCode;
use homeprov_lab::world::Os;

use super::{converged, ended, object, ready, starts};
use crate::row::Row;
use crate::session::{House, POOL, inventory, text};

#[tokio::test(start_paused = true)]
async fn a_seed_lost_while_it_is_the_only_voter_is_waited_for() {
    let row = Row::of("the seed loses power", "when workers-joined@nuc4 begins, as the only voter");
    let house = House::new(3, 1, Os::Ubuntu2404, &[], 8);
    let mut struck = false;
    let ran = house
        .up_meeting(|event| {
            if !struck && starts(event, "workers-joined", "nuc4") {
                struck = true;
                house.lab.with(|world| world.power_off("nuc1"));
            }
        })
        .await;
    assert!(struck, "a worker was never begun: {:?}", ran.applied());
    // Nobody else has the data: no member is made the seed of another cluster.
    ended(&ran, ExitCode::Unreachable, &["nuc1", "no control plane of this cluster answers"]);
    house.lab.with(|world| world.power_on("nuc1"));
    let again = house.up().await;
    ended(&again, ExitCode::Done, &[]);
    assert_eq!(ready(&house, "nuc1"), ["nuc1", "nuc2", "nuc3", "nuc4"], "{:?}", again.outcome);
    row.ended("exit code 9 with what waits for it; converged once it was back");
}

#[tokio::test(start_paused = true)]
async fn another_member_takes_the_lost_seeds_place() {
    for (step, at) in
        [("members-joined", "nuc4"), ("labels", "cluster"), ("metallb-enabled", "cluster"), ("pool-probed", "cluster")]
    {
        let row = Row::of("the seed loses power", format!("when {step}@{at} begins"));
        let mut house = House::new(4, 1, Os::Ubuntu2404, &[], 8);
        house.inventory = inventory(
            &text(4, 1).replace("address = \"10.77.0.12\"", "address = \"10.77.0.12\"\nlabels = { disk = \"ssd\" }"),
        );
        let mut struck = false;
        let ran = house
            .up_meeting(|event| {
                if !struck && starts(event, step, at) {
                    struck = true;
                    house.lab.with(|world| world.power_off("nuc1"));
                }
            })
            .await;
        assert!(struck, "{step}@{at} was never begun: {:?}", ran.applied());
        ended(&ran, ExitCode::Unreachable, &["nuc1"]);
        // Everything else is done, as another member's API server tells.
        assert_eq!(ready(&house, "nuc2"), ["nuc2", "nuc3", "nuc4", "nuc5"], "{step}@{at}: {:?}", ran.outcome);
        let pool = object(
            &house,
            "nuc2",
            "/apis/metallb.io/v1beta1/namespaces/metallb-system/ipaddresspools/default-addresspool",
        );
        assert_eq!(pool["spec"]["addresses"], serde_json::json!([POOL]), "{step}@{at}: {:?}", ran.outcome);
        assert_eq!(object(&house, "nuc2", "/api/v1/nodes/nuc2")["metadata"]["labels"]["disk"], "ssd");
        row.refused(&ran.outcome);
        let row = Row::of("the seed had lost power", format!("when {step}@{at} began; it is back"));
        house.lab.with(|world| world.power_on("nuc1"));
        converged(&house, &house.up().await);
        row.ended("converged");
    }
}
