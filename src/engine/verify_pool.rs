//! The pool, address by address, at any time: nobody else has one of them.

use super::asked::{Asked, context_of_nodes, ended, fails};
use super::outcome::{self, Outcome};
use super::session::Session;
use crate::error::ExitCode;
use crate::facts::Facts;
use crate::facts::balanced::Balanced;
use crate::kube;
use crate::pool::{Finding, Report, SCHEMA, Sight, judge};
use crate::steps::{Context, pool_heard};

const ASKED: Asked = Asked {
    id: "verify-pool",
    title: "the addresses of the pool are nobody else's",
    fault: "the pool cannot be verified",
};

/// Verifies the pool. Nothing is changed, and no cluster needs to be there yet.
pub async fn pool(session: &Session) -> Result<(Report, Outcome), Outcome> {
    let began = session.begin("verify pool");
    let found = tokio::select! {
        found = Box::pin(verify(session)) => found,
        () = session.stop.wait() => Err(outcome::interrupted()),
    };
    ended(session, began, 0, found)
}

async fn verify(session: &Session) -> Result<(Report, Outcome), Outcome> {
    let inventory = &session.inventory;
    let Some(metallb) = &inventory.metallb else {
        return Err(Outcome::new(ExitCode::Refused, "the inventory has no [metallb]: there is no pool to verify"));
    };
    let facts = session.observe_cluster().await;
    if facts.answering(inventory).next().is_none() {
        return Err(Outcome::new(ExitCode::Unreachable, "no node could be reached, so nobody could ask for the pool"));
    }
    let context = context_of_nodes(session, facts, &ASKED);
    let mut listened = pool_heard::listen(&context, metallb).await;
    if listened.heard.answers.is_empty() {
        return Err(Outcome::new(ExitCode::Refused, format!("{}:\n{}", ASKED.fault, listened.not_tried.join("\n"))));
    }
    let services = match services(&context).await {
        Ok(services) => services,
        Err(problem) => {
            listened.not_tried.push(problem);
            None
        }
    };
    listened.not_tried.extend(unheard(session, &context.facts, &listened.heard.answers.keys().collect::<Vec<_>>()));
    let facts = &context.facts;
    let sight = Sight { inventory, metallb, facts, services: services.as_deref(), heard: &listened.heard };
    let (in_use, findings) = judge(&sight);
    let wrong: Vec<String> = findings.iter().filter(|finding| finding.wrong()).map(line).collect();
    let report = Report {
        schema: SCHEMA,
        cluster: inventory.cluster.name.clone(),
        ranges: metallb.pool.iter().map(|range| range.text.clone()).collect(),
        dhcp_range: metallb.dhcp_range.as_ref().map(|range| range.text.clone()),
        addresses: listened.addresses,
        asked_from: listened.heard.answers.keys().cloned().collect(),
        at: jiff::Timestamp::now(),
        holds: wrong.is_empty(),
        in_use,
        findings,
        not_tried: listened.not_tried,
    };
    if wrong.is_empty() {
        return Ok((report, Outcome::new(ExitCode::Done, "nobody else was found to have an address of the pool")));
    }
    let reason = wrong.join("\n");
    fails(session, &context, &reason);
    Ok((report, Outcome::new(ExitCode::VerificationFailed, reason)))
}

fn line(finding: &Finding) -> String {
    let heard = if finding.heard_by.is_empty() {
        String::new()
    } else {
        format!(" (heard by {})", finding.heard_by.join(", "))
    };
    format!("{}{heard}; what to do: {}", finding.text, finding.remedy)
}

/// The Services that have an address; none where there is no cluster that could give one.
async fn services(context: &Context) -> Result<Option<Vec<Balanced>>, String> {
    let unread = |why: String| format!("which Services have an address was not read: {why}");
    if context.facts.cluster.is_none() {
        let bare = context.facts.answering(&context.inventory).all(|(_, seen)| !seen.installed);
        let problem = context.facts.cluster_problem.as_deref().unwrap_or("no API server of this cluster answers");
        return if bare { Ok(Some(Vec::new())) } else { Err(unread(problem.to_owned())) };
    }
    let client = context.api().await.map_err(|failure| unread(failure.to_string()))?;
    let read = kube::balanced::read(&client).await;
    read.map(Some).map_err(|error| unread(kube::error::message(&error)))
}

/// What those who asked cannot have heard.
fn unheard(session: &Session, facts: &Facts, askers: &[&String]) -> Vec<String> {
    let away = session.inventory.nodes.iter().filter_map(|node| {
        let reason = facts.unreachable(&node.name)?;
        Some(format!("{} could not be reached: {}", node.name, reason.lines().next().unwrap_or_default()))
    });
    let alone = match askers {
        [only] => Some(format!("asked from {only} alone: what {only} announces itself it cannot hear")),
        _ => None,
    };
    away.chain(alone).collect()
}
