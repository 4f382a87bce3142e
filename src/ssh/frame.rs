//! Reads the answers of an exec out of what came back on its two streams.
//!
//! Both streams carry the same frames: `MARKER hello`, then per section `MARKER begin UPTIME` and `MARKER end STATUS
//! UPTIME`, then `MARKER done`, each on a line of its own. The marker is random and made for one exec, and no section
//! is told it, so whatever a login shell prints around the frames, and whatever a section prints inside of them, is
//! taken for what it is.

use std::time::{Duration, Instant};

use jiff::SignedDuration;

use super::script;
use super::transport::Script;

/// Most bytes one section may print on one stream.
pub const SECTION_MAX: usize = 1024 * 1024;
/// What the two times of a section may be off together: `/proc/uptime` counts hundredths.
const TICK: Duration = Duration::from_millis(20);
/// Pieces that come within such a time have arrived at once.
const SAME_TIME: Duration = Duration::from_millis(1);
/// Most bytes one exec may print on one stream.
pub const EXEC_MAX: usize = 8 * 1024 * 1024;

/// A section's answer, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawAnswer {
    /// Exit status as the shell tells it.
    pub status: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// Whether its limit ran out.
    pub timed_out: bool,
}

/// All answers of an exec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawAnswers {
    /// In the order of the script's sections.
    pub sections: Vec<RawAnswer>,
    /// The node's clock minus ours, when it was measured.
    pub clock_offset: Option<SignedDuration>,
}

/// Why the frames cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The script never began.
    #[error("the script did not begin")]
    NoHello,
    /// It began and was cut short.
    #[error("the answer ends within {0}")]
    Cut(String),
    /// A section printed more than [`SECTION_MAX`].
    #[error("{0} printed more than 1 MiB")]
    TooLarge(String),
}

/// One stream as it came in.
#[derive(Debug, Default, Clone)]
pub struct Stream {
    /// Everything so far.
    pub bytes: Vec<u8>,
    /// When each piece had arrived: total length then, and the time.
    arrivals: Vec<(usize, Instant)>,
}

impl Stream {
    /// Appends a piece, and tells whether `needle` is complete in it for the first time.
    pub fn push(&mut self, piece: &[u8], needle: &[u8]) -> bool {
        let from = self.bytes.len().saturating_sub(needle.len());
        self.bytes.extend_from_slice(piece);
        let (length, now) = (self.bytes.len(), Instant::now());
        match self.arrivals.last_mut() {
            // A stream that trickles in byte by byte must not need more room for the times than for the bytes.
            Some((end, first)) if now.saturating_duration_since(*first) < SAME_TIME => *end = length,
            _ => self.arrivals.push((length, now)),
        }
        find(&self.bytes, needle, from).is_some()
    }

    fn arrived(&self, offset: usize) -> Option<Instant> {
        let index = self.arrivals.partition_point(|(length, _)| *length < offset);
        self.arrivals.get(index).map(|(_, time)| *time)
    }
}

/// The line that ends a stream.
pub fn done_line(marker: &str) -> Vec<u8> {
    format!("\n{marker} done").into_bytes()
}

/// Whether the script has begun.
pub fn has_begun(stdout: &[u8], marker: &str) -> bool {
    find(stdout, format!("\n{marker} hello").as_bytes(), 0).is_some()
}

/// Reads the answers to `script`, sent at `sent`.
pub fn read(
    script: &Script,
    marker: &str,
    sent: (Instant, jiff::Timestamp),
    stdout: &Stream,
    stderr: &Stream,
) -> Result<RawAnswers, FrameError> {
    let mut out = Frames::new(stdout, marker);
    let mut err = Frames::new(stderr, marker);
    let hello = out.next("hello").ok_or(FrameError::NoHello)?;
    err.next("hello");
    let clock_offset = clock_offset(&hello, sent);
    let mut sections = Vec::with_capacity(script.sections.len());
    for section in &script.sections {
        let cut = || FrameError::Cut(format!("section {}", section.id));
        let begin = out.next("begin").ok_or_else(cut)?;
        let end = out.next("end").ok_or_else(cut)?;
        err.next("begin").ok_or_else(cut)?;
        let err_end = err.next("end").ok_or_else(cut)?;
        if end.before.len() > SECTION_MAX || err_end.before.len() > SECTION_MAX {
            return Err(FrameError::TooLarge(format!("section {}", section.id)));
        }
        let (status, clock) = end.rest.split_once(' ').unwrap_or((end.rest, ""));
        let status = status.parse().map_err(|_| cut())?;
        let limit = Duration::from_secs(script::whole_seconds(section.limit));
        // timeout(1) says 124, or 137 for one that would not end at TERM; a section may say so of its own accord.
        let late = match uptimes(&begin, clock) {
            Some((from, to)) => to.saturating_sub(from) + TICK >= limit,
            None => status == 124 || arrivals(&begin, &end) >= limit,
        };
        sections.push(RawAnswer {
            status,
            stdout: end.before.to_vec(),
            stderr: err_end.before.to_vec(),
            timed_out: late && matches!(status, 124 | 137),
        });
    }
    out.next("done").ok_or_else(|| FrameError::Cut("its last line".into()))?;
    Ok(RawAnswers { sections, clock_offset })
}

/// When a section began and ended by the node's clock, where it has one to tell.
fn uptimes(begin: &Frame<'_>, end: &str) -> Option<(Duration, Duration)> {
    let time = |text: &str| Duration::try_from_secs_f64(text.trim().parse().ok()?).ok();
    time(begin.rest).zip(time(end))
}

/// How long a section took by the arrival of its frames.
fn arrivals(begin: &Frame<'_>, end: &Frame<'_>) -> Duration {
    match (begin.arrived, end.arrived) {
        (Some(begin), Some(end)) => end.saturating_duration_since(begin),
        _ => Duration::ZERO,
    }
}

/// One frame line, and what came before it.
struct Frame<'a> {
    before: &'a [u8],
    rest: &'a str,
    arrived: Option<Instant>,
}

/// The frame lines of a stream, one after another.
struct Frames<'a> {
    stream: &'a Stream,
    needle: Vec<u8>,
    at: usize,
}

impl<'a> Frames<'a> {
    fn new(stream: &'a Stream, marker: &str) -> Self {
        Self { stream, needle: format!("\n{marker} ").into_bytes(), at: 0 }
    }

    /// The next frame line, if its word is the one expected.
    fn next(&mut self, word: &str) -> Option<Frame<'a>> {
        let bytes = &self.stream.bytes;
        let start = find(bytes, &self.needle, self.at)?;
        let text = start + self.needle.len();
        let length = bytes[text..].iter().position(|&byte| byte == b'\n')?;
        let line = std::str::from_utf8(&bytes[text..text + length]).ok()?.trim_end_matches('\r');
        let rest = line.strip_prefix(word)?.trim_start();
        let before = &bytes[self.at..start];
        self.at = text + length + 1;
        Some(Frame { before, rest, arrived: self.stream.arrived(self.at) })
    }
}

/// The node read its clock about half way between sending the script and the arrival of the line.
fn clock_offset(hello: &Frame<'_>, (sent, sent_at): (Instant, jiff::Timestamp)) -> Option<SignedDuration> {
    let there = parse_clock(hello.rest)?;
    let travel = hello.arrived?.saturating_duration_since(sent) / 2;
    let here = sent_at + SignedDuration::try_from(travel).ok()?;
    Some(there.duration_since(here))
}

/// `SECONDS.NANOSECONDS`; a `date` that does not know `%N` leaves it out or prints it as it is.
fn parse_clock(text: &str) -> Option<jiff::Timestamp> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let nanoseconds = match fraction.len() {
        9 => fraction.parse().unwrap_or(0),
        _ => 0,
    };
    jiff::Timestamp::new(seconds.parse().ok()?, nanoseconds).ok()
}

fn find(haystack: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    haystack.get(from..)?.windows(needle.len()).position(|window| window == needle).map(|position| from + position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_with_and_without_nanoseconds() {
        let at = |text| parse_clock(text).map(|time| time.to_string());
        assert_eq!(at("1700000000.250000000").as_deref(), Some("2023-11-14T22:13:20.25Z"));
        assert_eq!(at("1700000000.%N").as_deref(), Some("2023-11-14T22:13:20Z"));
        assert_eq!(at("1700000000.").as_deref(), Some("2023-11-14T22:13:20Z"));
        assert_eq!(at(""), None);
    }

    #[test]
    fn the_clock_is_corrected_by_half_the_way() {
        let sent = Instant::now();
        let at = jiff::Timestamp::from_second(1_700_000_000).unwrap();
        let hello = Frame { before: b"", rest: "1700000010.500000000", arrived: Some(sent + Duration::from_secs(1)) };
        assert_eq!(clock_offset(&hello, (sent, at)), Some(SignedDuration::from_secs(10)));
    }

    #[test]
    fn the_last_line_is_seen_across_pieces() {
        let needle = done_line("marker");
        let mut stream = Stream::default();
        assert!(!stream.push(b"noise\nmark", &needle));
        assert!(!stream.push(b"er do", &needle));
        assert!(stream.push(b"ne\nmore noise", &needle));
    }
}
