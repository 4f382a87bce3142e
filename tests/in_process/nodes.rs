//! Members are taken out, alive or dead, by halves and by name, and the next ones take their places.

use std::net::Ipv4Addr;
use std::time::Duration;

use homeprov::engine::event::Event;
use homeprov::error::ExitCode;
use homeprov::facts::Departing;
use homeprov_lab::kubernetes::Request;
use homeprov_lab::world::{FaultKind, Os};
use serde_json::Value;
use tokio::time::sleep;

use super::kill::in_its_own_time;
use super::row::Row;
use super::session::{House, Ran, inventory, text, with_storage};
use super::verify::problems;

async fn built(house: House) -> House {
    let ran = house.up().await;
    assert_eq!(ran.outcome.code, ExitCode::Done, "{:?}\n{}", ran.outcome, ran.tail());
    house
}

fn types(house: &House, machine: &str, words: &str, stdin: &str) -> i32 {
    let argv: Vec<&str> = words.split(' ').collect();
    house.lab.with(|world| world.run(machine, &argv, stdin.as_bytes()).exit)
}

fn departing(name: &str, dead: bool) -> Departing {
    let number: u8 = name.trim_start_matches("nuc").parse().expect("a number");
    Departing { name: name.to_owned(), address: Some(Ipv4Addr::new(10, 77, 0, 10 + number)), dead }
}

/// The inventory's text without one of its nodes, as the command leaves it: the failure domains of the others stay.
fn without(text: &str, name: &str) -> String {
    let mut tables = text.split("[[nodes]]\n");
    let head = tables.next().expect("the cluster's table").to_owned();
    tables.enumerate().filter(|(_, table)| !table.contains(&format!("\"{name}\""))).fold(head, |text, (at, table)| {
        let domain =
            if table.contains("control-plane") { format!("failure_domain = {}\n", at + 1) } else { String::new() };
        format!("{text}[[nodes]]\n{domain}{table}")
    })
}

/// With so few that two control planes are left.
fn two_allowed(text: &str) -> String {
    text.replace("[cluster]", "[cluster]\nallow_two_control_planes = true")
}

fn done(ran: &Ran) {
    assert_eq!(ran.outcome.code, ExitCode::Done, "{:?}\n{}", ran.outcome, ran.tail());
}

/// The node is out, homeprov finds nothing to do about the others, and running the command again changes nothing.
async fn is_out(house: &mut House, gone: Departing, rest: &str) {
    let again = house.remove(gone.clone()).await;
    done(&again);
    assert_eq!(again.applied(), Vec::<String>::new());
    let address = gone.address.expect("it has one").to_string();
    house.inventory = inventory(rest);
    let first = house.inventory.nodes[0].name.clone();
    assert!(!nodes(house, &first).contains(&gone.name));
    let listed = house.lab.with(|world| world.cluster_of(&first).map(|cluster| cluster.members.clone()));
    let listed: Vec<String> = listed.expect("a cluster").into_iter().map(|member| member.address).collect();
    assert!(!listed.iter().any(|member| member.starts_with(&format!("{address}:"))), "{listed:?}");
    assert_eq!(problems(house), Vec::<String>::new());
}

fn api(house: &House, path: &str) -> Value {
    let first = house.inventory.nodes[0].name.clone();
    house.lab.with(|world| world.api(&first, &Request::new("GET", path)).json())
}

fn nodes(house: &House, through: &str) -> Vec<String> {
    let list = house.lab.with(|world| world.api(through, &Request::new("GET", "/api/v1/nodes")).json());
    let names = list["items"].as_array().into_iter().flatten();
    names.filter_map(|node| node["metadata"]["name"].as_str().map(str::to_owned)).collect()
}

#[tokio::test(start_paused = true)]
async fn any_of_four_leaves_in_order_also_the_seed() {
    for name in ["nuc1", "nuc3"] {
        let mut house = built(House::new(4, 0, Os::Ubuntu2404, &[], 3)).await;
        let ran = house.remove(departing(name, false)).await;
        done(&ran);
        let order = ["node-cordoned", "node-drained", "node-left", "node-gone", "departed-forgets"];
        let applied = ran.applied();
        let applied: Vec<&str> = applied.iter().map(|step| step.trim_end_matches("@cluster")).collect();
        let seen: Vec<&str> = order.into_iter().filter(|step| applied.contains(step)).collect();
        assert_eq!(applied, seen, "in this order, once each");
        assert!(["node-left", "node-gone"].iter().all(|step| applied.contains(step)), "{applied:?}");
        is_out(&mut house, departing(name, false), &without(&text(4, 0), name)).await;
        assert_eq!(house.lab.agreed_removals().len(), 2, "leave there, remove-node elsewhere");
        assert_eq!(house.lab.harm(), Vec::<String>::new(), "nobody lost a majority");
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_leaves() {
    let mut house = built(House::new(1, 2, Os::Debian12, &[], 3)).await;
    done(&house.remove(departing("nuc3", false)).await);
    is_out(&mut house, departing("nuc3", false), &without(&text(1, 2), "nuc3")).await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_one_is_taken_out_by_the_others_and_comes_back_as_a_new_machine() {
    let row =
        Row::of("a voter is dead for good", "between two runs; `remove --dead`, then a new machine under its name");
    let mut house = built(House::three(&[])).await;
    house.lab.with(|world| world.power_off("nuc1"));
    let told = house.remove(departing("nuc1", false)).await;
    assert_eq!(told.outcome.code, ExitCode::Refused, "{:?}", told.outcome);
    assert!(told.outcome.summary.contains("--dead"), "{:?}", told.outcome);
    // Right after the power cut the cluster still calls it Ready: that is waited for.
    done(&house.remove(departing("nuc1", true)).await);
    is_out(&mut house, departing("nuc1", true), &two_allowed(&without(&text(3, 0), "nuc1"))).await;
    house.lab.with(|world| world.reinstall("nuc1"));
    let new = "[[nodes]]\nname = \"nuc1\"\naddress = \"10.77.0.11\"\nfailure_domain = 1\n\n[metallb]";
    house.inventory = inventory(&without(&text(3, 0), "nuc1").replace("[metallb]", new));
    let ran = house.up().await;
    assert_eq!((ran.outcome.code, problems(&house)), (ExitCode::Done, vec![]), "{:?}\n{}", ran.outcome, ran.tail());
    row.ended("taken out; the new machine converged");
}

#[tokio::test(start_paused = true)]
async fn who_lives_is_not_declared_dead() {
    let row = Row::of("the controller alone does not reach a member", "`remove --dead`");
    let mut house = built(House::three(&[])).await;
    let ran = house.remove(departing("nuc3", true)).await;
    assert_eq!(ran.outcome.code, ExitCode::Refused, "{:?}", ran.outcome);
    house.lab.cut_off(["nuc3"]);
    let ran = house.remove(departing("nuc3", true)).await;
    assert_eq!(ran.outcome.code, ExitCode::Refused, "{:?}", ran.outcome);
    assert!(ran.outcome.summary.contains("its data store answers the other members"), "{:?}", ran.outcome);
    assert_eq!((ran.applied(), house.lab.harm()), (vec![], vec![]));
    row.refused(&ran.outcome);

    // Nor is one that the inventory does not name: the members know its address.
    let row = Row::of("a member that lives is in no inventory", "`remove ADDRESS --dead`");
    house.inventory = inventory(&two_allowed(&without(&text(3, 0), "nuc3")));
    let stranger = Departing { name: "10.77.0.13".into(), ..departing("nuc3", true) };
    let ran = house.remove(stranger).await;
    assert_eq!(ran.outcome.code, ExitCode::Refused, "{:?}", ran.outcome);
    assert!(ran.outcome.summary.contains("the inventory does not name it"), "{:?}", ran.outcome);
    assert_eq!((ran.applied(), house.lab.harm()), (vec![], vec![]));
    row.refused(&ran.outcome);
}

#[tokio::test(start_paused = true)]
async fn nobody_leaves_while_a_voter_is_down() {
    let row = Row::of(FaultKind::DeadVoter.name(), "before `remove` of another voter");
    let house = built(House::three(&[])).await;
    house.lab.with(|world| world.power_off("nuc2"));
    let ran = house.remove(departing("nuc3", false)).await;
    assert_eq!(ran.outcome.code, ExitCode::Refused, "{:?}", ran.outcome);
    assert!(ran.outcome.summary.contains("of 2 voters 1 would answer without nuc3"), "{:?}", ran.outcome);
    assert_eq!((ran.applied(), house.lab.harm()), (vec![], vec![]));
    row.refused(&ran.outcome);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_kubernetes_has_forgotten_is_taken_out_by_its_address() {
    let row = Row::of("a ghost member: the data store lists it, Kubernetes does not", "`remove ADDRESS --dead`");
    let mut house = built(House::new(4, 0, Os::Ubuntu2404, &[], 3)).await;
    house.lab.with(|world| world.power_off("nuc4"));
    assert_eq!(types(&house, "nuc1", "microk8s kubectl delete node nuc4", ""), 0);
    house.inventory = inventory(&text(3, 0));
    let ghost = Departing { name: "10.77.0.14".into(), ..departing("nuc4", true) };
    let ran = house.remove(ghost.clone()).await;
    done(&ran);
    assert_eq!(ran.applied(), ["node-left@cluster"]);
    is_out(&mut house, ghost, &text(3, 0)).await;
    row.ended("taken out");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_the_data_store_has_forgotten_is_taken_out_by_its_name() {
    let row = Row::of("a ghost member: Kubernetes has a Node, the data store lists none", "`remove NAME --dead`");
    let mut house = built(House::new(4, 0, Os::Ubuntu2404, &[], 3)).await;
    assert_eq!(types(&house, "nuc4", "microk8s leave", ""), 0);
    house.lab.with(|world| world.power_off("nuc4"));
    sleep(Duration::from_secs(60)).await;
    house.inventory = inventory(&text(3, 0));
    let ghost = Departing { address: None, ..departing("nuc4", true) };
    let ran = house.remove(ghost).await;
    done(&ran);
    assert_eq!(ran.applied(), ["node-gone@cluster"]);
    assert_eq!(nodes(&house, "nuc1"), ["nuc1", "nuc2", "nuc3"]);
    row.ended("taken out");
}

#[test]
fn a_removal_killed_now_and_then_is_finished_by_the_same_command() {
    let row = Row::of("remove is killed", "after every fifth of its events");
    let events = in_its_own_time(async {
        let house = built(House::new(4, 0, Os::Ubuntu2404, &[], 3)).await;
        house.remove(departing("nuc1", false)).await.events.len()
    });
    assert!(events > 20, "{events}");
    for after in (1..events).step_by(5) {
        in_its_own_time(async {
            let mut house = built(House::new(4, 0, Os::Ubuntu2404, &[], 3)).await;
            house.remove_events(departing("nuc1", false), after).await;
            done(&house.remove(departing("nuc1", false)).await);
            is_out(&mut house, departing("nuc1", false), &without(&text(4, 0), "nuc1")).await;
            assert_eq!(house.lab.doubled(), Vec::<String>::new(), "killed after {after} events");
        });
    }
    row.ended("finished by the same command, each time");
}

const CLAIM: &str = "apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: album, namespace: default}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: homeprov-jiva-retain
  resources: {requests: {storage: 1Gi}}
";

/// Four nodes with Jiva, and a claim on it whose volume is whole.
async fn with_volume(faults: &[FaultKind]) -> (House, String) {
    let mut house = House::new(3, 1, Os::Ubuntu2404, faults, 3);
    let jiva = with_storage(&text(3, 1), "[storage]\nengine = \"jiva\"\nrwx = false");
    house.inventory = inventory(&jiva);
    let house = built(house).await;
    assert_eq!(types(&house, "nuc1", "microk8s kubectl apply -f -", CLAIM), 0);
    for _ in 0..60 {
        if modes(&house) == ["RW"; 3] {
            break;
        }
        sleep(Duration::from_secs(5)).await;
    }
    assert_eq!(modes(&house), ["RW"; 3], "the volume should be whole before anything is tried");
    (house, jiva)
}

fn volume(house: &House) -> Value {
    api(house, "/apis/openebs.io/v1/namespaces/openebs/jivavolumes")["items"][0].clone()
}

fn modes(house: &House) -> Vec<String> {
    let volume = volume(house);
    let replicas = volume["status"]["replicaStatus"].as_array().cloned().unwrap_or_default();
    replicas.iter().filter_map(|replica| replica["mode"].as_str().map(str::to_owned)).collect()
}

/// The nodes of the volume's replicas, as their pods tell.
fn holders(house: &House) -> Vec<String> {
    let pods = api(house, "/api/v1/namespaces/openebs/pods");
    let replica = |pod: &&Value| pod["metadata"]["labels"]["openebs.io/component"] == "jiva-replica";
    let pods = pods["items"].as_array().into_iter().flatten().filter(replica);
    let mut nodes: Vec<String> = pods.filter_map(|pod| pod["spec"]["nodeName"].as_str().map(str::to_owned)).collect();
    nodes.sort();
    nodes
}

#[tokio::test(start_paused = true)]
async fn a_replica_is_made_anew_elsewhere_before_its_node_leaves() {
    let (mut house, jiva) = with_volume(&[]).await;
    let name = holders(&house).into_iter().rfind(|node| node != "nuc1").expect("a replica");
    let costs = house.losses(departing(&name, false)).await;
    assert!(costs.iter().any(|line| line.contains("a replica of default/album")), "{costs:?}");
    let lab = house.lab.clone();
    let ran = house.remove(departing(&name, false)).await;
    done(&ran);
    let applied = ran.applied();
    let place = |step: &str| applied.iter().position(|other| other == &format!("{step}@cluster"));
    assert!(place("replicas-moved").expect("it was moved") < place("node-left").expect("it left"), "{applied:?}");
    is_out(&mut house, departing(&name, false), &two_allowed(&without(&jiva, &name))).await;
    assert_eq!(modes(&house), ["RW"; 3]);
    assert!(!holders(&house).contains(&name), "{:?}", holders(&house));
    lab.agreed_removals();
    assert_eq!(lab.harm(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_replica_lost_meanwhile_is_waited_for() {
    let row = Row::of(FaultKind::ReplicaLost.name(), "while a node is being emptied");
    let (mut house, jiva) = with_volume(&[]).await;
    let name = holders(&house).into_iter().rfind(|node| node != "nuc1").expect("a replica");
    // Another replica than its own goes with its files, as soon as it is begun.
    house.lab.with(|world| world.inject(FaultKind::ReplicaLost.into()));
    let ran = house.remove(departing(&name, false)).await;
    done(&ran);
    let waited = |event: &Event| matches!(event, Event::Waiting { why, .. } if why.contains("of 3 replicas"));
    assert!(ran.events.iter().any(waited), "the fault should have been seen:\n{}", ran.tail());
    is_out(&mut house, departing(&name, false), &two_allowed(&without(&jiva, &name))).await;
    assert_eq!(modes(&house), ["RW"; 3]);
    row.ended("waited for, then taken out; the volume was whole in the end");
}

#[tokio::test(start_paused = true)]
async fn a_volume_short_of_replicas_keeps_its_nodes() {
    let row = Row::of("a replica of a volume is on a machine that is off", "before `remove` of another one's node");
    let (house, _) = with_volume(&[]).await;
    let holders = holders(&house);
    let (off, leaves) = (&holders[1], &holders[2]);
    house.lab.with(|world| world.power_off(off));
    sleep(Duration::from_secs(90)).await;
    let ran = house.remove(departing(leaves, false)).await;
    assert_eq!(ran.outcome.code, ExitCode::Refused, "{:?}", ran.outcome);
    assert_eq!(ran.applied(), Vec::<String>::new());
    row.refused(&ran.outcome);
}

#[tokio::test(start_paused = true)]
async fn a_dead_nodes_replica_is_made_anew_by_the_operator() {
    let row = Row::of("a machine with a replica is dead for good", "between two runs; `remove --dead`");
    let (mut house, jiva) = with_volume(&[]).await;
    let name = holders(&house).into_iter().rfind(|node| node != "nuc1").expect("a replica");
    house.lab.with(|world| world.power_off(&name));
    done(&house.remove(departing(&name, true)).await);
    let rest = two_allowed(&without(&jiva, &name));
    is_out(&mut house, departing(&name, true), &rest).await;
    assert_eq!(modes(&house), ["RW"; 3]);
    row.ended("taken out; the volume was whole on the others");
}
