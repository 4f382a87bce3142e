//! What surrounds a run changes or fails while it goes on: disks, clocks, package locks, refreshes, names, addresses, the
//! seed. Each ends converged, or refused with the cause and what to do about it.

mod clocks;
mod names;
mod packages;
mod room;
mod seed;

use homeprov::engine::event::Event;
use homeprov::error::ExitCode;
use homeprov::plan::Place;
use homeprov_lab::kubernetes::Request;
use serde_json::Value;

use super::session::{House, Ran};
use super::verify::problems;

/// Whether an event is the beginning of a step at a place; the cluster is `cluster`.
fn starts(event: &Event, wanted: &str, at: &str) -> bool {
    let Event::StepStarted { step, place, .. } = event else { return false };
    let place = match place {
        Place::Node(node) => node,
        Place::Cluster => "cluster",
    };
    step == wanted && place == at
}

/// Runs `up`, and lets `strike` strike once, at the beginning of a step; says whether it has.
async fn up_struck(house: &House, (step, at): (&str, &str), strike: impl Fn()) -> Ran {
    let mut struck = false;
    let ran = house
        .up_meeting(|event| {
            if !struck && starts(event, step, at) {
                struck = true;
                strike();
            }
        })
        .await;
    assert!(struck, "{step}@{at} was never begun: {:?}", ran.applied());
    ran
}

fn converged(house: &House, ran: &Ran) {
    assert_eq!((ran.outcome.code, problems(house)), (ExitCode::Done, vec![]), "{:?}\n{}", ran.outcome, ran.tail());
}

fn ended(ran: &Ran, code: ExitCode, words: &[&str]) {
    assert_eq!(ran.outcome.code, code, "{:?}\n{}", ran.outcome, ran.tail());
    for word in words {
        assert!(ran.outcome.summary.contains(word), "{word:?} is not said: {}", ran.outcome.summary);
    }
}

fn object(house: &House, via: &str, path: &str) -> Value {
    house.lab.with(|world| world.api(via, &Request::new("GET", path)).json())
}

/// The Nodes that are Ready, as the API server on a machine tells.
fn ready(house: &House, via: &str) -> Vec<String> {
    let nodes = object(house, via, "/api/v1/nodes");
    let ready = |node: &&Value| {
        let conditions = node["status"]["conditions"].as_array().into_iter().flatten();
        conditions.into_iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    };
    let names = nodes["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(ready)
        .filter_map(|node| node["metadata"]["name"].as_str());
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort();
    names
}

fn warned(ran: &Ran, words: &[&str]) -> usize {
    let told = |event: &&Event| matches!(event, Event::Warning { message, .. } if words.iter().all(|word| message.contains(word)));
    ran.events.iter().filter(told).count()
}

/// What steps printed, and said went wrong.
fn said(ran: &Ran, words: &str) -> bool {
    ran.events.iter().any(|event| {
        matches!(event,
            Event::StepRetry { reason: text, .. } | Event::StepFailed { reason: text, .. } | Event::StepOutput { line: text, .. }
            | Event::Waiting { why: text, .. }
            if text.contains(words))
    })
}
