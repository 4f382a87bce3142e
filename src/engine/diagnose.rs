//! The known traps, looked for at any time. Nothing is changed.

use super::asked::{Asked, context};
use super::outcome::{self, Outcome};
use super::session::Session;
use crate::doctor::{self, Diagnosis, Extra, SCHEMA, Sight};
use crate::error::ExitCode;
use crate::facts::Facts;
use crate::kube::all_pods;
use crate::steps::{Context, Failure, pool_quiet};

/// Observes everything, asks for what an observation leaves out, and says which traps are seen. `path` is the inventory's
/// file as it is typed into a shell: commands that mend have it in them.
pub async fn diagnose(session: &Session, path: &str) -> Result<(Diagnosis, Outcome), Outcome> {
    let began = session.begin("doctor");
    let (facts, extra, not_seen) = tokio::select! {
        seen = look(session) => seen,
        () = session.stop.wait() => return Err(outcome::interrupted()),
    };
    let sight = Sight { inventory: &session.inventory, facts: &facts, extra: &extra, path };
    let diagnosis = Diagnosis {
        schema: SCHEMA,
        cluster: session.inventory.cluster.name.clone(),
        at: facts.observed_at,
        findings: doctor::examine(&sight),
        checks: doctor::traps().count(),
        looked_at: doctor::looked_at(&sight),
        not_seen,
    };
    let outcome = outcome_of(&diagnosis, &facts);
    session.tell(outcome::finished(&outcome, began, 0, session.inventory.nodes.len()));
    Ok((diagnosis, outcome))
}

fn outcome_of(diagnosis: &Diagnosis, facts: &Facts) -> Outcome {
    let away: Vec<&str> =
        facts.nodes.keys().filter(|name| facts.unreachable(name).is_some()).map(String::as_str).collect();
    match (diagnosis.findings.len(), away.is_empty()) {
        (0, true) => Outcome::new(ExitCode::Done, "no known trap was seen"),
        (0, false) => Outcome::new(ExitCode::Unreachable, format!("{} could not be reached", away.join(", "))),
        (found, _) => Outcome::new(ExitCode::VerificationFailed, format!("{found} found of what is known to go wrong")),
    }
}

/// One observation, what it leaves out, and what could not be looked at.
async fn look(session: &Session) -> (Facts, Extra, Vec<String>) {
    let facts = Box::pin(session.observe()).await;
    let mut not_seen: Vec<String> = session
        .inventory
        .nodes
        .iter()
        .filter_map(|node| Some(format!("{} could not be reached: {}", node.name, facts.unreachable(&node.name)?)))
        .collect();
    let asked = Asked { id: "doctor", title: "no known trap is there", fault: "the cluster cannot be asked" };
    let mut extra = Extra::default();
    match context(session, facts.clone(), &asked) {
        Ok(context) => {
            let (pods, taken) = futures::join!(Box::pin(read_pods(&context)), Box::pin(taken(&context)));
            match pods {
                Ok(pods) => extra.pods = pods,
                Err(failure) => not_seen.push(format!("the pods could not be read: {failure}")),
            }
            match taken {
                Ok(taken) => extra.taken = taken,
                Err(failure) => not_seen.push(format!("the pool could not be asked for by ARP: {failure}")),
            }
        }
        Err(_) => not_seen.push(match &facts.cluster_problem {
            Some(problem) => format!("the API does not answer, so nothing in the cluster was looked at: {problem}"),
            None => "no API server of this cluster answers, so nothing in the cluster was looked at".to_owned(),
        }),
    }
    (facts, extra, not_seen)
}

async fn read_pods(context: &Context) -> Result<Vec<crate::facts::pods::Pod>, Failure> {
    Ok(all_pods::read(&context.api().await?).await?)
}

async fn taken(context: &Context) -> Result<std::collections::BTreeMap<std::net::Ipv4Addr, String>, Failure> {
    match &context.inventory.metallb {
        Some(metallb) => pool_quiet::taken(context, metallb).await,
        None => Ok(std::collections::BTreeMap::new()),
    }
}
