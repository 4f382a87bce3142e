//! Detached jobs: what they are on the node, and how they are asked about.
//!
//! A job is the directory `/var/lib/homeprov/jobs/ID`, for root only: `script`, `output`, `boot_id`, `beginner`, `pid` and, once it
//! has ended, `status`. Making the directory decides who starts it; a directory `started` in it decides that it runs
//! once, even if systemd took the job and then failed to say so. It runs as a transient unit where systemd does, in a
//! session of its own elsewhere, and is bound by its limit there: the connection may break, homeprov may end.

use std::time::Duration;

use secrecy::SecretString;

use crate::bounded;

use super::frame::RawAnswer;
use super::script;
use super::transport::{Job, JobReport, JobState, Program, Purpose, Script};

/// Starts, looks at and ends jobs; see there for its arguments.
const TOOL: &str = include_str!("job.sh");
/// What a job's unit runs, after two lines that set `d` and `limit`.
const RUN: &str = include_str!("job-run.sh");

/// The script that starts a job, or attaches to it.
pub(super) fn start(job: &Job) -> Result<Script, script::NulByte> {
    let text = script::standalone(&job.program)?;
    let limit = script::whole_seconds(job.limit).to_string();
    Ok(tool(
        &["start", &job.id, &limit, &job.beginner, RUN],
        Some(SecretString::from(format!("{}\n", *text))),
        Duration::from_secs(30),
    ))
}

/// The script that waits up to a second for news of a job.
pub(super) fn poll(id: &str, offset: u64) -> Script {
    tool(&["poll", id, &offset.to_string()], None, Duration::from_secs(15))
}

/// The script that ends a job and forgets it.
pub(super) fn end(id: &str) -> Script {
    tool(&["end", id], None, Duration::from_secs(60))
}

fn tool(arguments: &[&str], input: Option<SecretString>, limit: Duration) -> Script {
    let argv = ["sh", "-c", TOOL, "homeprov-job"].iter().chain(arguments).copied().map(ToOwned::to_owned).collect();
    let program = Program::Command { argv, input };
    Script::single(Purpose::Job, "job", program, limit)
}

/// Whether an id is safe as the name of a directory and of a unit.
pub(super) fn is_valid(id: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    !id.is_empty() && id.len() <= 200 && !id.starts_with(['-', '.']) && id.chars().all(plain)
}

/// Reads what `start` and `poll` answer: `SIZE STATE [STATUS]` on a line, then the output from `offset` on. What is no
/// such report is an error that says what came instead.
pub fn report(answer: &RawAnswer, offset: u64) -> Result<JobReport, String> {
    let unreadable = || {
        let said = String::from_utf8_lossy(&answer.stderr);
        let last = said.lines().rev().find(|line| !line.trim().is_empty());
        match last {
            Some(line) => format!("a job cannot be kept there: {}", bounded::line(line)),
            None => format!("no report of a job, status {}", answer.status),
        }
    };
    let end = answer.stdout.iter().position(|&byte| byte == b'\n');
    let (line, output) = answer.stdout.split_at(end.ok_or_else(unreadable)?);
    let output = &output[1..];
    let line = String::from_utf8_lossy(line);
    let words: Vec<&str> = line.split_whitespace().collect();
    let (size, state) = match words[..] {
        [size, "running"] => (size, JobState::Running),
        [size, "lost"] => (size, JobState::Lost),
        [size, "absent"] => (size, JobState::Absent),
        [size, "finished", status] => (size, JobState::Finished(status.parse().map_err(|_| unreadable())?)),
        _ => return Err(unreadable()),
    };
    let size: u64 = size.parse().map_err(|_| unreadable())?;
    let running = state == JobState::Running;
    let all_here = offset.saturating_add(output.len() as u64) >= size;
    // A character may be cut in two by the end of the piece; its rest comes with the next one.
    let whole = if running || !all_here { output.len() - cut_character(output) } else { output.len() };
    // The end of a job is told with the last of its output, so that nobody stops reading too early.
    let state = match state {
        JobState::Finished(_) if !all_here => JobState::Running,
        state => state,
    };
    Ok(JobReport {
        state,
        output: String::from_utf8_lossy(&output[..whole]).into_owned(),
        offset: offset.saturating_add(whole as u64),
    })
}

/// Length of the incomplete UTF-8 character at the end.
fn cut_character(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let byte = bytes[bytes.len() - back];
        if byte & 0b1100_0000 == 0b1000_0000 {
            continue;
        }
        let wanted = match byte {
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            _ => 1,
        };
        return if wanted > back { back } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(stdout: &[u8]) -> RawAnswer {
        RawAnswer {
            status: 0,
            stdout: stdout.to_vec(),
            stderr: b"mkdir: cannot create directory: Read-only file system\n".to_vec(),
            timed_out: false,
        }
    }

    #[test]
    fn a_character_is_never_split() {
        let bytes = "7 running\nabcdé€".as_bytes();
        let first = report(&answer(&bytes[..bytes.len() - 1]), 0).unwrap();
        assert_eq!((first.output.as_str(), first.offset), ("abcdé", 6));
        let rest = report(&answer("9 finished 0\n€".as_bytes()), first.offset).unwrap();
        assert_eq!((rest.output.as_str(), rest.offset), ("€", 9));
        assert_eq!(rest.state, JobState::Finished(0));
    }

    #[test]
    fn the_end_is_told_with_the_last_output() {
        let part = report(&answer(b"10 finished 3\nabcd"), 0).unwrap();
        assert_eq!(part.state, JobState::Running);
        let last = report(&answer(b"10 finished 3\nefghij"), part.offset).unwrap();
        assert_eq!(last.state, JobState::Finished(3));
    }

    #[test]
    fn invalid_bytes_at_the_end_are_not_waited_for_forever() {
        let last = report(&answer(b"2 finished 0\na\xC3"), 0).unwrap();
        assert_eq!(last.offset, 2);
        assert_eq!(last.state, JobState::Finished(0));
        let alone = report(&answer(b"3 running\na\x80\x80"), 0).unwrap();
        assert_eq!(alone.offset, 3);
    }

    #[test]
    fn what_is_no_report_says_why() {
        let why = report(&answer(b""), 0).unwrap_err();
        assert_eq!(why, "a job cannot be kept there: mkdir: cannot create directory: Read-only file system");
    }

    #[test]
    fn only_plain_ids() {
        assert!(is_valid("homeprov-home-snap-installed-1a2b3c4d"));
        for bad in ["", ".", "..", "-x", "a/b", "a b", "a'b", "ä"] {
            assert!(!is_valid(bad), "{bad}");
        }
    }
}
