//! A repair: the loop with the recipe of what may be stuck, and what came of each finding.

use super::outcome::{self, Outcome};
use super::run::Run;
use super::session::Session;
use crate::error::ExitCode;
use crate::facts::mending::Told;
use crate::facts::{Facts, Mending};
use crate::repair::{Entry, Report, SCHEMA};
use crate::steps::stuck;

/// Mends what is stuck, one after another, each after its question; the session's recipe is to be that of a repair. Without a
/// way to ask, it only looks.
pub async fn repair(session: &Session) -> Result<(Report, Outcome), Outcome> {
    let began = session.begin("repair");
    let mending = Mending::new(session.repair.is_some());
    let session = Session { mending: Some(mending.clone()), ..session.clone() };
    let (ended, applied, observations) = Box::pin(Run::new(&session).run()).await;
    let found = match ended.code {
        ExitCode::Interrupted | ExitCode::Locked => Err(ended),
        _ => Box::pin(report(&session, &mending, ended)).await,
    };
    let outcome = match &found {
        Ok((_, outcome)) | Err(outcome) => outcome,
    };
    session.tell(outcome::finished(outcome, began, applied, observations));
    found
}

/// What is stuck still, by a fresh look, beside what was mended.
async fn report(session: &Session, mending: &Mending, ended: Outcome) -> Result<(Report, Outcome), Outcome> {
    let facts = tokio::select! {
        facts = session.observe_cluster() => facts,
        () = session.stop.wait() => return Err(outcome::interrupted()),
    };
    if facts.stuck.is_none() {
        let problem = facts.cluster_problem.clone();
        let problem = problem.unwrap_or_else(|| "no control plane of this cluster answers".to_owned());
        let code = if unreachable(session, &facts).is_empty() { ExitCode::Refused } else { ExitCode::Unreachable };
        return Err(Outcome::new(code, format!("what is stuck cannot be looked at: {problem}")));
    }
    let told = mending.all();
    let left = stuck::findings(&session.inventory, &facts);
    let mended = told.iter().filter(|(_, told)| **told == Told::Mended).map(|(id, _)| id.clone());
    let mended: Vec<String> = mended.filter(|id| left.iter().all(|finding| finding.id() != *id)).collect();
    let report = Report {
        schema: SCHEMA,
        cluster: session.inventory.cluster.name.clone(),
        at: facts.observed_at,
        mended,
        left: left
            .into_iter()
            .map(|finding| Entry { id: finding.id(), told: told.get(&finding.id()).cloned(), finding })
            .collect(),
        not_seen: not_seen(session, &facts),
    };
    let outcome = judge(&report, session, &facts, ended);
    Ok((report, outcome))
}

fn unreachable<'a>(session: &'a Session, facts: &Facts) -> Vec<&'a str> {
    let away = session.inventory.nodes.iter().filter(|node| facts.unreachable(&node.name).is_some());
    away.map(|node| node.name.as_str()).collect()
}

fn not_seen(session: &Session, facts: &Facts) -> Vec<String> {
    let away = session
        .inventory
        .nodes
        .iter()
        .filter_map(|node| Some(format!("{} could not be reached: {}", node.name, facts.unreachable(&node.name)?)));
    let looks = facts.stuck.iter().flat_map(|stuck| &stuck.not_looked);
    away.chain(looks.map(|(node, why)| format!("{node}: {why}"))).collect()
}

fn judge(report: &Report, session: &Session, facts: &Facts, ended: Outcome) -> Outcome {
    let mended = match report.mended.len() {
        0 => String::new(),
        count => format!("{count} mended; "),
    };
    if report.left.iter().any(|entry| matches!(entry.told, Some(Told::Vain { .. } | Told::Mended))) {
        return Outcome::new(ExitCode::StepFailed, format!("{mended}what was tried is still so"));
    }
    if !report.left.is_empty() {
        let text = format!("{mended}{} left as it is", report.left.len());
        return Outcome::new(ExitCode::Refused, text);
    }
    let away = unreachable(session, facts);
    if !away.is_empty() {
        return Outcome::new(ExitCode::Unreachable, format!("{mended}{} could not be looked at", away.join(", ")));
    }
    if ended.code == ExitCode::StepFailed {
        return ended;
    }
    match report.mended.len() {
        0 => Outcome::new(ExitCode::Done, "nothing is stuck"),
        count => Outcome::new(ExitCode::Done, format!("{count} mended, and nothing is stuck")),
    }
}
