//! Replicas that do not become whole: they are connected and stay write-only, or run and do not connect
//! (openebs/openebs#3427). While the others are a write quorum, a replica is made anew from them.

use std::time::Duration;

use super::proof::Proof;
use super::{Act, Finding, Kind, named};
use crate::facts::Facts;
use crate::facts::storage::JivaVolume;
use crate::facts::stuck::StuckPod;
use crate::inventory::model::Inventory;
use crate::kube::request;
use crate::kube::storage::jiva;
use crate::steps::departure::replicas::shown;
use crate::steps::{Context, Failure};

/// How long a replica may take besides copying.
const BEGINS: u64 = 15 * 60;
/// How fast it copies at the least: a hundred-megabit network, and a disk that does other things as well.
const BYTES_A_SECOND: u64 = 8 * 1024 * 1024;

/// How long a replica of a volume may take until it is whole.
pub(super) fn patience(volume: &JivaVolume) -> Duration {
    let (number, unit) = volume.capacity.split_at(volume.capacity.find(|c: char| !c.is_ascii_digit()).unwrap_or(0));
    let factor: u64 = match unit {
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        _ => 1,
    };
    let bytes = number.parse::<u64>().unwrap_or_default().saturating_mul(factor);
    Duration::from_secs(BEGINS + bytes / BYTES_A_SECOND)
}

pub(super) fn find(_: &Inventory, facts: &Facts) -> Vec<Finding> {
    let (Some(stuck), Some(cluster)) = (&facts.stuck, &facts.cluster) else { return Vec::new() };
    let mut found = Vec::new();
    for (name, volume) in &cluster.storage.jiva_volumes {
        let part = |component: &'static str| {
            let of = move |pod: &&StuckPod| {
                pod.volume.as_deref() == Some(name)
                    && pod.component.as_deref() == Some(component)
                    && pod.ends_at.is_none()
            };
            stuck.pods.iter().filter(of)
        };
        // Its replicas connect anew whenever the controller starts.
        let Some(target_since) = part("jiva-controller").filter_map(|pod| pod.runs_since).max() else { continue };
        for pod in part("jiva-replica") {
            let mode = pod.address.as_ref().and_then(|address| {
                let at = format!("tcp://{address}:");
                volume
                    .replicas
                    .iter()
                    .find(|replica| replica.address.starts_with(&at))
                    .map(|replica| replica.mode.as_str())
            });
            if mode == Some("RW") {
                continue;
            }
            let since = pod.runs_since.or(pod.made_at).unwrap_or(target_since).max(target_since);
            let took = stuck.seconds_since(since);
            if took < patience(volume).as_secs() {
                continue;
            }
            found.push(finding(facts, (name, volume), pod, mode, took / 60));
        }
    }
    found
}

fn finding(
    facts: &Facts,
    (name, volume): (&str, &JivaVolume),
    pod: &StuckPod,
    mode: Option<&str>,
    minutes: u64,
) -> Finding {
    let (node, claim) = (named(pod.node.as_deref()), format!("openebs-{}", pod.name));
    let whose = facts.cluster.as_ref().map_or_else(|| name.to_owned(), |cluster| shown(cluster, name));
    let state = match (mode, pod.runs_since) {
        (Some("WO"), _) => "is write-only",
        (Some(_), _) => "connects",
        (None, Some(_)) => "runs and is not connected",
        (None, None) => "does not run",
    };
    let ready =
        pod.node.as_ref().and_then(|node| facts.cluster.as_ref()?.nodes.get(node)).is_some_and(|node| node.ready);
    let (working, quorum) = (volume.working(), volume.quorum());
    let proof = if pod.runs_since.is_none() {
        Proof::missing(
            format!("it does not run, which a new disk does not change (it is on {node})"),
            "Bring its node back, or add a node: it runs on one that has no other replica of the volume",
        )
    } else if !ready {
        Proof::missing(format!("{node} is not Ready"), format!("Bring {node} back: its replica goes on by itself then"))
    } else if volume.status != "RW" || working < quorum {
        Proof::missing(
            format!(
                "{working} of {} replicas are RW, and {quorum} are needed: what it holds may be needed still",
                volume.replication_factor
            ),
            "Bring back the other replicas first; never delete one meanwhile",
        )
    } else {
        Proof::given(format!(
            "{working} other replicas are RW, and {quorum} are a write quorum: everything is on those"
        ))
    };
    Finding {
        kind: Kind::ReplicaBehind,
        subject: pod.name.clone(),
        seen: format!("replica {} of {whose} on {node} {state} for {minutes} minutes", pod.name),
        why: "a replica whose files lack something is rebuilt again and again and never ends with it",
        way_out: format!(
            "homeprov deletes claim {claim} and pod {} in {}: it is made anew from the others",
            pod.name, volume.namespace
        ),
        proof,
        act: Act::Replace {
            volume: name.to_owned(),
            namespace: volume.namespace.clone(),
            claim,
            pod: pod.name.clone(),
            limit: patience(volume),
        },
    }
}

/// What a volume lacks until all its replicas are whole.
pub(super) fn short(facts: &Facts, volume: &str) -> Option<String> {
    let found = facts.cluster.as_ref()?.storage.jiva_volumes.get(volume)?;
    let factor = usize::try_from(found.replication_factor).unwrap_or(usize::MAX);
    (found.working() < factor).then(|| format!("{} of {factor} replicas are RW", found.working()))
}

/// As the operator does it when a Node is missing (openebs/jiva-operator `pkg/controllers/jivavolume_controller.go`). The volume is
/// read once more at the last moment.
pub(super) async fn replace(
    context: &Context,
    (namespace, volume): (&str, &str),
    claim: &str,
    pod: &str,
) -> Result<(), Failure> {
    let client = context.api().await?;
    let path = format!("/apis/openebs.io/v1/namespaces/{namespace}/jivavolumes/{volume}");
    let Some(object) = request::get(&client, &path).await? else { return Ok(()) };
    let now = jiva::volume(&object);
    if now.status != "RW" || now.working() < now.quorum() {
        let (working, quorum) = (now.working(), now.quorum());
        let reason = format!("only {working} replicas are RW by now, and {quorum} are needed; nothing was deleted");
        return Err(Failure::Refused { reason });
    }
    let core = format!("/api/v1/namespaces/{namespace}");
    request::delete(&client, &format!("{core}/persistentvolumeclaims/{claim}")).await?;
    request::delete(&client, &format!("{core}/pods/{pod}")).await?;
    Ok(())
}

/// A pod that was made anew before its old claim was gone waits for that for ever; the next one gets a claim of its own.
pub(super) async fn nudge(
    context: &Context,
    facts: &Facts,
    (namespace, _): (&str, &str),
    claim: &str,
    pod: &str,
) -> Result<(), Failure> {
    let claims = facts.cluster.iter().flat_map(|cluster| &cluster.storage.claims);
    let claimed = { claims }.any(|other| other.namespace == namespace && other.name == claim);
    let mut pods = facts.stuck.iter().flat_map(|stuck| &stuck.pods);
    let waits = pods.any(|other| {
        other.namespace == namespace && other.name == pod && other.runs_since.is_none() && other.ends_at.is_none()
    });
    if !claimed && waits {
        request::delete(&context.api().await?, &format!("/api/v1/namespaces/{namespace}/pods/{pod}")).await?;
    }
    Ok(())
}
