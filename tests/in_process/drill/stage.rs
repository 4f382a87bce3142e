//! A cluster with storage and a pod on it, and the containers that a drill's canary runs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use homeprov::error::ExitCode;
use homeprov::facts::identity::hex;
use homeprov_lab::kubernetes::{ContainerRun, Content, Request};
use homeprov_lab::world::Os;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::time::sleep;

use crate::homelab::Homelab;
use crate::session::{House, inventory, text, with_storage};

/// Three control planes with storage, and a pod on each volume kind there is.
pub async fn standing() -> House {
    let mut house = House::new(3, 0, Os::Ubuntu2404, &[], 1);
    house.inventory = inventory(&with_storage(&text(3, 0), ""));
    let ran = house.up().await;
    assert_eq!(ran.outcome.code, ExitCode::Done, "{:?}\n{}", ran.outcome, ran.tail());
    house
}

/// Plays the containers of the canary's jobs: what one writes into a volume another one reads from it.
pub async fn play(lab: Homelab) {
    let mut written: BTreeMap<String, String> = BTreeMap::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    loop {
        sleep(Duration::from_millis(500)).await;
        let clusters = lab.with(|world| {
            world.run_containers_outside();
            world.storage()
        });
        for (id, view) in clusters {
            for run in &view.containers {
                let powered = lab.with(|world| {
                    let machine = world.machines().find(|machine| machine.hostname == run.node);
                    machine.is_some_and(|machine| machine.powered && !machine.locked("stopped.lock"))
                });
                if !powered {
                    continue;
                }
                if run.ending {
                    lab.with(|world| world.container_ended(id, &run.uid, &run.container, 0));
                } else if seen.insert(run.uid.clone()) {
                    let volume = view.mounts.iter().find_map(|mount| match &mount.content {
                        Content::Volume(volume) if run.volumes.iter().any(|own| own.host_path == mount.path) => {
                            Some(volume.clone())
                        }
                        _ => None,
                    });
                    let volume = volume.expect("the canary is on a volume");
                    let hash =
                        contents(run).or_else(|| written.get(&volume).cloned()).expect("nobody has written there");
                    written.insert(volume, hash.clone());
                    let line = format!("hash {hash}\n");
                    lab.with(|world| world.container_wrote(id, &run.uid, &run.container, line.as_bytes()));
                }
            }
        }
    }
}

/// The hash of what a container is told to write.
fn contents(run: &ContainerRun) -> Option<String> {
    let value = |name: &str| run.env.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let (mark, chunk, blocks) = (value("MARK")?, value("CHUNK")?, value("BLOCKS")?.parse::<u32>().ok()?);
    let mut digest = Sha256::new();
    for number in 0..blocks {
        digest.update(format!("homeprov-proof {mark} {number:08}\n{chunk}\0"));
    }
    Some(hex(&digest.finalize()))
}

/// A claim, and a Deployment of one pod that has it mounted; where the pod is.
pub async fn with_a_volume(house: &House) -> String {
    let claim = json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "data" },
        "spec": { "accessModes": ["ReadWriteOnce"], "storageClassName": "homeprov-jiva-retain", "resources": { "requests": { "storage": "1Gi" } } } });
    let web = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
        "spec": { "replicas": 1, "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } }, "spec": {
                "containers": [{ "name": "web", "image": "docker.io/library/nginx:1", "volumeMounts": [{ "name": "data", "mountPath": "/data" }] }],
                "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": "data" } }] } } } });
    for object in [claim, web] {
        let text = object.to_string();
        let done =
            house.lab.with(|world| world.run("nuc1", &["microk8s", "kubectl", "apply", "-f", "-"], text.as_bytes()));
        assert_eq!(done.exit, 0, "{}", done.stderr);
    }
    for _ in 0..100 {
        sleep(Duration::from_secs(3)).await;
        if let Some(node) = ready_on(house) {
            sleep(Duration::from_secs(60)).await;
            return node;
        }
    }
    panic!("the pod never came up");
}

pub fn ready_on(house: &House) -> Option<String> {
    let list = house.lab.with(|world| {
        let names: Vec<String> = world.machines().map(|machine| machine.name().to_owned()).collect();
        let up = names.iter().find(|name| world.api_up(name)).expect("an API server").clone();
        world.api(&up, &Request::new("GET", "/api/v1/namespaces/default/pods")).json()
    });
    let ready = |pod: &serde_json::Value| {
        let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
            && !pod["metadata"]["deletionTimestamp"].is_string()
    };
    let pods = list["items"].as_array().cloned().unwrap_or_default();
    pods.iter().find(|pod| ready(pod)).and_then(|pod| Some(pod["spec"]["nodeName"].as_str()?.to_owned()))
}
