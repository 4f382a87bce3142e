//! No room: disks that are full, or without inodes.

use homeprov::error::ExitCode;
use homeprov_lab::world::Os;

use super::{converged, ended, said, up_struck, warned};
use crate::row::Row;
use crate::session::House;

#[tokio::test(start_paused = true)]
async fn a_disk_that_fills_up_in_mid_run_is_named_with_its_numbers() {
    let row = Row::of("a node's disk fills up", "while MicroK8s is being installed");
    let house = House::three(&[]);
    let ran =
        up_struck(&house, ("snap-installed", "nuc2"), || house.lab.with(|world| world.fill_disk("nuc2", 200))).await;
    ended(
        &ran,
        ExitCode::Refused,
        &["nuc2 has 200 MiB free on /", "/var/snap, /var/lib", "apt-get clean", "refused after"],
    );
    assert!(said(&ran, "low disk space"), "{}", ran.tail());
    row.refused(&ran.outcome);
    let row = Row::of("a node's disk had filled up", "room was made since");
    house.lab.with(|world| world.machine_mut("nuc2").spec.disk_mib = 100 * 1024);
    converged(&house, &house.up().await);
    row.ended("converged");
}

#[tokio::test(start_paused = true)]
async fn the_packages_find_no_room() {
    let row = Row::of("a node's disk fills up", "while packages are being installed");
    let house = House::new(3, 0, Os::Debian12, &[], 3);
    let fill = || house.lab.with(|world| world.fill_disk("nuc1", 20));
    let ran = up_struck(&house, ("packages-installed", "nuc1"), fill).await;
    ended(&ran, ExitCode::Refused, &["nuc1 has 20 MiB free on /"]);
    assert!(said(&ran, "You don't have enough free space in /var/cache/apt/archives/."), "{}", ran.tail());
    row.refused(&ran.outcome);
}

#[tokio::test(start_paused = true)]
async fn a_disk_without_inodes_is_refused() {
    let row = Row::of("a node's disk has no inodes left", "from the start");
    let house = House::three(&[]);
    house.lab.with(|world| world.machine_mut("nuc3").free_inodes = 512);
    let ran = house.up().await;
    ended(&ran, ExitCode::Refused, &["nuc3 has 512 inodes free on / (/var/snap, /var/lib)", "du --inodes"]);
    assert_eq!(ran.applied(), Vec::<String>::new());
    row.refused(&ran.outcome);
}

#[tokio::test(start_paused = true)]
async fn images_that_would_be_deleted_are_warned_of() {
    let row = Row::of("a node's disk is above the threshold of image garbage collection", "from the start");
    let house = House::three(&[]);
    house.lab.with(|world| {
        let machine = world.machine_mut("nuc2");
        (machine.disk_used_mib, machine.spec.disk_mib) = (190 * 1024, 10 * 1024);
    });
    let ran = house.up().await;
    converged(&house, &ran);
    assert_eq!(warned(&ran, &["nuc2", "95 % full", "85 %", "deletes images"]), 1, "{}", ran.tail());
    row.ended("converged, with a warning");
}

#[tokio::test(start_paused = true)]
async fn a_state_folder_that_cannot_be_written_is_named() {
    let row = Row::of("the controller's state folder cannot be written", "from the start");
    let house = House::three(&[]);
    // What every user meets, root too: a file where a folder has to be.
    std::fs::write(house.state().join("clusters"), "in the way").expect("written");
    let ran = house.up().await;
    ended(&ran, ExitCode::StepFailed, &[house.state().to_str().expect("a path"), "Nothing is lost", "XDG_STATE_HOME"]);
    row.refused(&ran.outcome);
    let row = Row::of("the controller's state folder could not be written", "room was made since");
    std::fs::remove_file(house.state().join("clusters")).expect("it was there");
    converged(&house, &house.up().await);
    row.ended("converged");
}
