//! Reads one `[[step]]` table.

use std::collections::BTreeMap;
use std::time::Duration;

use super::model::{Action, On, Step};
use super::trial;
use super::when::WHEN;
use crate::diagnostic::Problem;
use crate::document::suggest::nearest;
use crate::document::{At, Field, Report, Table};

/// How long it may take until a step is observed to hold, unless it says otherwise.
const SETTLE: Duration = Duration::from_secs(10);
/// The time limit of a short `apply`.
const LIMIT: Duration = Duration::from_secs(60);
/// The time limit of a detached `apply` and of a Rust step.
const LONG_LIMIT: Duration = Duration::from_secs(20 * 60);
/// How often a step is applied at the most.
const ATTEMPTS: u32 = 3;

const PLACES: [(&str, On); 5] = [
    ("all", On::All),
    ("control-plane", On::ControlPlane),
    ("workers", On::Workers),
    ("seed", On::Seed),
    ("cluster", On::Cluster),
];

/// The ids read so far, each with its file and line.
#[derive(Default)]
pub(super) struct Names(BTreeMap<String, String>);

/// Reads a step; without one, the reasons are in the report.
pub(super) fn step(
    playbook: &str,
    mut table: Table<'_>,
    builtins: &[&str],
    names: &mut Names,
    report: &mut Report,
) -> Option<Step> {
    let header = table.span.clone();
    let id = table.text("id", report);
    let title = table.text("title", report);
    let on = table.text("on", report);
    let when = table.text("when", report);
    let check = table.text("check", report);
    let apply = table.text("apply", report);
    let detached = table.switch("detached", report);
    let builtin = table.text("builtin", report);
    let settle = table.text("settle", report);
    let limit = table.text("limit", report);
    let attempts = table.number("attempts", 1..=100, "such as attempts = 5", report);
    let why = table.text("why", report);
    table.require(&id, "id", r#"id = "iscsid-running""#, report);
    table.require(&title, "title", r#"title = "iscsid is running""#, report);
    table.require(&on, "on", r#"on = "all""#, report);
    table.require(&why, "why", r#"why = "What would go wrong without it.""#, report);
    table.finish(report);

    let place = on.given().and_then(|on| place(on, report));
    if let Some(id) = id.given() {
        names.check(id, report);
    }
    for (key, field) in [("title", &title), ("why", &why)] {
        if let Field::Given(text) = field
            && text.value.trim().is_empty()
        {
            report.push(Problem::error(format!("`{key}` is empty")).at(text.span.clone(), "needs a few words"));
        }
    }
    if let Field::Given(when) = &when {
        one_of("when", when, WHEN, report);
    }
    let parts = Parts { check, apply, detached, builtin };
    let action = parts.action(place, builtins, &header, id.given(), report);
    let settle = duration("settle", &settle, report);
    let limit = duration("limit", &limit, report);
    let long = !matches!(action, Some(Action::Script { detached: false, .. }));
    Some(Step {
        id: id.given()?.value.clone(),
        title: title.given()?.value.clone(),
        on: place?,
        action: action?,
        when: when.given().map(|when| when.value.clone()),
        settle: settle.unwrap_or(SETTLE),
        limit: limit.unwrap_or(if long { LONG_LIMIT } else { LIMIT }),
        attempts: attempts.given().map_or(ATTEMPTS, |attempts| attempts.value),
        why: why.given()?.value.clone(),
        playbook: playbook.to_owned(),
    })
}

/// The keys that say how a step is checked and reached.
struct Parts {
    check: Field<At<String>>,
    apply: Field<At<String>>,
    detached: Field<At<bool>>,
    builtin: Field<At<String>>,
}

impl Parts {
    fn action(
        &self,
        place: Option<On>,
        builtins: &[&str],
        header: &std::ops::Range<usize>,
        id: Option<&At<String>>,
        report: &mut Report,
    ) -> Option<Action> {
        let whole = id.map_or(header.clone(), |id| id.span.clone());
        match (&self.builtin, &self.check) {
            (Field::Given(builtin), Field::Absent) => {
                self.nothing_else(report);
                one_of("builtin", builtin, builtins, report).map(|name| Action::Builtin(name.to_owned()))
            }
            (Field::Absent, Field::Given(check)) => Some(self.script(check, place, id, report)),
            (Field::Given(builtin), Field::Given(check)) => {
                let problem = Problem::error("a step has either a `check` or a `builtin`")
                    .at(check.span.clone(), "this is the one")
                    .at(builtin.span.clone(), "this is the other")
                    .help("a Rust step brings its own check: remove one of the two");
                report.push(problem);
                None
            }
            (Field::Absent, Field::Absent) => {
                let problem = Problem::error("a step needs a `check` or a `builtin`")
                    .at(whole, "nothing tells whether this step holds")
                    .help("add a line such as: check = \"systemctl is-active --quiet iscsid\"");
                report.push(problem);
                None
            }
            _ => None,
        }
    }

    fn script(&self, check: &At<String>, place: Option<On>, id: Option<&At<String>>, report: &mut Report) -> Action {
        let detached = self.detached.given();
        if let (Some(detached), Field::Absent) = (detached, &self.apply) {
            let problem = Problem::error("`detached` is there without an `apply`")
                .at(detached.span.clone(), "nothing to detach")
                .help("remove it: a check is never detached");
            report.push(problem);
        }
        if place == Some(On::Cluster) {
            let problem = Problem::error("a step on the cluster must be a Rust step")
                .at(check.span.clone(), "a script runs on nodes")
                .help("choose another `on`, or name a Rust step with `builtin`");
            report.push(problem);
        }
        let id = id.map_or("", |id| &id.value);
        trial::run(id, "check", check, report);
        if let Field::Given(apply) = &self.apply {
            trial::run(id, "apply", apply, report);
        }
        Action::Script {
            check: check.value.clone(),
            apply: self.apply.given().map(|apply| apply.value.clone()),
            detached: detached.is_some_and(|detached| detached.value),
        }
    }

    fn nothing_else(&self, report: &mut Report) {
        let apply = self.apply.given().map(|apply| ("apply", &apply.span));
        let detached = self.detached.given().map(|detached| ("detached", &detached.span));
        for (key, span) in apply.into_iter().chain(detached) {
            let problem = Problem::error(format!("`{key}` does not go with `builtin`"))
                .at(span.clone(), "a Rust step brings its own")
                .help(format!("remove `{key}`"));
            report.push(problem);
        }
    }
}

impl Names {
    fn check(&mut self, id: &At<String>, report: &mut Report) {
        let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let ends = |id: &str| id.starts_with('-') || id.ends_with('-');
        if id.value.is_empty() || !id.value.bytes().all(fine) || ends(&id.value) {
            let problem = Problem::error(format!("`{}` cannot be a step's id", id.value))
                .at(id.span.clone(), "lower-case letters, digits and `-` between them");
            report.push(problem);
        }
        let source = report.source();
        let place = source.place(id.span.start);
        let here = format!("{}:{}", source.name, place.line);
        match self.0.get(&id.value) {
            Some(there) => {
                let problem = Problem::error(format!("there are two steps with the id `{}`", id.value))
                    .at(id.span.clone(), "this is the second one")
                    .help(format!("the first one is in {there}; give one of them another id"));
                report.push(problem);
            }
            None => drop(self.0.insert(id.value.clone(), here)),
        }
    }
}

fn place(on: &At<String>, report: &mut Report) -> Option<On> {
    let name = one_of("on", on, &PLACES.map(|(name, _)| name), report)?;
    PLACES.into_iter().find(|(known, _)| *known == name).map(|(_, place)| place)
}

/// The known name that a value is; one that is not known is reported.
fn one_of<'a>(key: &str, value: &At<String>, known: &[&'a str], report: &mut Report) -> Option<&'a str> {
    let found = known.iter().find(|name| **name == value.value).copied();
    if found.is_none() {
        let label = nearest(&value.value, known.iter().copied())
            .map_or("this is not known".to_owned(), |near| format!("did you mean `{near}`?"));
        let problem = Problem::error(format!("`{}` is nothing that `{key}` can be", value.value))
            .at(value.span.clone(), label)
            .help(format!("known here: {}", known.join(", ")));
        report.push(problem);
    }
    found
}

/// A duration as people write it: `30s`, `5m`, `1h 30m`.
fn duration(key: &str, field: &Field<At<String>>, report: &mut Report) -> Option<Duration> {
    let text = field.given()?;
    let parsed = text.value.parse::<jiff::SignedDuration>().ok();
    let duration = parsed.and_then(|duration| Duration::try_from(duration).ok());
    let label = match duration {
        Some(duration) if duration <= Duration::from_secs(24 * 60 * 60) => return Some(duration),
        Some(_) => "this is more than a day",
        None => "this is no duration",
    };
    let problem = Problem::error(format!("`{key}` must be a duration of at most a day"))
        .at(text.span.clone(), label)
        .help("write a number and its unit, such as 30s, 5m or 1h 30m");
    report.push(problem);
    None
}
