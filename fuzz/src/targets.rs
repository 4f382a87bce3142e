//! One function for each reader of text that somebody else wrote: it takes any bytes, and neither panics, nor hangs, nor
//! believes more than it may. The fuzzer calls them, and a test of homeprov's own with every file of the corpora.

use std::path::Path;
use std::time::{Duration, Instant};

use homeprov::diagnostic;
use homeprov::facts::parse;
use homeprov::inventory;
use homeprov::mastodon::owner;
use homeprov::microk8s::token::Token;
use homeprov::microk8s::{members, snap_info, snap_list};
use homeprov::playbook;
use homeprov::report::clean::clean;
use homeprov::report::face::Verbosity;
use homeprov::report::lines::Lines;
use homeprov::report::paint::Paint;
use homeprov::report::plain::Plain;
use homeprov::report::redact::Redactor;
use homeprov::report::{Reporter, json, replay};
use homeprov::ssh::frame::{self, RawAnswer, SECTION_MAX, Stream};
use homeprov::ssh::{Program, Purpose, Script, Section, job};

/// A target and its name.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const ALL: [Target; 7] = [
    ("frame", frame),
    ("job", job),
    ("node", node),
    ("microk8s", microk8s),
    ("inventory", inventory),
    ("playbook", playbook),
    ("journal", journal),
];

/// The two streams of an exec; the second begins after the first byte 255. They come in pieces of a few bytes or at once.
pub fn frame(bytes: &[u8]) {
    let mut halves = bytes.splitn(2, |&byte| byte == 255);
    let stream = |half: &[u8]| {
        let mut stream = Stream::default();
        let needle = frame::done_line("marker");
        let mut done = false;
        for piece in half.chunks(1 + half.len() % 61) {
            done |= stream.push(piece, &needle);
        }
        assert_eq!(done, half.windows(needle.len()).any(|window| window == needle), "the end is seen when it is there");
        stream
    };
    let (stdout, stderr) = (stream(halves.next().unwrap_or_default()), stream(halves.next().unwrap_or_default()));
    let section = |id: &str| Section {
        id: id.to_owned(),
        program: Program::Shell("true".to_owned()),
        limit: Duration::from_secs(3),
    };
    let script = Script { purpose: Purpose::Observe, sections: vec![section("one"), section("two")] };
    let sent = (Instant::now(), "2026-01-01T00:00:00Z".parse().expect("a time"));
    match frame::read(&script, "marker", sent, &stdout, &stderr) {
        Ok(answers) => {
            assert_eq!(answers.sections.len(), script.sections.len());
            assert!(answers.sections.iter().all(|section| section.stdout.len() <= SECTION_MAX));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// The report of a job, asked for from a few offsets.
pub fn job(bytes: &[u8]) {
    for offset in [0, 7, u64::MAX] {
        let answer = RawAnswer { status: 0, stdout: bytes.to_vec(), stderr: bytes.to_vec(), timed_out: false };
        if let Ok(report) = job::report(&answer, offset) {
            assert!(report.offset >= offset, "it never asks for what it has read");
        }
    }
}

/// What the fact probe of a node answers.
pub fn node(bytes: &[u8]) {
    let facts = parse::node_facts(&String::from_utf8_lossy(bytes));
    let shown = [&facts.os_id, &facts.os_name, &facts.architecture, &facts.host_name, &facts.machine_id, &facts.login];
    assert!(shown.iter().all(|text| !text.chars().any(char::is_control)), "nothing that steers a terminal");
    let _ = (facts.control_plane_up(), facts.healthy_member(), facts.alone());
}

/// What `snap`, `microk8s`, the data store's shell and `tootctl` print.
pub fn microk8s(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = (members::parse_json(&text), members::parse_yaml(&text), members::parse_yaml_entry(&text));
    let rows = snap_list::parse(&text);
    for (_, snap) in &rows {
        let _ = (snap.minor(), snap.held(), snap_list::can_hold(&snap.version));
    }
    let channels = snap_info::channels(&text);
    let _ = snap_info::lists(&channels, "1.36/stable");
    let _ = Token::read(&text);
    let _ = owner::read(0, &text, &text);
    assert!(!clean(&text).chars().any(char::is_control));
}

/// An inventory: whatever is wrong with it is told with its place.
pub fn inventory(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    match inventory::parse(Path::new("/srv/home.toml"), text) {
        Ok(loaded) => drop(diagnostic::render_all(&loaded.warnings, false, 80)),
        Err(invalid) => assert!(!invalid.render(true, 60).is_empty() && !invalid.problems().is_empty()),
    }
}

/// A playbook, the same.
pub fn playbook(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let builtins: Vec<&str> = homeprov::steps::names().collect();
    if let Err(invalid) = playbook::parse("00-any.toml", text, &builtins) {
        assert!(!invalid.render(true, 60).is_empty() && !invalid.problems().is_empty());
    }
}

/// A journal: what can be read of it is shown again, and written again as it was.
pub fn journal(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let recording = replay::read(&text);
    let mut plain = Plain::new(Vec::new(), Lines::new(Verbosity::Verbose, Paint::new(false), Redactor::default()));
    for recorded in &recording.events {
        plain.event(recorded.at, &recorded.event);
        let line = json::line(recorded.at, &recorded.event, &Redactor::default()).expect("an event is JSON");
        assert_eq!(replay::read(&line).events.len(), 1, "what was read once is read again: {line}");
    }
    plain.finish();
}
