//! Pods that are to end on a node that does not end them: a `StatefulSet` or a Deployment that recreates its pod waits for them for
//! ever.

use std::time::Duration;

use serde_json::json;

use super::proof::{Proof, off, released};
use super::{Act, Finding, Kind, named};
use crate::facts::Facts;
use crate::facts::stuck::StuckPod;
use crate::inventory::model::Inventory;
use crate::kube::request;
use crate::steps::{Context, Failure};

/// How long after its grace a pod may take.
const LATE: Duration = Duration::from_secs(60);

pub(super) fn find(inventory: &Inventory, facts: &Facts) -> Vec<Finding> {
    let Some(stuck) = &facts.stuck else { return Vec::new() };
    let found = stuck.pods.iter().filter_map(|pod| {
        let late = stuck.seconds_since(pod.ends_at?);
        if late < LATE.as_secs() {
            return None;
        }
        let (node, shown) = (named(pod.node.as_deref()), pod.shown());
        let ready =
            pod.node.as_ref().and_then(|node| facts.cluster.as_ref()?.nodes.get(node)).is_some_and(|node| node.ready);
        let state = if ready { "which is Ready" } else { "which is not Ready" };
        Some(Finding {
            kind: Kind::PodTerminating,
            subject: format!("{shown} {}", pod.uid),
            seen: format!("pod {shown} on {node}, {state}, should have ended {late} s ago"),
            why: "its object stays until the kubelet there says that it has ended, and what comes after it waits",
            way_out: format!("homeprov takes the object of {shown} away without waiting for {node}"),
            proof: ended(inventory, facts, pod),
            act: Act::Forget { namespace: pod.namespace.clone(), pod: pod.name.clone(), uid: pod.uid.clone() },
        })
    });
    found.collect()
}

/// Whether nothing of a pod runs any more.
fn ended(inventory: &Inventory, facts: &Facts, pod: &StuckPod) -> Proof {
    let Some(node) = &pod.node else { return Proof::given("it was never put on a node") };
    let Some(holds) = facts.stuck.as_ref().and_then(|stuck| stuck.holds.get(node)) else {
        return match facts.stuck.as_ref().and_then(|stuck| stuck.not_looked.get(node)) {
            Some(why) => Proof::missing(
                format!("{node} answers, and what runs there is not known: {why}"),
                format!("On {node}, `grep -l {} /proc/[0-9]*/cgroup` may print nothing", pod.uid),
            ),
            None => off(inventory, facts, node),
        };
    };
    if let Some(process) = holds.processes.iter().find(|process| process.uid == pod.uid) {
        return Proof::missing(
            format!("it runs on {node} still: process {} of container {}", process.pid, short(&process.container)),
            format!(
                "On {node}: `snap restart microk8s.daemon-kubelite` makes its kubelet look again; `kill {}` ends the process",
                process.pid
            ),
        );
    }
    let Some(cluster) = &facts.cluster else { return Proof::missing("the cluster does not answer", "Run this again") };
    let volumes = pod.claims.iter().filter_map(|name| {
        let mut claims = cluster.storage.claims.iter();
        claims.find(|claim| claim.namespace == pod.namespace && claim.name == *name)?.volume.as_deref()
    });
    for volume in volumes.filter(|volume| cluster.storage.jiva_volumes.contains_key(*volume)) {
        let shared = facts.stuck.iter().flat_map(|stuck| &stuck.pods).any(|other| {
            other.uid != pod.uid
                && other.node.as_ref() == Some(node)
                && other.claims.iter().any(|claim| pod.claims.contains(claim))
        });
        if !shared && let missing @ Proof::Missing { .. } = released(inventory, facts, node, volume) {
            return missing;
        }
    }
    Proof::given(format!("{node} runs no process of it and has none of its volumes"))
}

/// The first digits of a container's id.
pub(super) fn short(container: &str) -> &str {
    container.get(..12).unwrap_or(container)
}

/// Takes the object away: only this very pod.
pub(super) async fn forget(context: &Context, namespace: &str, pod: &str, uid: &str) -> Result<(), Failure> {
    let client = context.api().await?;
    let options =
        json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "preconditions": {"uid": uid}});
    request::delete_with(&client, &format!("/api/v1/namespaces/{namespace}/pods/{pod}"), &options).await?;
    Ok(())
}
