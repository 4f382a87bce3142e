//! What goes on at this moment, as the rows of the live view.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use super::clean::clean;
use super::paint::Paint;
use super::words;
use crate::engine::event::Event;
use crate::plan::{Place, Plan};

/// The most rows shown for nodes and the cluster together; with more, only those where something goes on.
const MOST_ROWS: usize = 14;

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// Keeps what goes on at each place.
#[derive(Debug, Default)]
pub struct Board {
    begun: Option<Timestamp>,
    places: Vec<Place>,
    current: BTreeMap<Place, Current>,
    unreachable: HashSet<String>,
    left: BTreeMap<Place, usize>,
    titles: BTreeMap<String, String>,
    planned: bool,
    done: usize,
}

/// The step a place is at.
#[derive(Debug)]
struct Current {
    step: String,
    title: String,
    attempt: u32,
    since: Timestamp,
    note: String,
}

impl Board {
    /// Takes one event into account.
    pub fn event(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::RunStarted { nodes, .. } => {
                self.begun = Some(at);
                self.places = nodes.iter().cloned().map(Place::Node).chain([Place::Cluster]).collect();
            }
            Event::Connected { node, .. } => {
                self.unreachable.remove(node);
            }
            Event::Unreachable { node, .. } => {
                self.unreachable.insert(node.clone());
                self.current.remove(&Place::Node(node.clone()));
            }
            Event::Planned { plan, .. } => self.planned(plan),
            Event::StepStarted { step, title, place, attempt, .. } => {
                let since = match self.current.get(place) {
                    Some(current) if current.step == *step => current.since,
                    _ => at,
                };
                let current =
                    Current { step: step.clone(), title: title.clone(), attempt: *attempt, since, note: String::new() };
                self.current.insert(place.clone(), current);
            }
            Event::StepOutput { step, place, line } => self.note(place, step, line),
            Event::StepApplied { step, place, .. } => self.note(place, step, "observing"),
            Event::StepLost { step, place, node, .. } => {
                self.note(place, step, &format!("lost, still running on {node}; connecting again"));
            }
            Event::StepAttached { step, place, .. } => self.note(place, step, "attached again"),
            Event::StepRetry { step, place, reason, .. } => self.note(place, step, reason),
            Event::Waiting { step, place, why, .. } => {
                if self.current.get(place).is_none_or(|current| current.step != *step) {
                    let current = Current {
                        step: step.clone(),
                        title: self.titles.get(step).unwrap_or(step).clone(),
                        attempt: 1,
                        since: at,
                        note: String::new(),
                    };
                    self.current.insert(place.clone(), current);
                }
                self.note(place, step, why);
            }
            Event::StepHolds { step, place, .. } => {
                self.done += 1;
                self.step_ended(place, step);
                if let Some(left) = self.left.get_mut(place) {
                    *left = left.saturating_sub(1);
                }
            }
            Event::StepFailed { step, place, .. } => self.step_ended(place, step),
            Event::Executed { .. } | Event::Forwarded { .. } | Event::Warning { .. } | Event::RunFinished { .. } => {}
        }
    }

    /// The rows as they look now.
    pub fn rows(&self, now: Timestamp, paint: Paint) -> Vec<String> {
        let width = self.places.iter().map(|place| words::place(place).len()).max().unwrap_or(0);
        let crowded = self.places.len() > MOST_ROWS;
        let shown: Vec<&Place> =
            self.places.iter().filter(|place| !crowded || self.current.contains_key(*place)).collect();
        let mut rows: Vec<String> = shown
            .iter()
            .take(MOST_ROWS)
            .map(|place| {
                let state = self.state(place, now, paint);
                format!("  {:width$}  {state}", words::place(place))
            })
            .collect();
        if shown.len() > MOST_ROWS {
            rows.push(paint.dim(&format!("  and {} more", shown.len() - MOST_ROWS)));
        }
        rows.push(self.total(now, paint));
        rows
    }

    fn state(&self, place: &Place, now: Timestamp, paint: Paint) -> String {
        if let Some(current) = self.current.get(place) {
            let again = match current.attempt {
                0 | 1 => String::new(),
                attempt => format!(", attempt {attempt}"),
            };
            let elapsed = paint.dim(&words::duration(whole_seconds(words::between(current.since, now))));
            let note = paint.dim(&current.note);
            let spinner = paint.busy(self.spinner(now));
            let title = &current.title;
            return format!("{spinner} {title}{again}  {elapsed}  {note}").trim_end().to_owned();
        }
        if let Place::Node(name) = place
            && self.unreachable.contains(name)
        {
            return paint.bad("✘ unreachable");
        }
        let left = self.left.get(place).copied().unwrap_or(0);
        match (self.planned, left) {
            (false, _) => format!("{} {}", paint.busy(self.spinner(now)), paint.dim("is looked at")),
            (true, 0) => paint.dim("✔ as it should be"),
            (true, left) => paint.dim(&format!("· waits, {} left", words::count(left, "step"))),
        }
    }

    fn total(&self, now: Timestamp, paint: Paint) -> String {
        let elapsed = self.begun.map_or(Duration::ZERO, |begun| words::between(begun, now));
        let elapsed = words::duration(whole_seconds(elapsed));
        let left: usize = self.left.values().sum();
        let text = if self.planned {
            format!("{} of {} done", self.done, words::count(self.done + left, "step"))
        } else {
            "looking".to_owned()
        };
        format!("  {}  {}", paint.bold(&text), paint.dim(&elapsed))
    }

    fn planned(&mut self, plan: &Plan) {
        self.planned = true;
        self.left.clear();
        for pending in &plan.pending {
            *self.left.entry(pending.place.clone()).or_default() += 1;
            self.titles.insert(pending.step.clone(), pending.title.clone());
        }
    }

    fn note(&mut self, place: &Place, step: &str, text: &str) {
        if let Some(current) = self.current.get_mut(place)
            && current.step == step
        {
            current.note = clean(words::first_line(text));
        }
    }

    fn step_ended(&mut self, place: &Place, step: &str) {
        if self.current.get(place).is_some_and(|current| current.step == step) {
            self.current.remove(place);
        }
    }

    fn spinner(&self, now: Timestamp) -> &'static str {
        let begun = self.begun.unwrap_or(now);
        let frame = words::between(begun, now).as_millis() / 100 % 10;
        SPINNER[usize::try_from(frame).unwrap_or(0)]
    }
}

fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs())
}
