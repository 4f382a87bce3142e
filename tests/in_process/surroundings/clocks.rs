//! Clocks that jump.

use homeprov::error::ExitCode;
use homeprov_lab::world::Os;

use super::{converged, ended, starts, up_struck, warned};
use crate::row::Row;
use crate::session::{House, inventory, text};

#[tokio::test(start_paused = true)]
async fn a_nodes_clock_that_jumps_is_named_and_nothing_is_lost() {
    let row = Row::of("a node's clock jumps an hour ahead", "while a node is being joined");
    let house = House::three(&[]);
    let jump = |by: i64| house.lab.with(|world| world.machine_mut("nuc2").clock_offset = by);
    let ran = up_struck(&house, ("members-joined", "nuc2"), || jump(3_600_000)).await;
    ended(&ran, ExitCode::Refused, &["nuc2", "3600 s ahead", "timedatectl set-ntp true"]);
    row.refused(&ran.outcome);
    let row = Row::of("a node's clock had jumped", "it was set right since");
    jump(0);
    converged(&house, &house.up().await);
    row.ended("converged");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_right_in_time_costs_nothing() {
    let row =
        Row::of("a node's clock jumps an hour back, and is set right after 30 s", "while MetalLB is being enabled");
    let house = House::three(&[]);
    let mut due = None;
    let ran = house
        .up_meeting(|event| {
            let set = |by: i64| house.lab.with(|world| world.machine_mut("nuc3").clock_offset = by);
            if starts(event, "metallb-enabled", "cluster") && due.is_none() {
                due = Some(tokio::time::Instant::now() + std::time::Duration::from_secs(30));
                set(-3_600_000);
            } else if due.is_some_and(|due| tokio::time::Instant::now() > due) {
                set(0);
            }
        })
        .await;
    assert!(due.is_some());
    converged(&house, &ran);
    row.ended("converged");
}

#[tokio::test(start_paused = true)]
async fn this_machines_clock_may_jump() {
    let row = Row::of("the controller's clock jumps a day back", "while a node is being joined");
    let house = House::three(&[]);
    // What is seen of it: all nodes are ahead by a day.
    let jump = |names: &[&str], by: i64| {
        house.lab.with(|world| names.iter().for_each(|name| world.machine_mut(name).clock_offset = by));
    };
    let all = ["nuc1", "nuc2", "nuc3"];
    let ran = up_struck(&house, ("members-joined", "nuc2"), || jump(&all, 86_400_000)).await;
    converged(&house, &ran);
    assert_eq!(warned(&ran, &["the clock of this machine is more than 30 s behind"]), 1, "{}", ran.tail());
    row.ended("converged, with a warning");

    let row = Row::of("the controller's clock is a day off", "from the start, with two nodes");
    let mut house = House::new(3, 0, Os::Ubuntu2404, &[], 6);
    house.inventory = inventory(&text(2, 0).replace("[cluster]", "[cluster]\nallow_two_control_planes = true"));
    house.lab.with(|world| ["nuc1", "nuc2"].iter().for_each(|name| world.machine_mut(name).clock_offset = -86_400_000));
    let ran = house.up().await;
    ended(&ran, ExitCode::Refused, &["the clock of this machine is 86400 s ahead of those of all nodes"]);
    row.refused(&ran.outcome);
}
