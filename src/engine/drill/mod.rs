//! A drill: a node is taken away by daylight, what becomes of the cluster is measured from outside, and the node comes back.
//!
//! Whatever happens meanwhile, the last thing done is to bring the node back: also after Ctrl-C. A run that is killed leaves a
//! record in the cluster, by which the next `drill` or `up` ends what it began, and on the node a timer that does the same.

mod look;

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use look::{Sight, ready_pods};

use super::event::Event;
use super::lock::{Keeper, taken_away};
use super::outcome::{self, Outcome};
use super::session::Session;
use super::verify::{Asked, context, failed};
use crate::drill::{How, Report, Row, SCHEMA, Watch};
use crate::error::ExitCode;
use crate::facts::drill::Drill;
use crate::facts::{Facts, Mending, gather};
use crate::inventory::model::Engine;
use crate::playbook::model::Recipe;
use crate::steps::departure::replicas::lacks;
use crate::steps::drill::{self as hands, Prospect, by_hand, moves, refusals, told};
use crate::steps::highly_available::look as voters;
use crate::steps::repair::Ask;
use crate::steps::storage_proven;
use crate::steps::{Context, Failure};
use crate::storage::{Means, Rehearsal, Wanted};

/// How often the cluster is looked at while the node is away.
const EVERY: Duration = Duration::from_secs(1);
/// How long a node is away at the most: pods move after 340 s, and come up.
const AWAY: Duration = Duration::from_secs(15 * 60);
/// The same of one that is cut off: less than its own timer, and than its pods tolerate.
const CUT: Duration = Duration::from_secs(240);
/// How long the node may take until it is whole again; for its button to be pressed, too.
const BACK: Duration = Duration::from_secs(30 * 60);
/// How long the site and the pods may take after that.
const WELL: Duration = Duration::from_secs(5 * 60);
/// How often it is tried to record the end.
const TRIES: usize = 20;
/// How long the user waits for it who has asked to stop.
const HURRIED: Duration = Duration::from_secs(120);
/// How long the cluster may take until it is as before, after another drill was ended.
const CALM: Duration = Duration::from_secs(15 * 60);

const ASKED: Asked =
    Asked { id: "drill", title: "the cluster stands without a node", fault: "there is nothing to be rehearsed" };

/// Takes a node away and watches; `ask` is how the user agrees to what will happen.
pub async fn drill(session: &Session, prospect: &Prospect, ask: &Ask) -> Result<(Report, Outcome), Outcome> {
    let began = session.begin("drill");
    // Facts alone are wanted, no step's check.
    let recipe = Arc::new(Recipe::default());
    let session = Session { mending: Some(Mending::new(false)), recipe, ..session.clone() };
    let found = Box::pin(begin(&session, prospect, ask)).await;
    let outcome = match &found {
        Ok((_, outcome)) | Err(outcome) => outcome,
    };
    session.tell(outcome::finished(outcome, began, usize::from(found.is_ok()), session.inventory.nodes.len()));
    found
}

/// Everything as it is now.
async fn observe(session: &Session) -> Result<Facts, Outcome> {
    tokio::select! {
        facts = session.observe_cluster() => Ok(facts),
        () = session.stop.wait() => Err(outcome::interrupted()),
    }
}

/// The same without a word on who does not answer, and without what only the preparation asks for.
async fn quietly(context: &Context) -> Facts {
    let inventory = &context.inventory;
    let mut facts = Facts { mending: None, ..Facts::clone(&context.facts) };
    let names: Vec<String> = inventory.nodes.iter().map(|node| node.name.clone()).collect();
    gather::nodes(&*context.transport, inventory, &Recipe::default(), &names, &mut facts).await;
    Box::pin(gather::cluster(&*context.transport, inventory, &mut facts)).await;
    facts
}

/// What keeps the node from being taken away.
fn refuse(session: &Session, facts: &Facts, prospect: &Prospect) -> Result<(), Outcome> {
    let why = refusals(&session.inventory, facts, prospect);
    if why.is_empty() {
        return Ok(());
    }
    let text = format!("{} cannot be taken away now:\n{}", prospect.node, why.join("\n"));
    Err(Outcome::new(ExitCode::Refused, text))
}

async fn begin(session: &Session, prospect: &Prospect, ask: &Ask) -> Result<(Report, Outcome), Outcome> {
    let mut facts = observe(session).await?;
    if facts.unfinished_drill().is_none() {
        refuse(session, &facts, prospect)?;
        agree(session, &facts, prospect, ask).await?;
    }
    let nodes = gather::reached(&facts);
    let lost = watch::Sender::new(None);
    let away = taken_away(lost.subscribe());
    let (keeper, taken) = Keeper::take(&session.transport, &nodes, &session.me, session.break_lock, lost)
        .await
        .map_err(|held| outcome::locked(&held))?;
    session.tell_lock(&taken);
    let under_lock = async {
        if facts.unfinished_drill().is_some() {
            facts = Box::pin(end_another(session, facts)).await?;
            refuse(session, &facts, prospect)?;
            agree(session, &facts, prospect, ask).await?;
        }
        // The answer may have taken an hour.
        let facts = observe(session).await?;
        refuse(session, &facts, prospect)?;
        let context = context(session, facts, &ASKED)?;
        Box::pin(rehearse(session, &context, prospect)).await
    };
    // A node that is away comes back also when somebody takes the lock: that is within.
    let found = under_lock.await;
    drop(away);
    keeper.leave().await;
    found
}

async fn agree(session: &Session, facts: &Facts, prospect: &Prospect, ask: &Ask) -> Result<(), Outcome> {
    let lines: Vec<String> = told(facts, prospect).iter().map(|line| format!("  {line}\n")).collect();
    let question = format!("{} of {}:\n{}Take it away?", prospect.node, session.inventory.cluster.name, lines.concat());
    let ask = Arc::clone(ask);
    let agreed = tokio::task::spawn_blocking(move || ask(&question)).await.unwrap_or(false);
    if agreed {
        Ok(())
    } else {
        Err(Outcome::new(ExitCode::Refused, "left as it is, as you said: nothing was changed"))
    }
}

/// Ends the drill of a run that was killed, and waits until the cluster is as it was.
async fn end_another(session: &Session, facts: Facts) -> Result<Facts, Outcome> {
    let Some(drill) = facts.unfinished_drill() else { return Ok(facts) };
    session.tell(Event::Warning {
        node: Some(drill.node.clone()),
        message: format!("an earlier drill took it away at {} and did not end; it is ended now", drill.at),
    });
    let began = Instant::now();
    let mut context = context(session, facts, &ASKED)?;
    let mut ordered = false;
    loop {
        if !ordered && context.facts.node(&drill.node).is_some() {
            hands::bring_back(&context, &drill.node, drill.how)
                .await
                .map_err(|failure| failed(session, &context, &failure))?;
            ordered = true;
        }
        if ordered && not_back(&context, &drill.node, &context.facts).is_none() {
            clean(&context).await;
            let ended = Drill { result: Some("it was broken off".to_owned()), ..drill };
            hands::note(&context, &ended).await.map_err(|failure| failed(session, &context, &failure))?;
            return observe(session).await;
        }
        if began.elapsed() > CALM {
            let text = format!(
                "an earlier drill took {} away, and it is not back: {}",
                drill.node,
                by_hand(&drill.node, drill.how)
            );
            return Err(Outcome::new(ExitCode::Unreachable, text));
        }
        tokio::select! {
            () = sleep(EVERY * 5) => {}
            () = session.stop.wait() => return Err(outcome::interrupted()),
        }
        context.facts = Arc::new(quietly(&context).await);
    }
}

/// What is missing until the cluster is as it was before the node was taken away.
fn not_back(context: &Context, node: &str, facts: &Facts) -> Option<String> {
    let known = context.inventory.node(node)?;
    if let Some(reason) = facts.unreachable(node) {
        return Some(format!("{node} does not answer: {reason}"));
    }
    let Some(cluster) = &facts.cluster else { return Some("the API does not answer".to_owned()) };
    if !cluster.ready_at(node, known.address) {
        return Some(format!("the Node {node} is not Ready"));
    }
    let seen = voters(&context.inventory, facts);
    if seen.answering.len() < seen.listed.len() {
        return Some(format!("{} of {} voters answer", seen.answering.len(), seen.listed.len()));
    }
    cluster.storage.jiva_volumes.iter().find_map(|(id, volume)| lacks(cluster, id, volume))
}

/// The rows of what came after the node's return, and whether it is back.
struct Return {
    rows: Vec<Row>,
    back: bool,
}

async fn rehearse(session: &Session, context: &Context, prospect: &Prospect) -> Result<(Report, Outcome), Outcome> {
    let (node, how) = (prospect.node.as_str(), prospect.how);
    let fail = |failure: &Failure| failed(session, context, failure);
    session.tell(Event::StepStarted {
        step: context.step.id.clone(),
        title: context.step.title.clone(),
        place: context.place.clone(),
        attempt: 1,
        why: format!("asked for: {node} by {how}"),
    });
    let canary = tokio::select! {
        canary = Box::pin(write_canary(context, node)) => canary,
        () = session.stop.wait() => {
            clean(context).await;
            return Err(outcome::interrupted());
        }
    };
    let boot = context.facts.node(node).map(|seen| seen.boot_id.clone()).unwrap_or_default();
    let mut record =
        Drill { id: session.run.clone(), at: jiff::Timestamp::now(), node: node.to_owned(), how, boot, result: None };
    hands::note(context, &record).await.map_err(|failure| fail(&failure))?;
    let at = record.at;
    let mut sight = Sight::open(context, node).await;
    if sight.answers_now().await == Some(false) {
        let message = "the site does not answer now: what becomes of it is not measured".to_owned();
        session.tell(Event::Warning { node: None, message });
    }
    let pods = || context.facts.stuck.iter().flat_map(|stuck| &stuck.pods);
    let affected = pods().filter(|pod| moves(pod) && pod.ready && pod.node.as_deref() == Some(node)).count();
    let watch = Mutex::new(Watch::new(ready_pods(pods()), affected));
    context.say(format!(
        "taking {node} away: {how}. Should this run be lost, it is brought back so: {}",
        by_hand(node, how)
    ));
    let began = Instant::now();
    let (taken, seen) =
        Box::pin(away(session, context, &sight, &watch, canary.as_ref().ok(), (node, how), began)).await;
    let away_seconds = began.elapsed().as_secs();
    // From here on nothing ends this early but the end of the process.
    let hurried = session.stop.asked() || taken.is_err();
    locked(&watch).returning(began.elapsed());
    let Return { rows, back } = tokio::select! {
        returned = Box::pin(bring_back(session, context, prospect, &watch, &record.boot, hurried)) => returned,
        never = look_on(&sight, &watch, began) => match never {},
    };
    if back {
        clean(context).await;
    }
    let with_pods = how != How::Network;
    let mut all = locked(&watch).rows(with_pods);
    all.push(canary_row(canary.as_ref().map(|_| ()), seen));
    all.extend(rows);
    let mut report = Report {
        schema: SCHEMA,
        cluster: session.inventory.cluster.name.clone(),
        node: node.to_owned(),
        how,
        at,
        away_seconds,
        passed: taken.is_ok() && back && all.iter().all(|row| row.well),
        rows: all,
        back,
        by_hand: (!back).then(|| by_hand(node, how)),
    };
    if session.stop.asked() {
        report.passed = false;
    }
    if back {
        record.at = jiff::Timestamp::now();
        record.result = Some(if session.stop.asked() { "it was interrupted".to_owned() } else { report.summary() });
        if let Err(failure) = close(context, &record).await {
            let message = format!("that the drill has ended is not recorded, `homeprov up` does it: {failure}");
            session.tell(Event::Warning { node: None, message });
        }
    }
    let outcome = judge(&report, taken.err(), session.stop.asked());
    let (step, title, place) = (context.step.id.clone(), context.step.title.clone(), context.place.clone());
    if report.passed {
        session.tell(Event::StepApplied { step: step.clone(), place: place.clone(), took: began.elapsed() });
        session.tell(Event::StepHolds { step, title, place });
    } else {
        session.tell(Event::StepFailed { step, title, place, reason: outcome.summary.clone(), output: vec![] });
    }
    Ok((report, outcome))
}

fn judge(report: &Report, failure: Option<Failure>, interrupted: bool) -> Outcome {
    let node = &report.node;
    if let Some(by_hand) = &report.by_hand {
        return Outcome::new(ExitCode::Unreachable, format!("{node} is not back. To bring it back: {by_hand}"));
    }
    if let Some(failure) = failure {
        return Outcome::new(
            ExitCode::StepFailed,
            format!("{node} could not be taken away, and is as it was: {failure}"),
        );
    }
    if interrupted {
        return Outcome::new(ExitCode::Interrupted, format!("interrupted; {node} is back"));
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

/// Records how it ended, through whichever API server answers: one that has just come back may not do so at once.
async fn close(context: &Context, record: &Drill) -> Result<(), Failure> {
    let mut tries = 0;
    loop {
        let now = Context { facts: Arc::new(quietly(context).await), ..context.clone() };
        match hands::note(&now, record).await {
            Err(_) if tries < TRIES => tries += 1,
            ended => return ended,
        }
        sleep(EVERY * 3).await;
    }
}

fn locked(watch: &Mutex<Watch>) -> MutexGuard<'_, Watch> {
    watch.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Goes on looking at the cluster and the site.
async fn look_on(sight: &Sight<'_>, watch: &Mutex<Watch>, began: Instant) -> Infallible {
    let looks = async {
        loop {
            let look = Instant::now();
            let sample = sight.sample(began.elapsed()).await;
            locked(watch).take(&sample);
            sleep(EVERY.saturating_sub(look.elapsed())).await;
        }
    };
    tokio::join!(sight.ask_site(), looks).1
}

/// What came of reading the canary: after how long, and where, or what was seen instead.
type Read = Option<(Duration, Result<String, String>)>;

/// The node goes; the cluster, the site and the canary are watched until all has come about that is waited for, or the user asks
/// to stop. A node that is just being taken away is so first: the order to come back must not overtake the one to go.
async fn away(
    session: &Session,
    context: &Context,
    sight: &Sight<'_>,
    watch: &Mutex<Watch>,
    canary: Option<&Rehearsal>,
    (node, how): (&str, How),
    began: Instant,
) -> (Result<(), Failure>, Read) {
    let (noticed, gone, read) = (Notify::new(), AtomicBool::new(false), AtomicBool::new(canary.is_none()));
    let limit = if how == How::Network { CUT } else { AWAY };
    let taking = async {
        let taken = hands::take_away(context, node, how).await;
        gone.store(true, Ordering::SeqCst);
        taken
    };
    let reading = async {
        let canary = canary?;
        noticed.notified().await;
        let result = read_canary(context, canary, node).await;
        read.store(true, Ordering::SeqCst);
        Some((began.elapsed(), result))
    };
    let watching = async {
        let (mut told, mut waiting) = (false, false);
        loop {
            let look = Instant::now();
            let sample = sight.sample(began.elapsed()).await;
            let (saw, complete, waits) = {
                let mut watch = locked(watch);
                watch.take(&sample);
                (watch.noticed(), watch.complete(how != How::Network), watch.waits_for_the_node())
            };
            if saw {
                if !told {
                    context.say(format!("the cluster has noticed after {} s", began.elapsed().as_secs()));
                    told = true;
                }
                noticed.notify_one();
            }
            if waits && !complete && !waiting {
                context.say(format!("the rest waits for {node}: {}", sample.lingering.join(", ")));
                waiting = true;
            }
            let done = (complete || waits) && read.load(Ordering::SeqCst);
            if gone.load(Ordering::SeqCst) && done || began.elapsed() > limit {
                return;
            }
            sleep(EVERY.saturating_sub(look.elapsed())).await;
        }
    };
    let mut read_as = None;
    let mut taken = Ok(());
    {
        let site = sight.ask_site();
        let (mut taking, mut reading, mut watching, mut site) =
            (std::pin::pin!(taking), std::pin::pin!(reading), std::pin::pin!(watching), std::pin::pin!(site));
        let (mut took, mut finished, mut asked, mut stopped) = (false, false, false, false);
        loop {
            tokio::select! {
                result = &mut taking, if !took => {
                    took = true;
                    let failed = result.is_err();
                    taken = result;
                    if failed || stopped {
                        break;
                    }
                }
                () = session.stop.wait(), if !stopped => {
                    stopped = true;
                    if took {
                        break;
                    }
                }
                result = &mut reading, if !finished => {
                    finished = true;
                    read_as = result;
                }
                () = &mut site, if !asked => asked = true,
                () = &mut watching => break,
            }
        }
    }
    (taken, read_as)
}

async fn means(context: &Context) -> Result<Means, Failure> {
    storage_proven::means(context).await
}

async fn write_canary(context: &Context, node: &str) -> Result<Rehearsal, String> {
    if context.inventory.storage.engine == Engine::None {
        return Err("the inventory leaves storage alone".to_owned());
    }
    let wanted = Wanted::of(&context.inventory.storage);
    context.say(format!("writing a canary on {node}"));
    let written = async {
        let means = means(context).await?;
        Ok::<_, Failure>(Box::pin(Rehearsal::begin(&means, &wanted, node)).await?)
    };
    written.await.unwrap_or_else(|failure| Err(failure.to_string()))
}

async fn read_canary(context: &Context, canary: &Rehearsal, node: &str) -> Result<String, String> {
    let read = async {
        let means = means(&elsewhere(context, node)).await?;
        Ok::<_, Failure>(Box::pin(canary.read(&means, node)).await?)
    };
    read.await.unwrap_or_else(|failure: Failure| Err(failure.to_string()))
}

/// The same without the node that is away: another API server is asked.
fn elsewhere(context: &Context, node: &str) -> Context {
    let mut facts = Facts::clone(&context.facts);
    facts.nodes.remove(node);
    if let Some(cluster) = &mut facts.cluster
        && cluster.via == node
        && let Some(other) = context.inventory.control_planes().find(|other| facts.nodes.contains_key(&other.name))
    {
        cluster.via.clone_from(&other.name);
    }
    Context { facts: Arc::new(facts), ..context.clone() }
}

/// Removes the canary; what is left is removed by the next proof.
async fn clean(context: &Context) {
    if context.inventory.storage.engine == Engine::None {
        return;
    }
    let left = async {
        let means = means(context).await?;
        Ok::<_, Failure>(Box::pin(crate::storage::end_rehearsal(&means)).await?)
    };
    match left.await {
        Ok(left) if left.is_empty() => {}
        Ok(left) => context.say(format!("the canary left behind, for the next proof to remove: {}", left.join(", "))),
        Err(failure) => context.say(format!("the canary is removed by the next proof: {failure}")),
    }
}

fn canary_row(written: Result<(), &String>, read: Read) -> Row {
    let title = "canary read elsewhere after".to_owned();
    let row = |seconds, detail: String, well| Row { what: "canary", title: title.clone(), seconds, detail, well };
    match (written, read) {
        (Err(why), _) => row(None, format!("not tried: {why}"), true),
        (Ok(()), Some((after, Ok(on)))) => row(Some(after.as_secs()), format!("on {on}, with the same hash"), true),
        (Ok(()), Some((_, Err(why)))) => row(None, why, false),
        (Ok(()), None) => row(None, "it was not read in time".to_owned(), false),
    }
}

/// Gives the order, and waits until all is as it was; a while longer for the site and the pods.
async fn bring_back(
    session: &Session,
    context: &Context,
    prospect: &Prospect,
    watch: &Mutex<Watch>,
    boot: &str,
    hurried: bool,
) -> Return {
    let (node, how) = (prospect.node.as_str(), prospect.how);
    context.say(format!("bringing {node} back"));
    if hurried {
        let message = format!("it is being brought back; if that is ended, too: {}", by_hand(node, how));
        session.tell(Event::Warning { node: Some(node.to_owned()), message });
    } else if how == How::Power {
        let message = format!("it is to be switched on now: {}", by_hand(node, how));
        session.tell(Event::Warning { node: Some(node.to_owned()), message });
    }
    let began = Instant::now();
    let limit = if hurried { HURRIED } else { BACK };
    let (mut ordered, mut ready, mut whole, mut missing) = (false, None, None, String::new());
    loop {
        if !ordered {
            match timeout(limit, hands::bring_back(context, node, how)).await {
                Ok(Ok(())) => ordered = true,
                Ok(Err(failure)) => context.say(format!("{node} does not come back yet: {failure}")),
                Err(_) => context.say(format!("{node} does not take the order to come back")),
            }
        }
        let facts = quietly(context).await;
        let known = context.inventory.node(node);
        let is_ready = known.is_some_and(|known| {
            let booted = how != How::Power || facts.node(node).is_some_and(|seen| seen.boot_id != boot);
            booted && facts.cluster.as_ref().is_some_and(|cluster| cluster.ready_at(node, known.address))
        });
        if ordered && is_ready && ready.is_none() {
            ready = Some(began.elapsed());
            context.say(format!("{node} is Ready after {} s", began.elapsed().as_secs()));
        }
        let left =
            if is_ready { not_back(context, node, &facts) } else { Some(format!("the Node {node} is not Ready")) };
        let done = ordered && left.is_none();
        let well = hurried || locked(watch).well(how != How::Network);
        let left = left.or_else(|| (!well).then(|| "not everything runs again that ran before".to_owned()));
        if let Some(left) = left {
            if left != missing {
                context.say(format!("waiting: {left}"));
            }
            missing = left;
        }
        if !done {
            whole = None;
        } else if whole.is_none() {
            whole = Some(began.elapsed());
        }
        let long = whole.is_some_and(|whole| began.elapsed().saturating_sub(whole) > WELL);
        if done && (well || long) || began.elapsed() > limit {
            return returned(whole, ready, &missing, hurried);
        }
        sleep(EVERY * 3).await;
    }
}

fn returned(whole: Option<Duration>, ready: Option<Duration>, missing: &str, hurried: bool) -> Return {
    let node = Row {
        what: "return",
        title: "Node Ready again, after its return, in".to_owned(),
        seconds: ready.map(|ready| ready.as_secs()),
        detail: if ready.is_some() { "by the Node's condition".to_owned() } else { missing.to_owned() },
        well: ready.is_some(),
    };
    let all = Row {
        what: "whole",
        title: "voters and replicas whole again in".to_owned(),
        seconds: whole.map(|after| after.as_secs()),
        detail: if whole.is_some() {
            "every voter answers, every replica is RW".to_owned()
        } else {
            missing.to_owned()
        },
        well: whole.is_some(),
    };
    // Whoever has asked to stop does not wait for copies: the node is back when it is Ready.
    Return { rows: vec![node, all], back: whole.is_some() || hurried && ready.is_some() }
}
