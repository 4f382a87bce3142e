//! Events as lines that stay: what the live view leaves above itself and what is printed without a terminal.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use super::clean::clean;
use super::face::Verbosity;
use super::paint::Paint;
use super::redact::Redactor;
use super::words;
use crate::engine::event::Event;
use crate::plan::{Place, Verdict};

/// How many of a failed step's last lines are shown.
pub const LAST_LINES: usize = 20;

/// What kind of news a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Something went wrong, or may.
    Trouble,
    /// Something is done.
    Change,
    /// Something begins or is waited for: a live view shows it otherwise.
    Progress,
    /// What a step printed, what was connected to.
    Detail,
}

/// One line that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What kind of news it is.
    pub weight: Weight,
    /// The line, with its place.
    pub text: String,
}

/// Turns events into lines; remembers what it must for that.
#[derive(Debug)]
pub struct Lines {
    verbosity: Verbosity,
    paint: Paint,
    redactor: Redactor,
    width: usize,
    result: bool,
    steps: HashMap<(Place, String), Seen>,
}

/// What is remembered of a step at a place.
#[derive(Debug, Default)]
struct Seen {
    title: String,
    since: Option<Timestamp>,
    waiting: String,
}

/// A text of several lines as several, all but the first one indented.
fn apart(line: Line) -> Vec<Line> {
    let Line { weight, text } = line;
    let mut indent = "";
    text.lines()
        .map(|part| {
            let text = format!("{indent}{part}");
            indent = "    ";
            Line { weight, text }
        })
        .collect()
}

impl Lines {
    /// Lines as detailed as `verbosity` asks for.
    pub fn new(verbosity: Verbosity, paint: Paint, redactor: Redactor) -> Self {
        Self { verbosity, paint, redactor, width: 0, result: false, steps: HashMap::new() }
    }

    /// The lines an event is worth.
    pub fn of(&mut self, at: Timestamp, event: &Event) -> Vec<Line> {
        let lines = self.all(at, event);
        let verbosity = self.verbosity;
        lines
            .into_iter()
            .flat_map(apart)
            .filter(|line| match line.weight {
                Weight::Trouble => true,
                Weight::Change | Weight::Progress => verbosity >= Verbosity::Normal,
                Weight::Detail => verbosity >= Verbosity::Verbose,
            })
            .collect()
    }

    /// The text without secrets, for what is shown beside the lines.
    pub fn redact(&self, text: &str) -> String {
        self.redactor.text(text)
    }

    fn all(&mut self, at: Timestamp, event: &Event) -> Vec<Line> {
        let paint = self.paint;
        match event {
            Event::RunStarted { nodes, command, .. } => {
                self.result = command != "up";
                let cluster = "cluster".len();
                self.width = nodes.iter().map(String::len).chain([cluster]).max().unwrap_or(0);
                vec![]
            }
            Event::Connected { node, took } => {
                let text = format!("connected  {}", self.time(*took));
                vec![self.line(Weight::Detail, &paint.dim("·"), node, &text)]
            }
            Event::Executed { node, purpose, took } => {
                let text = format!("{purpose:?}  {}", self.time(*took)).to_lowercase();
                vec![self.line(Weight::Detail, &paint.dim("·"), node, &text)]
            }
            Event::Unreachable { node, reason } => {
                let text = format!("unreachable: {}", self.fit(reason));
                // A command that prints a result says it there.
                let weight = if self.result { Weight::Detail } else { Weight::Trouble };
                vec![self.line(weight, &paint.bad("✘"), node, &text)]
            }
            Event::Planned { turn: 1, plan } => vec![self.planned(plan)],
            Event::StepStarted { step, title, place, attempt, why } => {
                let seen = self.steps.entry((place.clone(), step.clone())).or_default();
                seen.title.clone_from(title);
                seen.since.get_or_insert(at);
                let again = match attempt {
                    0 | 1 => String::new(),
                    _ => format!(", attempt {attempt}"),
                };
                let why = words::first_line(&self.fit(why)).to_owned();
                let text = format!("{title}{again}  {}", paint.dim(&why));
                vec![self.line(Weight::Progress, &paint.busy("→"), words::place(place), &text)]
            }
            Event::StepOutput { place, line, .. } => {
                let text = format!("{} {}", paint.dim("│"), self.fit(line));
                vec![self.line(Weight::Detail, " ", words::place(place), &text)]
            }
            Event::StepHolds { step, title, place } => {
                let since = self.steps.remove(&(place.clone(), step.clone())).and_then(|seen| seen.since);
                let took = since.map_or(String::new(), |since| format!("  {}", self.time(words::between(since, at))));
                let text = format!("{title}{took}");
                vec![self.line(Weight::Change, &paint.good("✔"), words::place(place), &text)]
            }
            Event::StepRetry { step, place, reason, after } => {
                let text =
                    format!("{}: {}; again in {}", self.title(place, step), self.fit(reason), words::duration(*after));
                vec![self.line(Weight::Change, &paint.care("↻"), words::place(place), &text)]
            }
            Event::StepLost { step, place, node, reason, left } => {
                let left = words::duration(*left);
                let text = format!(
                    "{}: lost, still running on {node}: {}; connecting again for up to {left}",
                    self.title(place, step),
                    self.fit(reason)
                );
                vec![self.line(Weight::Trouble, &paint.care("↯"), words::place(place), &text)]
            }
            Event::StepAttached { step, place, node, away } => {
                let text = format!("{}: attached to it on {node} again  {}", self.title(place, step), self.time(*away));
                vec![self.line(Weight::Change, &paint.good("↯"), words::place(place), &text)]
            }
            Event::StepFailed { title, place, reason, output, .. } => {
                self.failed(title, words::place(place), reason, output)
            }
            Event::Waiting { step, place, why, left } => {
                let text = self.fit(why);
                let seen = self.steps.entry((place.clone(), step.clone())).or_default();
                if seen.waiting == text {
                    return vec![];
                }
                seen.waiting.clone_from(&text);
                let (first, rest) = text.split_once('\n').map_or((text.as_str(), ""), |(first, rest)| (first, rest));
                let (title, left) = (self.title(place, step), words::duration(*left));
                let text = format!("{title}: {}, for up to {left} more\n{rest}", first.trim_end_matches('.'));
                vec![self.line(Weight::Progress, &paint.busy("…"), words::place(place), &text)]
            }
            Event::Warning { node, message } => {
                let message = self.fit(message);
                let mark = paint.care("!");
                vec![match node {
                    Some(node) => self.line(Weight::Trouble, &mark, node, &message),
                    None => Line { weight: Weight::Trouble, text: format!("{mark} {message}") },
                }]
            }
            Event::Forwarded { .. } | Event::Planned { .. } | Event::StepApplied { .. } | Event::RunFinished { .. } => {
                vec![]
            }
        }
    }

    fn planned(&mut self, plan: &crate::plan::Plan) -> Line {
        for pending in &plan.pending {
            let key = (pending.place.clone(), pending.step.clone());
            self.steps.entry(key).or_default().title.clone_from(&pending.title);
        }
        let blocked = plan.pending.iter().filter(|pending| matches!(pending.verdict, Verdict::Blocked { .. })).count();
        let mut text = match plan.pending.len() {
            0 if plan.unreachable.is_empty() => "everything holds".to_owned(),
            // Of the others nothing is known.
            0 => "nothing is left to do on the nodes that answer".to_owned(),
            1 => "1 step does not hold yet".to_owned(),
            steps => format!("{steps} steps do not hold yet"),
        };
        if blocked > 0 {
            text = format!("{text}, {blocked} blocked");
        }
        Line { weight: Weight::Progress, text: format!("{} {text}", self.paint.dim("·")) }
    }

    fn failed(&self, title: &str, place: &str, reason: &str, output: &[String]) -> Vec<Line> {
        let paint = self.paint;
        let trouble = |text: String| Line { weight: Weight::Trouble, text };
        let mut lines = vec![self.line(Weight::Trouble, &paint.bad("✘"), place, &paint.bad(title))];
        lines.extend(reason.lines().map(|line| trouble(format!("    {}", self.fit(line)))));
        let skipped = output.len().saturating_sub(LAST_LINES);
        if !output.is_empty() {
            let heading =
                if skipped > 0 { format!("the last {LAST_LINES} lines it printed:") } else { "it printed:".to_owned() };
            lines.push(trouble(format!("    {}", paint.dim(&heading))));
        }
        lines
            .extend(output[skipped..].iter().map(|line| trouble(format!("    {} {}", paint.dim("│"), self.fit(line)))));
        lines
    }

    fn title(&self, place: &Place, step: &str) -> String {
        self.steps
            .get(&(place.clone(), step.to_owned()))
            .map(|seen| seen.title.clone())
            .filter(|title| !title.is_empty())
            .unwrap_or_else(|| step.to_owned())
    }

    fn time(&self, duration: Duration) -> String {
        self.paint.dim(&format!("({})", words::duration(duration)))
    }

    /// Text from a machine, fit to be shown.
    fn fit(&self, text: &str) -> String {
        let cleaned: Vec<String> = text.lines().map(clean).collect();
        self.redactor.text(&cleaned.join("\n"))
    }

    fn line(&self, weight: Weight, mark: &str, place: &str, text: &str) -> Line {
        let width = self.width;
        Line { weight, text: format!("{mark} {place:width$}  {text}") }
    }
}
