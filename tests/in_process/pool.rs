//! `verify pool`: who has the addresses of the pool, told from two nodes, and nothing is touched.

use std::time::Duration;

use homeprov::error::ExitCode;
use homeprov::pool::{Finding, Kind, Report};
use homeprov_lab::world::{FaultKind, Os};
use serde_json::json;
use tokio::time::sleep;

use super::row::Row;
use super::session::{House, inventory, text};

/// Three nodes on which everything is as wanted.
async fn built(faults: &[FaultKind]) -> House {
    let house = House::three(faults);
    let ran = house.up().await;
    assert_eq!(ran.outcome.code, ExitCode::Done, "{:?}\n{}", ran.outcome, ran.tail());
    house
}

/// A Service with an address of the pool, backed by the cluster's DNS.
async fn with_a_service(house: &House) {
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web", "namespace": "kube-system" },
        "spec": { "type": "LoadBalancer", "selector": { "k8s-app": "kube-dns" }, "ports": [{ "port": 53, "protocol": "TCP" }] } });
    let argv = ["microk8s", "kubectl", "apply", "-f", "-"];
    let made = house.lab.with(|world| world.run("nuc1", &argv, service.to_string().as_bytes()));
    assert_eq!(made.exit, 0, "{}", made.stderr);
    sleep(Duration::from_secs(10)).await;
}

/// What it says, and that saying it has touched nothing.
async fn verified(house: &House) -> (Report, ExitCode) {
    let before = house.lab.with(|world| world.describe());
    let (report, outcome) = house.verify_pool().await.unwrap_or_else(|outcome| panic!("{outcome:?}"));
    assert_eq!(house.lab.with(|world| world.describe()), before);
    assert_eq!(report.holds, outcome.code == ExitCode::Done);
    (report, outcome.code)
}

fn only(report: &Report) -> &Finding {
    assert_eq!(report.findings.len(), 1, "{report:?}");
    &report.findings[0]
}

#[tokio::test(start_paused = true)]
async fn a_clean_pool_passes_and_what_metallb_announces_is_in_use() {
    let house = built(&[]).await;
    let (report, code) = verified(&house).await;
    assert_eq!(
        (code, report.addresses, report.asked_from.as_slice()),
        (ExitCode::Done, 11, &["nuc1".to_owned(), "nuc2".into()][..])
    );
    assert_eq!((report.in_use.len(), report.findings.len(), report.not_tried), (0, 0, vec![]));
    with_a_service(&house).await;
    let (report, code) = verified(&house).await;
    assert_eq!((code, report.findings.len(), report.not_tried.len()), (ExitCode::Done, 0, 0), "{report:?}");
    assert_eq!(report.in_use[0].service, "kube-system/web");
    let announced = house.lab.with(|world| world.announcements());
    assert_eq!(report.in_use[0].node.as_deref(), Some(announced[0].node.as_str()));
}

#[tokio::test(start_paused = true)]
async fn a_device_that_has_an_address_is_named_with_its_mac() {
    let row = Row::of(FaultKind::PoolCollision.name(), "two minutes after the pool was made");
    let house = built(&[FaultKind::PoolCollision]).await;
    sleep(Duration::from_secs(180)).await;
    // The fault has really struck.
    assert_eq!(house.lab.with(|world| world.neighbours().len()), 1);
    let (report, code) = verified(&house).await;
    assert_eq!(code, ExitCode::VerificationFailed, "{report:?}");
    let found = only(&report);
    assert_eq!((found.kind, found.address), (Kind::Collision, Some([10, 77, 0, 205].into())));
    assert_eq!((found.macs.as_slice(), found.heard_by.len()), (&["b8:27:eb:4d:00:cc".to_owned()][..], 2));
    assert!(found.remedy.contains("[metallb] pool"), "{found:?}");
    row.ended("exit code 7: address, MAC and the nodes that heard it");
}

#[tokio::test(start_paused = true)]
async fn a_device_that_takes_an_address_from_a_service_is_found() {
    let row = Row::of("another device takes the address a Service has", "while it is announced");
    let house = built(&[]).await;
    with_a_service(&house).await;
    let address = house.lab.with(|world| world.announcements()[0].address);
    house.lab.with(|world| world.take_address(address, "b8:27:eb:4d:00:cb"));
    let (report, code) = verified(&house).await;
    assert_eq!(code, ExitCode::VerificationFailed, "{report:?}");
    let found = only(&report);
    assert_eq!((found.address, found.macs.len(), report.in_use.len()), (Some(address), 2, 0));
    assert!(found.text.contains("announces it for kube-system/web"), "{found:?}");
    row.ended("exit code 7: both that answer are named");
}

#[tokio::test(start_paused = true)]
async fn from_one_node_it_says_what_it_cannot_hear() {
    let house = House::new(1, 0, Os::Ubuntu2404, &[], 1);
    assert_eq!(house.up().await.outcome.code, ExitCode::Done);
    with_a_service(&house).await;
    let (report, code) = verified(&house).await;
    assert_eq!((code, report.findings.len()), (ExitCode::Done, 0), "{report:?}");
    assert_eq!((report.in_use[0].node.as_deref(), report.asked_from.len()), (None, 1));
    assert!(report.not_tried[0].contains("asked from nuc1 alone"), "{report:?}");
    house.lab.with(|world| world.take_address([10, 77, 0, 207].into(), "b8:27:eb:4d:00:cb"));
    assert_eq!(verified(&house).await.1, ExitCode::VerificationFailed);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_off_does_not_keep_the_others_from_asking() {
    let house = built(&[]).await;
    house.lab.with(|world| world.power_off("nuc1"));
    sleep(Duration::from_secs(60)).await;
    let (report, code) = verified(&house).await;
    assert_eq!(
        (code, report.asked_from.as_slice()),
        (ExitCode::Done, &["nuc2".to_owned(), "nuc3".into()][..]),
        "{report:?}"
    );
    assert!(report.not_tried.iter().any(|line| line.starts_with("nuc1 could not be reached")), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn before_there_is_a_cluster_the_machines_are_asked_alone() {
    let house = House::three(&[FaultKind::PoolTaken]);
    // Nothing is installed to ask with.
    let refused = house.verify_pool().await.expect_err("nobody can ask");
    assert_eq!(refused.code, ExitCode::Refused);
    assert!(refused.summary.contains("apt-get install iputils-arping"), "{refused:?}");
    for name in ["nuc1", "nuc2"] {
        house.lab.with(|world| world.run(name, &["apt-get", "update"], b""));
        let installed = house.lab.with(|world| world.run(name, &["apt-get", "install", "-y", "iputils-arping"], b""));
        assert_eq!(installed.exit, 0, "{}", installed.stderr);
    }
    let (report, code) = verified(&house).await;
    assert_eq!((code, only(&report).address), (ExitCode::VerificationFailed, Some([10, 77, 0, 203].into())));
}

#[tokio::test(start_paused = true)]
async fn a_pool_in_the_cluster_that_the_router_gives_away_is_found() {
    let mut house = built(&[]).await;
    let dhcp = text(3, 0)
        .replace("10.77.0.200-10.77.0.210\"", "10.77.0.240-10.77.0.250\"\ndhcp_range = \"10.77.0.100-10.77.0.205\"");
    house.inventory = inventory(&dhcp);
    let (report, code) = verified(&house).await;
    assert_eq!((code, only(&report).kind), (ExitCode::VerificationFailed, Kind::DhcpRange), "{report:?}");
    assert!(only(&report).text.contains("10.77.0.200-10.77.0.210"), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_pool_there_is_nothing_to_verify() {
    let mut house = House::three(&[]);
    house.inventory = inventory(&text(3, 0).replace("[metallb]\npool = \"10.77.0.200-10.77.0.210\"\n", ""));
    let refused = house.verify_pool().await.expect_err("no pool");
    assert_eq!(refused.code, ExitCode::Refused);
}
