//! What packages and snaps come through: dpkg, its lock, cloud-init, DNS, the store, snapd.

use homeprov::engine::event::Event;
use homeprov::error::ExitCode;
use homeprov_lab::world::{Fault, FaultKind, Os};

use super::{converged, ended, said, up_struck};
use crate::row::Row;
use crate::session::House;

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
