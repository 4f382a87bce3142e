//! The world itself, asked whether it is as the inventory wants it: not through homeprov's eyes.

use std::collections::BTreeSet;

use homeprov::inventory::{Inventory, Node};
use homeprov_lab::kubernetes::Request;
use homeprov_lab::world::{Role, World};
use serde_json::Value;

use super::session::House;

const DATA: &str = "/var/snap/microk8s/current";

/// Everything that is not as wanted.
pub fn problems(house: &House) -> Vec<String> {
    let inventory = &house.inventory;
    house.lab.with(|world| {
        let mut problems: Vec<String> =
            inventory.nodes.iter().flat_map(|node| machine(world, inventory, node)).collect();
        problems.extend(members(world, inventory));
        let first = &inventory.nodes[0].name;
        problems.extend(objects(inventory, &|path: &str, world: &mut World| get(world, first, path), world));
        problems
    })
}

fn get(world: &mut World, machine: &str, path: &str) -> Value {
    world.api(machine, &Request::new("GET", path)).json()
}

fn machine(world: &World, inventory: &Inventory, node: &Node) -> Vec<String> {
    let machine = world.machine(&node.name);
    let wrong = |what: &str| format!("{}: {what}", node.name);
    if !machine.powered || !machine.connected || !machine.has_microk8s() {
        return vec![wrong("is off, cut off, or without MicroK8s")];
    }
    let snap = &machine.snapd.snaps["microk8s"];
    let held = machine.snapd.holds.contains_key("microk8s") || machine.snapd.settings.contains_key("refresh.hold");
    let cluster = world.cluster_of(&node.name).map(|cluster| cluster.id);
    let first = world.cluster_of(&inventory.nodes[0].name).map(|cluster| cluster.id);
    let now = world.machine_clock(&node.name).as_second();
    // A run that was killed leaves a token behind; it must run out by itself.
    let short = |token: &String| {
        token.split_once('|').is_some_and(|(_, end)| end.parse::<i64>().is_ok_and(|end| end <= now + 600))
    };
    let tokens = tokens(world, &node.name);
    let alone = inventory.nodes.len() == 1;
    let checks = [
        (machine.hostname == node.name, "has another host name"),
        (snap.tracking == inventory.cluster.channel, "follows another channel"),
        (held, "is refreshed at any time"),
        (cluster.is_some() && cluster == first, "is in another cluster than the first node"),
        (machine.is_worker() == (node.role == homeprov::inventory::Role::Worker), "has the wrong role"),
        (!machine.locked("join-in-progress"), "is left in the middle of a join"),
        (alone || machine.locked("no-cert-reissue"), "would have its certificates made anew"),
        (tokens.iter().all(short), "accepts a join token for more than ten minutes"),
        (machine.files().exists("/var/lib/homeprov/identity"), "does not know its cluster"),
    ];
    checks.iter().filter(|(holds, _)| !holds).map(|(_, what)| wrong(what)).collect()
}

/// The join tokens a machine holds, with the moment each runs out.
pub fn tokens(world: &World, machine: &str) -> Vec<String> {
    let text =
        world.machine(machine).files().read(&format!("{DATA}/credentials/cluster-tokens.txt")).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
}

fn members(world: &World, inventory: &Inventory) -> Vec<String> {
    let Some(cluster) = world.cluster_of(&inventory.nodes[0].name) else {
        return vec!["there is no cluster".to_owned()];
    };
    let wanted: BTreeSet<String> = match inventory.control_planes().count() {
        1 => cluster.members.iter().map(|member| member.address.clone()).collect(),
        _ => inventory.control_planes().map(|node| format!("{}:19001", node.address)).collect(),
    };
    let listed: BTreeSet<String> = cluster.members.iter().map(|member| member.address.clone()).collect();
    let mut problems = Vec::new();
    if listed != wanted || cluster.members.len() != inventory.control_planes().count() {
        problems.push(format!("the data store lists {listed:?}, wanted {wanted:?}"));
    }
    let voters = cluster.members.iter().filter(|member| member.role == Role::Voter);
    let answering = voters.filter(|member| {
        let address = member.address.split(':').next().and_then(|address| address.parse().ok());
        let others = inventory.control_planes().filter(|node| member.machine.as_ref() != Some(&node.name));
        address.is_some_and(|address| others.into_iter().all(|other| world.accepts(&other.name, address, 19_001)))
    });
    let (answering, enough) = (answering.count(), if inventory.control_planes().count() < 3 { 0 } else { 3 });
    if answering < enough {
        problems.push(format!("{answering} voters answer"));
    }
    problems
}

type Get<'a> = &'a dyn Fn(&str, &mut World) -> Value;

fn objects(inventory: &Inventory, get: Get<'_>, world: &mut World) -> Vec<String> {
    let mut problems = Vec::new();
    let nodes = get("/api/v1/nodes", world);
    let nodes = nodes["items"].as_array().cloned().unwrap_or_default();
    let ready = nodes.iter().filter(|node| {
        let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    });
    let ready: BTreeSet<&str> = ready.filter_map(|node| node["metadata"]["name"].as_str()).collect();
    let wanted: BTreeSet<&str> = inventory.nodes.iter().map(|node| node.name.as_str()).collect();
    if ready != wanted || nodes.len() != wanted.len() {
        problems.push(format!("of {} Nodes {ready:?} are Ready", nodes.len()));
    }
    for node in &inventory.nodes {
        let object = nodes.iter().find(|object| object["metadata"]["name"] == node.name.as_str());
        let labels = object.map(|object| object["metadata"]["labels"].clone()).unwrap_or_default();
        if node.labels.iter().any(|(key, value)| labels[key] != value.as_str()) {
            problems.push(format!("{} has the labels {labels}", node.name));
        }
    }
    problems.extend(inventory.metallb.as_ref().and_then(|metallb| {
        let path = "/apis/metallb.io/v1beta1/namespaces/metallb-system/ipaddresspools/default-addresspool";
        let ranges = get(path, world)["spec"]["addresses"].clone();
        let wanted: Vec<&str> = metallb.pool.iter().map(|range| range.text.as_str()).collect();
        (ranges != serde_json::json!(wanted)).then(|| format!("the pool is {ranges}, wanted {wanted:?}"))
    }));
    if get("/api/v1/namespaces/kube-system/services/homeprov-pool-probe", world)["kind"] == "Service" {
        problems.push("the probe's Service is left".to_owned());
    }
    problems
}
