//! The way back: the order is given, and all is waited for that was there before.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::EVERY;
use super::away::locked;
use super::halt::{Cause, Halt};
use super::look::quietly;
use crate::drill::{How, Row, Watch};
use crate::engine::event::Event;
use crate::engine::session::Session;
use crate::facts::Facts;
use crate::facts::drill::Drill;
use crate::steps::Context;
use crate::steps::departure::replicas::lacks;
use crate::steps::drill::{self as hands, by_hand};
use crate::steps::highly_available::look as voters;

/// How long the node may take until it is whole again; for its button to be pressed, too.
const BACK: Duration = Duration::from_secs(30 * 60);
/// How long the site and the pods may take after that.
const WELL: Duration = Duration::from_secs(5 * 60);
/// How long it is waited for once the drill is to end.
const HURRIED: Duration = Duration::from_secs(120);

/// What is missing until the cluster is as it was before the node was taken away.
pub(super) fn not_back(context: &Context, node: &str, facts: &Facts) -> Option<String> {
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
pub(super) struct Return {
    pub(super) rows: Vec<Row>,
    pub(super) back: bool,
}

/// Whether the record of this drill is another run's matter by now: that run ended the drill, or began one of its own.
pub(super) fn others(facts: &Facts, record: &Drill) -> bool {
    facts.drill().is_some_and(|drill| drill.id != record.id || drill.result.is_some())
}

/// Gives the order, and waits until all is as it was, a while longer for the site and the pods; `hurried` is whether that was
/// not to come yet. A drill that is to end does not wait for copies.
pub(super) async fn bring_back(
    session: &Session,
    context: &Context,
    record: &Drill,
    watch: &Mutex<Watch>,
    (halt, hurried): (&Halt, bool),
) -> Return {
    let (node, how) = (record.node.as_str(), record.how);
    context.say(format!("bringing {node} back"));
    if let Some(message) = warning(record, halt, hurried) {
        session.tell(Event::Warning { node: Some(node.to_owned()), message });
    }
    let began = Instant::now();
    let mut until = began + if hurried { HURRIED } else { BACK };
    let mut hurried = hurried;
    let (mut ordered, mut ready, mut whole, mut missing) = (false, None, None, String::new());
    loop {
        // Who took the lock may have brought it back already, and even have taken it away once more.
        if !ordered && halt.is_lost() && others(&quietly(context).await, record) {
            ordered = true;
        }
        if !ordered {
            match timeout(until.saturating_duration_since(Instant::now()), hands::bring_back(context, node, how)).await
            {
                Ok(Ok(())) => ordered = true,
                Ok(Err(failure)) => context.say(format!("{node} does not come back yet: {failure}")),
                Err(_) => context.say(format!("{node} does not take the order to come back")),
            }
        }
        let facts = quietly(context).await;
        let known = context.inventory.node(node);
        let is_ready = known.is_some_and(|known| {
            let booted = how != How::Power || facts.node(node).is_some_and(|seen| seen.boot_id != record.boot);
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
        if !hurried && halt.is_lost() {
            hurried = true;
            until = until.min(Instant::now() + HURRIED);
        }
        if !done {
            whole = None;
        } else if whole.is_none() {
            whole = Some(began.elapsed());
        }
        let long = whole.is_some_and(|whole| began.elapsed().saturating_sub(whole) > WELL);
        if done && (well || long) || Instant::now() > until {
            return returned(whole, ready, &missing, hurried);
        }
        sleep(EVERY * 3).await;
    }
}

/// What has to be known about the way back before it is waited for.
fn warning(record: &Drill, halt: &Halt, hurried: bool) -> Option<String> {
    let by_hand = by_hand(&record.node, record.how);
    match halt.cause() {
        Some(Cause::Lost(held)) => {
            Some(format!("{}. The drill ends here, and it is being brought back; by hand: {by_hand}", held.text()))
        }
        _ if hurried => Some(format!("it is being brought back; if that is ended, too: {by_hand}")),
        _ if record.how == How::Power => Some(format!("it is to be switched on now: {by_hand}")),
        _ => None,
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
    let detail = if whole.is_some() { "every voter answers, every replica is RW" } else { missing };
    let all = Row {
        what: "whole",
        title: "voters and replicas whole again in".to_owned(),
        seconds: whole.map(|after| after.as_secs()),
        detail: detail.to_owned(),
        well: whole.is_some(),
    };
    // Where copies are not waited for the node is back when it is Ready.
    Return { rows: vec![node, all], back: whole.is_some() || hurried && ready.is_some() }
}
