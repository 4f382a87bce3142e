//! One recorded run, as every reporter shows it; and the views of a plan and a status.

mod replay;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use homeprov::engine::event::Event;
use homeprov::plan::Plan;
use homeprov::report::board::Board;
use homeprov::report::counts::Counts;
use homeprov::report::face::Verbosity;
use homeprov::report::json::Json;
use homeprov::report::lines::Lines;
use homeprov::report::paint::Paint;
use homeprov::report::plain::Plain;
use homeprov::report::redact::Redactor;
use homeprov::report::summary::{Subject, Summary};
use homeprov::report::terminal::{Screen, Terminal};
use homeprov::report::{Reporter, plan, proof, status};
use homeprov::ssh::Purpose;
use indicatif::{InMemoryTerm, ProgressDrawTarget};
use insta::{assert_snapshot, with_settings};
use replay::{at, events, failing_events};
use secrecy::SecretString;

/// What is written, for looking at.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("not poisoned").clone()).expect("UTF-8")
    }
}

fn replay(reporter: &mut dyn Reporter, events: &[(i64, Event)]) {
    for (second, event) in events {
        reporter.event(at(*second), event);
    }
    reporter.finish();
}

fn redactor() -> Redactor {
    Redactor::new([SecretString::from("hunter2")])
}

fn plain(verbosity: Verbosity, events: &[(i64, Event)]) -> String {
    let paper = Paper::default();
    let lines = Lines::new(verbosity, Paint::new(false), redactor());
    replay(&mut Plain::new(paper.clone(), lines), events);
    paper.text()
}

fn summary(events: &[(i64, Event)]) -> (String, String) {
    let (good, bad) = (Paper::default(), Paper::default());
    let paint = Paint::new(false);
    let again = ["up", "my lab/home.toml"].map(str::to_owned).to_vec();
    let subject =
        Subject { inventory: "my lab/home.toml".into(), again, journal: Some("/state/01RUN/events.jsonl".into()) };
    replay(&mut Summary::new((good.clone(), paint), (bad.clone(), paint), subject), events);
    (good.text(), bad.text())
}

macro_rules! shown {
    ($name:expr, $text:expr) => {
        with_settings!({ snapshot_path => "reports", prepend_module_to_snapshot => false, omit_expression => true }, {
            assert_snapshot!($name, $text);
        });
    };
}

#[test]
fn plain_lines() {
    shown!("plain", plain(Verbosity::Normal, &events()));
    shown!("plain-verbose", plain(Verbosity::Verbose, &events()));
    shown!("plain-failing", plain(Verbosity::Normal, &failing_events()));
}

#[test]
fn quiet_is_silent_but_for_trouble() {
    let text = plain(Verbosity::Quiet, &events());
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("! nuc2"), "{text}");
    shown!("plain-quiet-failing", plain(Verbosity::Quiet, &failing_events()));
}

#[test]
fn a_node_that_does_not_answer_is_not_said_to_hold() {
    let planned = |plan: &Plan| plain(Verbosity::Normal, &[(1, Event::Planned { turn: 1, plan: plan.clone() })]);
    let mut plan = Plan { pending: vec![], unreachable: BTreeMap::new() };
    assert!(planned(&plan).contains("everything holds"));
    plan.unreachable.insert("nuc1".to_owned(), "it does not answer".to_owned());
    let text = planned(&plan);
    assert!(text.contains("nothing is left to do on the nodes that answer") && !text.contains("everything"), "{text}");
}

#[test]
fn json_lines() {
    let paper = Paper::default();
    replay(&mut Json::new(paper.clone(), redactor()), &events());
    for line in paper.text().lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(value["schema"], 1, "{line}");
        assert!(value["event"].is_string() && value["time"].is_string(), "{line}");
    }
    shown!("json", paper.text());
}

#[test]
fn a_journal_is_shown_again_as_it_was() {
    let events = events();
    let lines: String = events
        .iter()
        .map(|(second, event)| homeprov::report::json::line(replay::at(*second), event, &redactor()).unwrap() + "\n")
        .collect();
    let recording = homeprov::report::replay::read(&lines);
    assert_eq!((recording.events.len(), recording.unread, recording.is_whole()), (events.len(), 0, true));
    let again: Vec<(i64, Event)> = recording
        .events
        .into_iter()
        .map(|recorded| (recorded.at.as_second() - replay::at(0).as_second(), recorded.event))
        .collect();
    assert_eq!(plain(Verbosity::Verbose, &again), plain(Verbosity::Verbose, &events));
    // Half a line at the end: the run was killed while it wrote.
    let cut = homeprov::report::replay::read(&lines[..lines.len() - 10]);
    assert_eq!((cut.events.len(), cut.unread, cut.is_whole()), (events.len() - 1, 1, false));
}

#[test]
fn no_reporter_shows_a_secret() {
    let verbose = plain(Verbosity::Verbose, &events());
    assert!(verbose.contains("the password is ***"), "{verbose}");
    let paper = Paper::default();
    replay(&mut Json::new(paper.clone(), redactor()), &events());
    assert!(paper.text().contains("the password is ***"));
    assert!(!(verbose + &paper.text()).contains("hunter2"));
}

#[test]
fn a_reader_that_went_away_is_no_reason_to_stop() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }
    let (mut board, mut json) = (Counts::default(), Json::new(Closed, redactor()));
    for (second, event) in events() {
        json.event(at(second), &event);
        board.count(&event);
    }
    json.finish();
    assert_eq!(board.execs(Purpose::Observe), 3);
    assert_eq!(board.connections, 3);
}

#[test]
fn the_end() {
    let (good, bad) = summary(&events());
    assert_eq!(bad, "");
    shown!("summary", good);
    let (good, bad) = summary(&failing_events());
    assert_eq!(good, "");
    shown!("summary-failing", bad);
}

#[test]
fn rows_of_the_live_view() {
    let mut board = Board::default();
    let mut moments = String::new();
    for (second, event) in events() {
        board.event(at(second), &event);
        if matches!(
            event,
            Event::RunStarted { .. } | Event::Planned { .. } | Event::StepRetry { .. } | Event::Waiting { .. }
        ) {
            let rows = board.rows(at(second), Paint::new(false)).join("\n");
            moments.extend([&format!("-- {second} s\n"), rows.as_str(), "\n"]);
        }
    }
    shown!("rows", moments);
}

#[test]
fn many_nodes_do_not_fill_the_terminal() {
    let nodes: Vec<String> = (1..=50).map(|number| format!("nuc{number}")).collect();
    let mut board = Board::default();
    board.event(at(0), &replay::started(&nodes));
    for node in &nodes[..20] {
        board.event(at(1), &replay::step_started(node));
    }
    let rows = board.rows(at(2), Paint::new(false));
    assert_eq!(rows.len(), 16);
    assert_eq!(rows[14], "  and 6 more");
}

#[test]
fn the_live_view_on_a_terminal() {
    let term = InMemoryTerm::new(16, 80);
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(term.clone()), 255);
    let screen = Screen::on(target, || 80);
    let lines = Lines::new(Verbosity::Normal, Paint::new(false), redactor());
    let mut terminal = Terminal::new(screen.clone(), lines, Paint::new(false));
    let events = events();
    let (before, after) = events.split_at(events.len() - 4);
    for (second, event) in before {
        terminal.event(at(*second), event);
    }
    let asked = screen.suspend(|| term.contents());
    assert!(!asked.contains("steps done"), "a question has the terminal for itself:\n{asked}");
    shown!("terminal", term.contents());
    for (second, event) in after {
        terminal.event(at(*second), event);
    }
    terminal.finish();
    shown!("terminal-end", term.contents());
}

#[test]
fn plan_views() {
    let (inventory, plan) = (replay::inventory(), replay::plan());
    let text =
        |plan: &homeprov::plan::Plan| plan::text(plan, &inventory, "homeprov up home.toml", Paint::new(false), 80);
    let shown = text(&plan);
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    shown!("plan", shown);
    shown!("plan-json", plan::json(&plan, &inventory).expect("JSON"));
    shown!("plan-refused", text(&replay::refused_plan()));
    shown!("plan-empty", text(&homeprov::plan::Plan::default()));
}

#[test]
fn status_views() {
    let healthy = replay::status();
    let text = status::text(&healthy, Paint::new(false), 80);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    shown!("status", text);
    shown!("status-json", status::json(&healthy).expect("JSON"));
    let degraded = status::text(&replay::degraded_status(), Paint::new(false), 80);
    assert!(degraded.lines().all(|line| line.chars().count() <= 80), "{degraded}");
    shown!("status-degraded", degraded);
}

#[test]
fn proof_views() {
    let proven = replay::proof();
    shown!("proof", proof::text(&proven, Paint::new(false), 100));
    shown!("proof-json", proof::json(&proven).expect("JSON"));
    shown!("proof-failing", proof::text(&replay::failed_proof(), Paint::new(false), 100));
}
