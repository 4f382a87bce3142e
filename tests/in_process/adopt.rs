//! `adopt` reads a cluster that was made by hand, and changes nothing; `up` asks before it takes it over.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use homeprov::engine::event::Event;
use homeprov::error::ExitCode;
use homeprov::inventory::{Engine, Role};
use homeprov::plan::{Plan, Verdict};
use homeprov::ssh::Purpose;
use homeprov_lab::world::Os;
use serde_json::Value;
use tokio::time::sleep;

use super::row::Row;
use super::session::{House, inventory};
use super::verify::problems;

/// A command as a person types it, who sees that it has worked.
fn typed(house: &House, machine: &str, argv: &[&str], input: &str) -> String {
    let done = house.lab.with(|world| world.run(machine, argv, input.as_bytes()));
    assert_eq!(done.exit, 0, "{machine}: {argv:?}: {}{}", done.stdout, done.stderr);
    done.stdout
}

fn installed(house: &House, machine: &str) {
    typed(house, machine, &["snap", "install", "microk8s", "--classic", "--channel=1.34/stable"], "");
    typed(house, machine, &["microk8s", "status", "--wait-ready", "--timeout", "120"], "");
}

fn joined(house: &House, machine: &str, worker: bool) {
    let token = typed(house, "nuc1", &["microk8s", "add-node", "--format", "short"], "");
    let url = token.lines().next().and_then(|line| line.rsplit(' ').next()).unwrap_or_default().to_owned();
    let worker: &[&str] = if worker { &["--worker"] } else { &[] };
    typed(house, machine, &[&["microk8s", "join", &url], worker].concat(), "");
}

/// Three control planes and a worker, a pool, and volumes in folders: all of it typed, nothing of it homeprov's.
async fn by_hand() -> House {
    let house = House::new(3, 1, Os::Ubuntu2404, &[], 1);
    for machine in ["nuc1", "nuc2", "nuc3", "nuc4"] {
        installed(&house, machine);
    }
    for (machine, worker) in [("nuc2", false), ("nuc3", false), ("nuc4", true)] {
        joined(&house, machine, worker);
        sleep(Duration::from_secs(60)).await;
    }
    typed(&house, "nuc1", &["microk8s", "enable", "metallb:10.77.0.200-10.77.0.210"], "");
    typed(&house, "nuc1", &["microk8s", "enable", "hostpath-storage"], "");
    sleep(Duration::from_secs(300)).await;
    house
}

fn state(house: &House) -> Value {
    house.lab.with(|world| world.describe())
}

fn at(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, last)
}

/// What is written, by a reading that has touched nothing: not a file, not an object, and nothing ran but the fact probe.
async fn adopted(house: &House, addresses: &[Ipv4Addr]) -> String {
    let before = state(house);
    let (text, events) = house.adopt(addresses).await;
    assert_eq!(state(house), before);
    let other = |event: &&Event| matches!(event, Event::Executed { purpose, .. } if *purpose != Purpose::Observe);
    assert_eq!(events.iter().filter(other).count(), 0, "{events:?}");
    assert!(std::fs::read_dir(house.state()).expect("the folder").next().is_none(), "something is written down here");
    text.unwrap_or_else(|failure| panic!("{failure:?}"))
}

/// The steps that do not hold.
fn drift(plan: &Plan) -> BTreeSet<&str> {
    plan.pending.iter().map(|pending| pending.step.as_str()).collect()
}

/// What was made by hand as homeprov makes it: a plan that would do it again would be wrong.
const MADE: [&str; 14] = [
    "machines-distinct",
    "cluster-identity",
    "members-whole",
    "snap-installed",
    "microk8s-ready",
    "members-joined",
    "workers-joined",
    "join-settled",
    "highly-available",
    "labels",
    "metallb-enabled",
    "pool-exact",
    "speakers",
    "hostpath-enabled",
];

#[tokio::test(start_paused = true)]
async fn a_cluster_made_by_hand_is_read_planned_and_taken_over_after_the_question() {
    let mut house = by_hand().await;
    let text = adopted(&house, &[at(11), at(12), at(13), at(14)]).await;
    house.inventory = inventory(&text);
    let found = &house.inventory;
    let names: Vec<(&str, Role)> = found.nodes.iter().map(|node| (node.name.as_str(), node.role)).collect();
    let planes = ["nuc1", "nuc2", "nuc3"].map(|name| (name, Role::ControlPlane));
    assert_eq!(names, [planes.as_slice(), &[("nuc4", Role::Worker)]].concat());
    assert_eq!((found.cluster.channel.as_str(), found.storage.engine), ("1.34/stable", Engine::Hostpath));
    assert_eq!(found.metallb.as_ref().map(|metallb| metallb.pool[0].text.as_str()), Some("10.77.0.200-10.77.0.210"));
    assert_eq!((&found.flux, &found.mastodon), (&None, &None), "{text}");

    // The plan shows drift only.
    let before = state(&house);
    let plan = house.plan().await;
    assert_eq!(plan.refusals().count(), 0, "{plan:#?}");
    assert!(plan.pending.iter().all(|pending| !matches!(pending.verdict, Verdict::Blocked { .. })), "{plan:#?}");
    let drift = drift(&plan);
    let again: Vec<&str> = MADE.into_iter().filter(|step| drift.contains(step)).collect();
    assert_eq!(again, Vec::<&str>::new(), "{plan:#?}");
    assert!(drift.is_superset(&["refreshes-held", "identity-recorded", "identity-on-node"].into()), "{drift:?}");

    // Nobody was asked, and then somebody says no.
    let row = Row::of("a cluster that homeprov did not set up", "up, where nobody can be asked");
    let ran = house.up().await;
    assert_eq!((ran.outcome.code, ran.applied()), (ExitCode::Refused, vec![]), "{:?}", ran.outcome);
    assert!(
        ran.outcome.summary.contains("did not set up") && ran.outcome.summary.contains("--yes"),
        "{:?}",
        ran.outcome
    );
    row.refused(&ran.outcome);
    let ran = house.up_taking_over(false).await;
    assert_eq!((ran.outcome.code, ran.applied()), (ExitCode::Refused, vec![]), "{:?}", ran.outcome);
    assert_eq!(state(&house), before);

    let ran = house.up_taking_over(true).await;
    assert_eq!((ran.outcome.code, problems(&house)), (ExitCode::Done, vec![]), "{:?}\n{}", ran.outcome, ran.tail());
    assert!(!ran.applied().iter().any(|step| step.starts_with("members-joined")), "{:?}", ran.applied());
    // It is homeprov's by now.
    let ran = house.up().await;
    assert_eq!((ran.outcome.code, ran.applied()), (ExitCode::Done, vec![]), "{:?}", ran.outcome);
    assert_eq!(adopted_name(&house, &[at(13)]).await, "home");
}

/// The cluster's name in what is written of one that homeprov has recorded.
async fn adopted_name(house: &House, addresses: &[Ipv4Addr]) -> String {
    let (text, _) = house.adopt(addresses).await;
    inventory(&text.expect("it is read")).cluster.name.clone()
}

#[tokio::test(start_paused = true)]
async fn one_control_plane_tells_of_all_and_a_node_that_is_off_stays_in() {
    let mut house = by_hand().await;
    house.lab.with(|world| world.power_off("nuc4"));
    sleep(Duration::from_secs(60)).await;
    let text = adopted(&house, &[at(12)]).await;
    house.inventory = inventory(&text);
    let names: Vec<&str> = house.inventory.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["nuc2", "nuc1", "nuc3", "nuc4"]);
    assert!(text.contains("nuc4 was not reached over SSH"), "{text}");
    let plan = house.plan().await;
    assert_eq!(plan.refusals().count(), 0, "{plan:#?}");
    assert_eq!(plan.unreachable.keys().collect::<Vec<_>>(), ["nuc4"]);
}

#[tokio::test(start_paused = true)]
async fn two_clusters_are_refused_and_so_are_two_with_one_name() {
    let house = House::new(3, 0, Os::Ubuntu2404, &[], 1);
    house.lab.with(|world| world.machine_mut("nuc3").hostname = "nuc1".to_owned());
    for machine in ["nuc1", "nuc2", "nuc3"] {
        installed(&house, machine);
    }
    joined(&house, "nuc2", false);
    sleep(Duration::from_secs(60)).await;
    let before = state(&house);
    let (refused, _) = house.adopt(&[at(11), at(12), at(13)]).await;
    let refused = refused.expect_err("two clusters");
    assert_eq!(refused.code, ExitCode::Refused);
    for words in ["2 clusters", "10.77.0.11 (nuc1)", "10.77.0.13 (nuc1)", "a node called nuc1"] {
        assert!(refused.message.contains(words), "{words}: {}", refused.message);
    }
    assert_eq!(state(&house), before);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_somebody_uses_is_asked_about_and_a_fresh_one_is_not() {
    let fresh = House::new(1, 0, Os::Ubuntu2404, &[], 1);
    typed(&fresh, "nuc1", &["snap", "install", "microk8s", "--classic", "--channel=1.35/stable"], "");
    sleep(Duration::from_secs(120)).await;
    assert_eq!(fresh.up().await.outcome.code, ExitCode::Done);

    let used = House::new(1, 0, Os::Ubuntu2404, &[], 1);
    typed(&used, "nuc1", &["snap", "install", "microk8s", "--classic", "--channel=1.35/stable"], "");
    typed(&used, "nuc1", &["microk8s", "status", "--wait-ready", "--timeout", "120"], "");
    let blog = r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "blog"}}"#;
    typed(&used, "nuc1", &["microk8s", "kubectl", "apply", "-f", "-"], blog);
    // What starts by itself has started.
    sleep(Duration::from_secs(300)).await;
    let before = state(&used);
    let ran = used.up().await;
    assert_eq!((ran.outcome.code, ran.applied()), (ExitCode::Refused, vec![]), "{:?}", ran.outcome);
    assert!(ran.outcome.summary.contains("blog"), "{:?}", ran.outcome);
    assert_eq!(state(&used), before);
    let ran = used.up_taking_over(true).await;
    assert_eq!((ran.outcome.code, problems(&used)), (ExitCode::Done, vec![]), "{:?}\n{}", ran.outcome, ran.tail());
}

#[tokio::test(start_paused = true)]
async fn labels_are_kept_and_another_pool_is_told() {
    let mut house = House::new(1, 0, Os::Ubuntu2404, &[], 1);
    installed(&house, "nuc1");
    typed(&house, "nuc1", &["microk8s", "enable", "metallb:10.77.0.200-10.77.0.210"], "");
    sleep(Duration::from_secs(120)).await;
    let guests = r#"{"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": {"name": "guests", "namespace": "metallb-system"},
        "spec": {"addresses": ["10.77.0.220-10.77.0.229"]}}"#;
    typed(&house, "nuc1", &["microk8s", "kubectl", "apply", "-f", "-"], guests);
    typed(&house, "nuc1", &["microk8s", "kubectl", "label", "node", "nuc1", "disk=ssd", "example.org/rack=b"], "");
    sleep(Duration::from_secs(60)).await;
    let text = adopted(&house, &[at(11)]).await;
    house.inventory = inventory(&text);
    let labels = [("disk", "ssd"), ("example.org/rack", "b")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(house.inventory.nodes[0].labels, labels.into(), "{text}");
    assert_eq!(house.inventory.metallb.as_ref().map(|metallb| metallb.pool.len()), Some(1), "{text}");
    assert!(text.contains("IPAddressPool guests with 10.77.0.220-10.77.0.229"), "{text}");
    let plan = house.plan().await;
    let again: Vec<&str> = drift(&plan).into_iter().filter(|step| ["labels", "pool-exact"].contains(step)).collect();
    assert_eq!(again, Vec::<&str>::new(), "{plan:#?}");
    // They stay where they are, and so does the other pool.
    let ran = house.up_taking_over(true).await;
    assert_eq!((ran.outcome.code, problems(&house)), (ExitCode::Done, vec![]), "{:?}\n{}", ran.outcome, ran.tail());
    let pools = typed(
        &house,
        "nuc1",
        &["microk8s", "kubectl", "get", "ipaddresspools", "-n", "metallb-system", "-o", "name"],
        "",
    );
    assert!(pools.contains("/guests"), "{pools}");
}
