//! A reader of transcripts, and what two texts may differ in.

pub mod replay;

use std::fmt;
use std::path::Path;

/// One command of a transcript.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The command line.
    pub command: String,
    /// Where it ran.
    pub node: String,
    /// When it ended, in seconds.
    pub at: i64,
    /// Its exit status.
    pub status: i32,
    /// How long it took, in milliseconds.
    pub wall: u64,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// What differed.
pub struct Mismatch {
    pub at: usize,
    pub command: String,
    pub what: &'static str,
    pub wanted: String,
    pub got: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "entry {}: $ {}\n  {} differs", self.at, self.command, self.what)?;
        let (wanted, got): (Vec<&str>, Vec<&str>) = (self.wanted.lines().collect(), self.got.lines().collect());
        for at in 0..wanted.len().max(got.len()) {
            let (left, right) = (wanted.get(at).copied(), got.get(at).copied());
            if left != right {
                writeln!(
                    f,
                    "    transcript: {}\n    world:      {}",
                    left.unwrap_or("(nothing)"),
                    right.unwrap_or("(nothing)")
                )?;
            }
        }
        Ok(())
    }
}

/// The entries of `transcripts/NAME.txt`: `$ command`, `# node time rc=N wall=S`, the two streams. Lines between entries
/// are remarks.
pub fn read(name: &str) -> Vec<Entry> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/transcripts/{name}.txt"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut entries: Vec<Entry> = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(command) = line.strip_prefix("$ ") else {
            continue;
        };
        let head: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
        let field = |key: &str| head.iter().find_map(|word| word.strip_prefix(key)).unwrap_or_default().to_owned();
        let mut streams = [String::new(), String::new()];
        let mut stream = 0;
        while let Some(line) = lines.peek() {
            if line.starts_with("$ ") || (stream == 1 && line.starts_with('(')) {
                break;
            }
            match *line {
                "--- stdout" => stream = 0,
                "--- stderr" => stream = 1,
                line => {
                    streams[stream].push_str(line);
                    streams[stream].push('\n');
                }
            }
            lines.next();
        }
        let [stdout, stderr] = streams;
        let wall: f64 = field("wall=").trim_end_matches('s').parse().expect("a duration");
        entries.push(Entry {
            command: command.to_owned(),
            node: head[1].to_owned(),
            at: head[2].parse::<jiff::Timestamp>().expect("a time").as_second(),
            status: field("rc=").parse().expect("a status"),
            wall: std::time::Duration::from_secs_f64(wall).as_millis().try_into().expect("a short time"),
            stdout,
            stderr,
        });
    }
    assert!(!entries.is_empty(), "{name} has no entries");
    entries
}

/// A text without what differs between two runs: tokens, checks, dqlite's ids, ages (and with them column widths),
/// cluster addresses, blank lines at its end.
pub fn normal(text: &str) -> String {
    let mut out = String::new();
    for line in text.trim_end_matches('\n').lines() {
        let line = without_service_address(line);
        let mut line: String = line.split_inclusive(|c: char| !c.is_ascii_alphanumeric()).map(word).collect();
        if line.contains("<age>") || line.contains(" AGE ") {
            line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        }
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// The last number of an address of a Service is whatever was free.
fn without_service_address(line: &str) -> String {
    let Some((before, after)) = line.split_once("10.152.183.") else { return line.to_owned() };
    let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{before}<service>{rest}")
}

fn word(piece: &str) -> String {
    let end = piece.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(piece.len());
    let (word, rest) = piece.split_at(end);
    let hex = word.bytes().all(|byte| byte.is_ascii_hexdigit()) && !word.is_empty();
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    let kind = match word.len() {
        32 if hex => "<token>",
        12 if hex => "<check>",
        15.. if digits => "<id>",
        _ if is_age(word) => "<age>",
        _ => word,
    };
    format!("{kind}{rest}")
}

/// `9s`, `2m30s`, `3h`, `4d5h`.
fn is_age(word: &str) -> bool {
    let parts = word.split_inclusive(['s', 'm', 'h', 'd']);
    let good = |part: &str| {
        part.len() > 1
            && part.ends_with(['s', 'm', 'h', 'd'])
            && part[..part.len() - 1].bytes().all(|byte| byte.is_ascii_digit())
    };
    !word.is_empty() && parts.into_iter().all(good)
}
