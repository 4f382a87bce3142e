//! What surrounds a run changes or fails while it goes on: disks, clocks, package locks, refreshes, names, addresses, the
//! seed. Each ends converged, or refused with the cause and what to do about it.

use std::net::Ipv4Addr;

use homeprov::engine::event::Event;
use homeprov::error::ExitCode;
use homeprov::plan::Place;
use homeprov_lab::kubernetes::Request;
use homeprov_lab::world::{Fault, FaultKind, Os};
use serde_json::Value;

use super::row::Row;
use super::session::{House, POOL, Ran, inventory, text};
use super::verify::problems;

/// Whether an event is the beginning of a step at a place; the cluster is `cluster`.
fn starts(event: &Event, wanted: &str, at: &str) -> bool {
    let Event::StepStarted { step, place, .. } = event else { return false };
    let place = match place {
        Place::Node(node) => node,
        Place::Cluster => "cluster",
    };
    step == wanted && place == at
}

/// Runs `up`, and lets `strike` strike once, at the beginning of a step; says whether it has.
async fn up_struck(house: &House, (step, at): (&str, &str), strike: impl Fn()) -> Ran {
    let mut struck = false;
    let ran = house
        .up_meeting(|event| {
            if !struck && starts(event, step, at) {
                struck = true;
                strike();
            }
        })
        .await;
    assert!(struck, "{step}@{at} was never begun: {:?}", ran.applied());
    ran
}

fn converged(house: &House, ran: &Ran) {
    assert_eq!((ran.outcome.code, problems(house)), (ExitCode::Done, vec![]), "{:?}\n{}", ran.outcome, ran.tail());
}

fn ended(ran: &Ran, code: ExitCode, words: &[&str]) {
    assert_eq!(ran.outcome.code, code, "{:?}\n{}", ran.outcome, ran.tail());
    for word in words {
        assert!(ran.outcome.summary.contains(word), "{word:?} is not said: {}", ran.outcome.summary);
    }
}

fn object(house: &House, via: &str, path: &str) -> Value {
    house.lab.with(|world| world.api(via, &Request::new("GET", path)).json())
}

/// The Nodes that are Ready, as the API server on a machine tells.
fn ready(house: &House, via: &str) -> Vec<String> {
    let nodes = object(house, via, "/api/v1/nodes");
    let ready = |node: &&Value| {
        let conditions = node["status"]["conditions"].as_array().into_iter().flatten();
        conditions.into_iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    };
    let names = nodes["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(ready)
        .filter_map(|node| node["metadata"]["name"].as_str());
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort();
    names
}

fn warned(ran: &Ran, words: &[&str]) -> usize {
    let told = |event: &&Event| matches!(event, Event::Warning { message, .. } if words.iter().all(|word| message.contains(word)));
    ran.events.iter().filter(told).count()
}

/// What steps printed, and said went wrong.
fn said(ran: &Ran, words: &str) -> bool {
    ran.events.iter().any(|event| {
        matches!(event,
            Event::StepRetry { reason: text, .. } | Event::StepFailed { reason: text, .. } | Event::StepOutput { line: text, .. }
            | Event::Waiting { why: text, .. }
            if text.contains(words))
    })
}

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
async fn who_holds_the_package_lock_for_hours_is_said() {
    let row = Row::of("unattended-upgrades hold the package lock for hours", "from the start");
    let house = House::new(3, 0, Os::Debian12, &[], 3);
    let fault = Fault { lasts: Some(8 * 3_600_000), ..FaultKind::AptLocked.into() };
    house.lab.with(|world| world.inject(fault));
    let ran = house.up().await;
    ended(&ran, ExitCode::StepFailed, &["process 1482 (unattended-upgr) holds the lock", "ps -fp 1482"]);
    row.refused(&ran.outcome);
}

#[tokio::test(start_paused = true)]
async fn a_dpkg_cut_off_in_mid_run_is_completed() {
    let row = Row::of("dpkg is cut off and leaves a package half-configured", "before the packages are installed");
    let house = House::new(3, 0, Os::Debian12, &[], 3);
    let ran =
        up_struck(&house, ("packages-installed", "nuc2"), || house.lab.with(|world| world.interrupt_dpkg("nuc2")))
            .await;
    converged(&house, &ran);
    assert!(ran.applied().contains(&"dpkg-complete@nuc2".to_owned()), "{:?}", ran.applied());
    row.ended("converged");
}

const CLOUD_INIT: &str = "/run/cloud-init";

/// Three nodes, on one of which cloud-init has begun and not finished.
fn with_cloud_init() -> House {
    let house = House::new(3, 0, Os::Ubuntu2404, &[], 4);
    let status = format!("{CLOUD_INIT}/status.json");
    house.lab.with(|world| world.machine_mut("nuc2").files_mut().write(&status, b"{}", 0o644));
    house
}

#[tokio::test(start_paused = true)]
async fn a_cloud_init_busy_for_good_is_named() {
    let row = Row::of("cloud-init is still busy", "for ever");
    let house = with_cloud_init();
    let ran = house.up().await;
    ended(&ran, ExitCode::StepFailed, &["nuc2", "cloud-init still works on it", "cloud-init status --long"]);
    assert!(!ran.applied().contains(&"packages-installed@nuc2".to_owned()), "{:?}", ran.applied());
    row.refused(&ran.outcome);
}

#[tokio::test(start_paused = true)]
async fn cloud_init_is_waited_for() {
    let row = Row::of("cloud-init is still busy", "for three minutes from the start");
    let house = with_cloud_init();
    let result = format!("{CLOUD_INIT}/result.json");
    let finish = async {
        tokio::time::sleep(std::time::Duration::from_secs(180)).await;
        house.lab.with(|world| world.machine_mut("nuc2").files_mut().write(&result, b"{}", 0o644));
    };
    let (ran, ()) = tokio::join!(house.up(), finish);
    converged(&house, &ran);
    row.ended("converged");
}

#[tokio::test(start_paused = true)]
async fn a_node_without_dns_for_good_is_named_as_that() {
    for (os, (step, name)) in [
        (Os::Debian12, ("packages-installed", "deb.debian.org")),
        (Os::Ubuntu2404, ("snap-installed", "api.snapcraft.io")),
    ] {
        let row = Row::of("a node's DNS does not answer, for good", format!("when {step} begins there"));
        let house = House::new(3, 0, os, &[], 5);
        let mute = || house.lab.with(|world| world.mute_dns("nuc2", u64::from(u32::MAX)));
        let ran = up_struck(&house, (step, "nuc2"), mute).await;
        ended(&ran, ExitCode::StepFailed, &["nuc2", &format!("{name} cannot be resolved there"), "resolvectl status"]);
        row.refused(&ran.outcome);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_for_good_is_named_by_its_address() {
    let row = Row::of("the snap store does not answer, for good", "from the start");
    let house = House::three(&[]);
    house.lab.with(|world| world.inject(Fault { lasts: Some(8 * 3_600_000), ..FaultKind::SnapStoreDown.into() }));
    let ran = house.up().await;
    ended(
        &ran,
        ExitCode::StepFailed,
        &["the snap store (https://api.snapcraft.io) does not answer", "status.snapcraft.io"],
    );
    row.refused(&ran.outcome);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_is_waited_for_and_then_held() {
    let row = Row::of("snapd refreshes MicroK8s by itself", "right after it was installed");
    let house = House::three(&[FaultKind::AutoRefresh]);
    let ran = house.up().await;
    converged(&house, &ran);
    let waited = ran.events.iter().any(|event| {
        matches!(event, Event::Waiting { step, why, .. } if step == "refreshes-held" && why.contains("Auto-refresh snap"))
    });
    assert!(waited, "{}", ran.tail());
    house.lab.with(|world| {
        for name in ["nuc1", "nuc2", "nuc3"] {
            assert_eq!(world.machine(name).snapd.snaps["microk8s"].revision, "8507", "{name} was refreshed");
            assert!(!world.auto_refresh(name), "{name} is held");
        }
    });
    row.ended("converged, refreshes held");
}

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

#[tokio::test(start_paused = true)]
async fn a_member_whose_snapd_does_not_answer_is_no_bare_machine() {
    let row = Row::of("snapd answers nothing on all nodes", "for half a minute, in a finished cluster");
    let house = House::three(&[]);
    converged(&house, &house.up().await);
    house.lab.with(|world| ["nuc1", "nuc2", "nuc3"].map(|name| world.silence_snapd(name, 30_000)));
    let ran = house.up().await;
    converged(&house, &ran);
    assert_eq!(ran.applied(), Vec::<String>::new(), "{}", ran.tail());
    assert!(said(&ran, "snapd does not list the MicroK8s that is there"), "{}", ran.tail());
    row.ended("converged: waited for, nothing applied");
    let row = Row::of("snapd answers nothing on a node", "for good, in a finished cluster");
    house.lab.with(|world| world.silence_snapd("nuc2", 24 * 3_600_000));
    let ran = house.up().await;
    ended(&ran, ExitCode::StepFailed, &["nuc2", "snapd does not list the MicroK8s that is there"]);
    assert_eq!(ran.applied(), Vec::<String>::new(), "{}", ran.tail());
    row.refused(&ran.outcome);
}
