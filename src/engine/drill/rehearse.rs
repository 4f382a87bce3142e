//! One drill under the lock, from the canary to the table of what was measured.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::away::{away, locked, look_on};
use super::back::{Return, bring_back, others};
use super::canary::{self, clean};
use super::halt::{Cause, Halt};
use super::look::{Sight, quietly, ready_pods};
use crate::drill::{How, Report, SCHEMA, Watch};
use crate::engine::asked::{begins, failed, fails, holds};
use crate::engine::event::Event;
use crate::engine::outcome::Outcome;
use crate::engine::session::Session;
use crate::error::ExitCode;
use crate::facts::drill::Drill;
use crate::steps::drill::{self as hands, Prospect, by_hand, moves};
use crate::steps::{Context, Failure};

/// How often it is tried to record the end, and the pause between.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_secs(3);

/// Takes the node away, measures, and brings it back, whatever `halt` says meanwhile.
pub(super) async fn rehearse(
    session: &Session,
    context: &Context,
    prospect: &Prospect,
    halt: &Halt,
) -> Result<(Report, Outcome), Outcome> {
    let (node, how) = (prospect.node.as_str(), prospect.how);
    let fail = |failure: &Failure| failed(session, context, failure);
    let asked = begins(session, context, format!("asked for: {node} by {how}"));
    let canary = tokio::select! {
        canary = Box::pin(canary::write(context, node)) => canary,
        cause = halt.wait() => return Err(given_up(context, &cause).await),
    };
    let mut sight = Sight::open(context, node).await;
    if sight.answers_now().await == Some(false) {
        let message = "the site does not answer now: what becomes of it is not measured".to_owned();
        session.tell(Event::Warning { node: None, message });
    }
    if let Some(cause) = halt.cause() {
        return Err(given_up(context, &cause).await);
    }
    let boot = context.facts.node(node).map(|seen| seen.boot_id.clone()).unwrap_or_default();
    let at = jiff::Timestamp::now();
    let record = Drill { id: session.run.clone(), at, node: node.to_owned(), how, boot, result: None };
    hands::note(context, &record).await.map_err(|failure| fail(&failure))?;
    let pods = || context.facts.stuck.iter().flat_map(|stuck| &stuck.pods);
    let affected = pods().filter(|pod| moves(pod) && pod.ready && pod.node.as_deref() == Some(node)).count();
    let watch = Mutex::new(Watch::new(ready_pods(pods()), affected));
    context.say(format!(
        "taking {node} away: {how}. Should this run be lost, it is brought back so: {}",
        by_hand(node, how)
    ));
    let began = Instant::now();
    let (taken, seen) = Box::pin(away(context, &sight, &watch, canary.as_ref().ok(), (node, how), (began, halt))).await;
    let away_seconds = began.elapsed().as_secs();
    // From here on nothing ends this early but the end of the process.
    let hurried = halt.cause().is_some() || taken.is_err();
    locked(&watch).returning(began.elapsed());
    let Return { rows, back } = tokio::select! {
        returned = Box::pin(bring_back(session, context, &record, &watch, (halt, hurried))) => returned,
        never = look_on(&sight, &watch, began) => match never {},
    };
    // The canary's names are those of every proof: with the lock they are another run's.
    if back && !halt.is_lost() {
        clean(context).await;
    }
    let cause = halt.cause();
    let mut all = locked(&watch).rows(how != How::Network);
    all.push(canary::row_of(canary.as_ref().map(|_| ()), seen));
    all.extend(rows);
    let report = Report {
        schema: SCHEMA,
        cluster: session.inventory.cluster.name.clone(),
        node: node.to_owned(),
        how,
        at,
        away_seconds,
        passed: taken.is_ok() && back && cause.is_none() && all.iter().all(|row| row.well),
        rows: all,
        back,
        by_hand: (!back).then(|| by_hand(node, how)),
    };
    if back {
        remember(context, record, &report, cause.as_ref()).await.map_err(|failure| fail(&failure))?;
    }
    let outcome = judge(&report, taken.err(), cause.as_ref());
    if report.passed {
        holds(session, context, asked);
    } else {
        fails(session, context, &outcome.summary);
    }
    Ok((report, outcome))
}

/// Ends it before the node is taken away.
async fn given_up(context: &Context, cause: &Cause) -> Outcome {
    if *cause == Cause::Asked {
        clean(context).await;
    }
    cause.before()
}

/// Writes down how the drill ended, unless its record is another run's matter.
async fn remember(context: &Context, record: Drill, report: &Report, cause: Option<&Cause>) -> Result<(), Failure> {
    if matches!(cause, Some(Cause::Lost(_))) && others(&quietly(context).await, &record) {
        return Ok(());
    }
    let result = cause.map_or_else(|| report.summary(), |cause| cause.result().to_owned());
    let record = Drill { at: jiff::Timestamp::now(), result: Some(result), ..record };
    // One API server that has just come back may not answer at once; another one does.
    for _ in 0..TRIES {
        let now = Context { facts: Arc::new(quietly(context).await), ..context.clone() };
        if hands::note(&now, &record).await.is_ok() {
            return Ok(());
        }
        sleep(PAUSE).await;
    }
    hands::note(context, &record).await
}

fn judge(report: &Report, failure: Option<Failure>, cause: Option<&Cause>) -> Outcome {
    let node = &report.node;
    if let Some(by_hand) = &report.by_hand {
        let held = match cause {
            Some(Cause::Lost(held)) => format!(", and {}", held.text()),
            _ => String::new(),
        };
        return Outcome::new(ExitCode::Unreachable, format!("{node} is not back{held}. To bring it back: {by_hand}"));
    }
    if let Some(failure) = failure {
        return Outcome::new(
            ExitCode::StepFailed,
            format!("{node} could not be taken away, and is as it was: {failure}"),
        );
    }
    if let Some(cause) = cause {
        return cause.after(node);
    }
    if report.passed {
        return Outcome::new(
            ExitCode::Done,
            format!("{node} was away for {} s: {}", report.away_seconds, report.summary()),
        );
    }
    let bad: Vec<String> =
        report.rows.iter().filter(|row| !row.well).map(|row| format!("{}: {}", row.title, row.detail)).collect();
    Outcome::new(ExitCode::VerificationFailed, format!("{node} is back; not all went well:\n{}", bad.join("\n")))
}
