//! Reads the answers of an exec out of whatever the login shell printed around them.
//!
//! On the wire: noise, `MARK begin SECONDS`, `MARK answers STATUS:FROM:TO … sizes BYTES …`, the bytes, `MARK end`,
//! noise. After the first mark everything is found by length, so no text in an answer is ever searched.

use std::time::Duration;

use super::script::SECTION_BYTES;
use super::{Script, SectionAnswer};

/// The longest answer of one exec, in bytes.
const EXEC_BYTES: usize = 16 * 1024 * 1024;

/// The most that may come before the first mark.
const NOISE_BYTES: usize = 1024 * 1024;

/// One section's answer, as bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RawAnswer {
    /// Exit status.
    pub(super) status: i32,
    /// Standard output.
    pub(super) stdout: Vec<u8>,
    /// Standard error.
    pub(super) stderr: Vec<u8>,
    /// Whether its limit ran out.
    pub(super) timed_out: bool,
}

impl RawAnswer {
    /// As text, invalid UTF-8 replaced.
    pub(super) fn into_text(self) -> SectionAnswer {
        SectionAnswer {
            status: self.status,
            stdout: String::from_utf8_lossy(&self.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&self.stderr).into_owned(),
            timed_out: self.timed_out,
        }
    }
}

/// What can be said of the bytes received so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frames {
    /// More is needed.
    Partial,
    /// All answers, in the order of the script's sections.
    Complete(Vec<RawAnswer>),
    /// It will never be an answer.
    Broken(String),
}

/// Where the text after `MARK begin ` is, once its line is complete: the node's clock in seconds, and the place
/// of what follows.
pub(super) fn begin<'a>(bytes: &'a [u8], marker: &str) -> Option<(&'a str, usize)> {
    let prefix = format!("{marker} begin ");
    let start = find(bytes, prefix.as_bytes())? + prefix.len();
    let length = bytes[start..].iter().position(|&byte| byte == b'\n')?;
    let clock = std::str::from_utf8(&bytes[start..start + length]).unwrap_or("");
    Some((clock, start + length + 1))
}

/// Whether a line `MARK WORD` is there, and what follows the word on it.
pub(super) fn word<'a>(bytes: &'a [u8], marker: &str, word: &str) -> Option<&'a str> {
    let prefix = format!("{marker} {word}");
    let start = find(bytes, prefix.as_bytes())? + prefix.len();
    let length = bytes[start..].iter().position(|&byte| byte == b'\n')?;
    std::str::from_utf8(&bytes[start..start + length]).ok().map(str::trim)
}

/// Reads the answers to `script`; `from` is what [`begin`] gave.
pub(super) fn answers(bytes: &[u8], from: usize, marker: &str, script: &Script) -> Frames {
    let prefix = format!("{marker} answers ");
    let Some(start) = find(&bytes[from..], prefix.as_bytes()) else {
        return if bytes.len() - from > NOISE_BYTES {
            Frames::Broken("too much noise before the answers".to_owned())
        } else {
            Frames::Partial
        };
    };
    let start = from + start + prefix.len();
    let Some(length) = bytes[start..].iter().position(|&byte| byte == b'\n') else {
        return Frames::Partial;
    };
    let Some(table) =
        std::str::from_utf8(&bytes[start..start + length]).ok().and_then(|line| Table::read(line, script))
    else {
        return Frames::Broken("its table of contents makes no sense".to_owned());
    };
    if let Some((section, size)) = table.too_large(script) {
        return Frames::Broken(format!("section {section} printed {size} bytes, at most {SECTION_BYTES} are taken"));
    }
    let total: usize = table.sizes.iter().sum();
    if total > EXEC_BYTES {
        return Frames::Broken(format!("{total} bytes in all, at most {EXEC_BYTES} are taken"));
    }
    let data = start + length + 1;
    let end = format!("\n{marker} end\n");
    if bytes.len() < data + total + end.len() {
        return Frames::Partial;
    }
    if &bytes[data + total..data + total + end.len()] != end.as_bytes() {
        return Frames::Broken("its end is not where it should be".to_owned());
    }
    Frames::Complete(table.cut(&bytes[data..data + total], script))
}

/// Whether this much noise without a mark is enough to give up.
pub(super) fn hopeless(bytes: &[u8]) -> bool {
    bytes.len() > NOISE_BYTES
}

struct Table {
    /// Exit status and how long it took, when the node can tell.
    results: Vec<(i32, Option<Duration>)>,
    /// Two for each section.
    sizes: Vec<usize>,
}

impl Table {
    fn read(line: &str, script: &Script) -> Option<Self> {
        let (results, sizes) = line.trim_end().split_once("sizes")?;
        let results: Vec<_> = results.split_whitespace().map(result).collect::<Option<_>>()?;
        let sizes: Vec<usize> = sizes.split_whitespace().map(|size| size.parse().ok()).collect::<Option<_>>()?;
        let wanted = script.sections.len();
        (results.len() == wanted && sizes.len() == 2 * wanted).then_some(Self { results, sizes })
    }

    fn too_large<'a>(&self, script: &'a Script) -> Option<(&'a str, usize)> {
        let place = self.sizes.iter().position(|&size| size > SECTION_BYTES)?;
        Some((&script.sections[place / 2].id, self.sizes[place]))
    }

    fn cut(&self, mut data: &[u8], script: &Script) -> Vec<RawAnswer> {
        let mut take = |size: usize| {
            let (head, tail) = data.split_at(size);
            data = tail;
            head.to_vec()
        };
        let sections = script.sections.iter().zip(&self.results);
        sections
            .zip(self.sizes.chunks_exact(2))
            .map(|((section, &(status, took)), sizes)| RawAnswer {
                status,
                stdout: take(sizes[0]),
                stderr: take(sizes[1]),
                timed_out: timed_out(status, took, section.limit),
            })
            .collect()
    }
}

/// `timeout` reports 124, or 137 when it had to kill. A command may end with the same numbers of its own accord,
/// so the time it took has the last word.
fn timed_out(status: i32, took: Option<Duration>, limit: Duration) -> bool {
    // /proc/uptime counts hundredths of a second.
    let tick = Duration::from_millis(20);
    matches!(status, 124 | 137) && took.is_none_or(|took| took + tick >= limit)
}

/// `STATUS:FROM:TO`, times in seconds since the node's start.
fn result(field: &str) -> Option<(i32, Option<Duration>)> {
    let mut parts = field.split(':');
    let status = parts.next()?.parse().ok()?;
    let from: Option<f64> = parts.next()?.parse().ok();
    let to: Option<f64> = parts.next()?.parse().ok();
    let took = from.zip(to).and_then(|(from, to)| Duration::try_from_secs_f64(to - from).ok());
    Some((status, took))
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}
