//! How the cluster stands, from one observation.

use std::collections::BTreeMap;

use super::outcome::{self, Outcome};
use super::session::Session;
use super::{margins, site_status, storage_status};
use crate::error::ExitCode;
use crate::facts::drill::Drill;
use crate::facts::{Facts, Identity, MemberRole};
use crate::inventory::model::{Inventory, Node, Role};
use crate::plan;
use crate::status::{
    ClusterStatus, Conclusion, DqliteRole, DrillStatus, HighAvailability, NodeStatus, PoolStatus, Probe, SCHEMA,
};
use crate::steps::highly_available::{self, ENOUGH};
use crate::steps::pool_probed;

/// Observes everything and says how it stands. Nothing is touched. The outcome's code says whether every node was
/// reached.
pub async fn status(session: &Session) -> Result<(ClusterStatus, Outcome), Outcome> {
    let began = session.begin("status");
    let facts = tokio::select! {
        facts = session.observe_cluster() => facts,
        () = session.stop.wait() => return Err(outcome::interrupted()),
    };
    let plan = plan::plan(&session.inventory, &session.recipe, &facts);
    let mut status = describe(&session.inventory, &facts);
    status.warnings.extend(plan.refusals().map(|refusal| refusal.verdict.text()));
    let outcome = match plan.unreachable.len() {
        0 => Outcome::new(ExitCode::Done, "every node was reached"),
        _ => outcome::of_plan(&plan),
    };
    session.tell(outcome::finished(&outcome, began, 0, session.inventory.nodes.len()));
    Ok((status, outcome))
}

fn describe(inventory: &Inventory, facts: &Facts) -> ClusterStatus {
    let identity = match facts.identity() {
        Identity::Known(ca) => Some(ca),
        _ => None,
    };
    ClusterStatus {
        schema: SCHEMA,
        cluster: inventory.cluster.name.clone(),
        channel: inventory.cluster.channel.clone(),
        identity,
        nodes: inventory.nodes.iter().map(|node| node_status(inventory, facts, node)).collect(),
        high_availability: availability(inventory, facts),
        pool: pool(inventory, facts),
        storage: storage_status::describe(inventory, facts),
        site: site_status::describe(inventory, facts),
        margins: margins::describe(inventory, facts),
        drill: drill(facts),
        warnings: facts
            .cluster_problem
            .iter()
            .map(|problem| format!("the API does not answer: {problem}"))
            .chain(storage_status::warnings(inventory, facts))
            .collect(),
    }
}

fn drill(facts: &Facts) -> Option<DrillStatus> {
    let Drill { node, how, at, result, .. } = facts.drill()?;
    let days = facts.observed_at.duration_since(at).as_secs() / 86_400;
    Some(DrillStatus { node, how, at, days: u64::try_from(days).unwrap_or_default(), result })
}

fn node_status(inventory: &Inventory, facts: &Facts, node: &Node) -> NodeStatus {
    let seen = facts.node(&node.name);
    let object = facts.cluster.as_ref().and_then(|cluster| cluster.nodes.get(&node.name));
    let voters = highly_available::look(inventory, facts);
    let (role, answers) = match listed_role(inventory, facts, node) {
        Some(role) => (Some(dqlite_role(role)), Some(voters.answering.contains(&node.address) || dialled(facts, node))),
        None if voters.listed.is_empty() && seen.is_none_or(|seen| seen.installed) => (None, None),
        None => (Some(DqliteRole::None), None),
    };
    let labels: BTreeMap<String, String> = object
        .map(|object| {
            node.labels
                .iter()
                .filter(|(key, value)| object.labels.get(*key) == Some(value))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect()
        })
        .unwrap_or_default();
    let snap = seen.and_then(|seen| seen.snap.as_ref());
    NodeStatus {
        name: node.name.clone(),
        address: node.address,
        role: node.role,
        reachable: seen.is_some(),
        unreachable_because: facts.unreachable(&node.name).map(str::to_owned),
        os: seen.map(|seen| seen.os_name.clone()).filter(|name| !name.is_empty()),
        microk8s_version: snap.map(|snap| snap.version.clone()),
        channel: snap.map(|snap| snap.tracking.clone()),
        held: snap.map(|snap| snap.held() || seen.is_some_and(|seen| seen.refresh_hold.is_some())),
        kubernetes_ready: object.map(|object| object.ready),
        dqlite_role: role,
        answers,
        labels,
    }
}

/// The node's role in the recorded cluster's data store, as the seed tells it.
fn listed_role(inventory: &Inventory, facts: &Facts, node: &Node) -> Option<MemberRole> {
    if node.role == Role::Worker || facts.identity() == Identity::None {
        return None;
    }
    let members = facts.node(&facts.seed(inventory)?.name)?.members.as_ref()?;
    let own = |member: &&crate::facts::Member| {
        member.address == node.address
            || (member.address.is_loopback() && facts.seed(inventory).is_some_and(|seed| seed.name == node.name))
    };
    members.iter().find(own).map(|member| member.role)
}

fn dqlite_role(role: MemberRole) -> DqliteRole {
    match role {
        MemberRole::Voter => DqliteRole::Voter,
        MemberRole::StandBy => DqliteRole::StandBy,
        MemberRole::Spare => DqliteRole::Spare,
    }
}

/// Whether any node could connect to this one's data store, or a lone one answered for itself.
fn dialled(facts: &Facts, node: &Node) -> bool {
    facts.nodes.keys().filter_map(|name| facts.node(name)).any(|seen| seen.answers.contains(&node.address))
        || facts.node(&node.name).is_some_and(|seen| seen.alone() && seen.members.is_some())
}

fn availability(inventory: &Inventory, facts: &Facts) -> HighAvailability {
    let seen = highly_available::look(inventory, facts);
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let agreed = seen.disagreeing.is_empty();
    let (verdict, reason) = if seen.listed.is_empty() {
        (Conclusion::Unknown, "no control plane of this cluster answers".to_owned())
    } else if seen.answering.len() >= ENOUGH && agreed {
        (Conclusion::Yes, "three voters answer, and every member tells the same list".to_owned())
    } else if inventory.control_planes().count() < ENOUGH {
        (Conclusion::No, format!("it takes {ENOUGH} control planes"))
    } else if !agreed {
        (Conclusion::No, format!("{} tell another list than the seed", seen.disagreeing.join(", ")))
    } else {
        let (answering, listed) = (seen.answering.len(), seen.listed.len());
        (Conclusion::No, format!("{answering} of {listed} voters answer; it takes {ENOUGH}"))
    };
    HighAvailability {
        voters_that_answer: number(seen.answering.len()),
        of: number(seen.listed.len()),
        agreed: (!seen.listed.is_empty()).then_some(agreed),
        verdict,
        reason,
    }
}

fn pool(inventory: &Inventory, facts: &Facts) -> Option<PoolStatus> {
    let metallb = inventory.metallb.as_ref()?;
    let cluster = facts.cluster.as_ref();
    let speakers = cluster
        .and_then(|cluster| cluster.metallb.as_ref())
        .map_or(0, |seen| inventory.nodes.iter().filter(|node| seen.speakers.contains(&node.name)).count());
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Some(PoolStatus {
        ranges: metallb.pool.iter().map(|range| range.text.clone()).collect(),
        installed: cluster.map(|cluster| cluster.metallb.is_some()),
        speakers_ready: number(speakers),
        of: number(inventory.nodes.len()),
        probe: pool_probed::valid_record(inventory, facts).map(|record| Probe {
            verdict: Conclusion::Yes,
            at: record.at,
            evidence: record.evidence.iter().chain(&record.not_tried).cloned().collect(),
        }),
    })
}
