//! Names, addresses and versions that are other than they were.

use std::net::Ipv4Addr;

use homeprov::error::ExitCode;

use super::{converged, ended, up_struck};
use crate::row::Row;
use crate::session::{House, inventory, text};

#[tokio::test(start_paused = true)]
async fn names_lost_in_mid_run_are_written_again() {
    let row = Row::of("a node's own name and its peers' resolve no more", "while a node is being joined");
    let house = House::three(&[]);
    let forget = || {
        house
            .lab
            .with(|world| world.machine_mut("nuc3").files_mut().write("/etc/hosts", b"127.0.0.1 localhost\n", 0o644));
    };
    let ran = up_struck(&house, ("members-joined", "nuc2"), forget).await;
    converged(&house, &ran);
    let hosts = house.lab.with(|world| world.machine("nuc3").files().read("/etc/hosts")).unwrap_or_default();
    assert!(String::from_utf8_lossy(&hosts).contains("10.77.0.11 nuc1"));
    row.ended("converged");
}

#[tokio::test(start_paused = true)]
async fn an_address_that_dhcp_changed_is_refused_with_the_way_out() {
    let house = House::three(&[]);
    converged(&house, &house.up().await);
    let give = |name: &str, last: u8| house.lab.with(|world| world.give_address(name, Ipv4Addr::new(10, 77, 0, last)));
    let row = Row::of("DHCP gives a member another address", "after it was joined");
    give("nuc2", 99);
    let ran = house.up().await;
    let words = &[
        "nuc2 does not have the address 10.77.0.12",
        "10.77.0.99",
        "bound to 10.77.0.12",
        "fixed lease",
        "microk8s leave",
    ];
    ended(&ran, ExitCode::Refused, words);
    assert_eq!(ran.applied(), Vec::<String>::new());
    row.refused(&ran.outcome);

    let row = Row::of("DHCP gave a member another address", "and the inventory follows it");
    let mut followed = house;
    followed.inventory = inventory(&text(3, 0).replace("10.77.0.12\"", "10.77.0.99\""));
    let ran = followed.up().await;
    ended(
        &ran,
        ExitCode::Refused,
        &["nuc2 is a member of its data store as 10.77.0.12", "the inventory says 10.77.0.99"],
    );
    assert_eq!(ran.applied(), Vec::<String>::new());
    row.refused(&ran.outcome);

    let row = Row::of("two members have swapped addresses", "after they were joined");
    let mut house = followed;
    house.inventory = inventory(&text(3, 0));
    let give = |name: &str, last: u8| house.lab.with(|world| world.give_address(name, Ipv4Addr::new(10, 77, 0, last)));
    give("nuc2", 13);
    give("nuc3", 12);
    let ran = house.up().await;
    ended(&ran, ExitCode::Refused, &["it has 10.77.0.13, which is nuc3's", "it has 10.77.0.12, which is nuc2's"]);
    assert_eq!(ran.applied(), Vec::<String>::new());
    row.refused(&ran.outcome);

    let row = Row::of("DHCP had changed addresses", "the old ones are back");
    give("nuc2", 12);
    give("nuc3", 13);
    let ran = house.up().await;
    converged(&house, &ran);
    assert_eq!(ran.applied(), Vec::<String>::new());
    row.ended("converged");
}

#[tokio::test(start_paused = true)]
async fn clones_get_names_of_their_own() {
    let row = Row::of("machines are clones with one host name", "from the start");
    let house = House::three(&[]);
    house.lab.with(|world| {
        for name in ["nuc2", "nuc3"] {
            let machine = world.machine_mut(name);
            machine.hostname = "nuc1".to_owned();
            machine.files_mut().write("/etc/hostname", b"nuc1\n", 0o644);
        }
    });
    let ran = house.up().await;
    converged(&house, &ran);
    assert!(ran.applied().contains(&"host-name@nuc3".to_owned()), "{:?}", ran.applied());
    row.ended("converged");

    let row = Row::of("machines are clones with one host name", "and MicroK8s was installed under it");
    let house = House::three(&[]);
    house.lab.with(|world| {
        world.run("nuc2", &["hostnamectl", "set-hostname", "nuc1"], b"");
        world.run("nuc2", &["snap", "install", "microk8s", "--classic", "--channel=1.35/stable"], b"");
    });
    let ran = house.up().await;
    ended(&ran, ExitCode::Refused, &["nuc2 calls itself nuc1", "snap remove --purge microk8s"]);
    assert_eq!(ran.applied(), Vec::<String>::new());
    row.refused(&ran.outcome);
}

#[tokio::test(start_paused = true)]
async fn nodes_of_different_minor_versions_are_not_joined() {
    let row = Row::of("nodes run different minor versions of MicroK8s", "from the start");
    let house = House::three(&[]);
    house.lab.with(|world| {
        world.run("nuc1", &["snap", "install", "microk8s", "--classic", "--channel=1.35/stable"], b"");
        world.run("nuc2", &["snap", "install", "microk8s", "--classic", "--channel=1.33/stable"], b"");
    });
    let ran = house.up().await;
    ended(&ran, ExitCode::Refused, &["1.33 on nuc2", "1.35 on nuc1", "one minor at a time"]);
    assert_eq!(ran.applied(), Vec::<String>::new());
    row.refused(&ran.outcome);
}
