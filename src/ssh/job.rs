//! Detached jobs: commands that outlive the connection, in a folder of their own on the node.
//!
//! `/var/lib/homeprov/jobs/ID/` holds `script`, `output`, `status` once there is one, `boot_id` and `pid`. A job runs
//! as a transient systemd unit, or in a session of its own where there is no systemd.

use std::time::Duration;

use secrecy::SecretString;

use super::frame::RawAnswer;
use super::script::{PATH, seconds, shell_text, with_input};
use super::{Job, JobReport, JobState, Program, Section, TransportError};

const SHARED: &str = include_str!("job.sh");
const RUN: &str = include_str!("job_run.sh");
const FOLDER: &str = "/var/lib/homeprov/jobs";

/// How long a poll waits for news, in tenths of a second.
const PATIENCE: u32 = 9;

/// Starts a job, or attaches to it; the answer is a report from the first byte.
pub(super) fn start(job: &Job) -> Result<Section, TransportError> {
    let input = match &job.program {
        Program::Command { input, .. } => input.as_ref(),
        Program::Shell(_) => None,
    };
    let script = shell_text(&job.program)?.into();
    let run = format!("PATH={PATH}\nLIMIT={}\n{RUN}", seconds(job.limit)).into();
    let body = format!(
        "umask 077\nmkdir -p \"$b\" && chmod 700 \"$b\" || exit 1\n\
         if [ ! -d \"$d\" ]; then\nt=$b/.$id.$$\nrm -rf \"$t\"\nmkdir \"$t\" || exit 1\n\
         {}{}{}begin\nfi\nreport 0 0\n",
        with_input("w \"$t/script\"", Some(&script))?,
        with_input("w \"$t/input\"", input)?,
        with_input("w \"$t/run\"", Some(&run))?,
    );
    section(&job.id, &body, Duration::from_secs(30))
}

/// A report from byte `offset`.
pub(super) fn poll(id: &str, offset: u64) -> Result<Section, TransportError> {
    section(id, &format!("report {offset} {PATIENCE}\n"), Duration::from_secs(15))
}

/// Ends a job and forgets it.
pub(super) fn end(id: &str) -> Result<Section, TransportError> {
    section(id, "end\n", Duration::from_secs(60))
}

/// The text travels on standard input: it may hold what a command line must not show.
fn section(id: &str, body: &str, limit: Duration) -> Result<Section, TransportError> {
    let letters = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.');
    if id.is_empty() || id.len() > 200 || id.starts_with(['.', '-']) || !id.chars().all(letters) {
        return Err(TransportError::Local(format!("{id:?} is not a job's id")));
    }
    let text = format!("job() {{\nid={id}\nb={FOLDER}\nd=$b/$id\n{SHARED}{body}exit 0\n}}\njob\n");
    Ok(Section {
        id: "job".to_owned(),
        program: Program::Command { argv: vec!["sh".to_owned()], input: Some(SecretString::from(text)) },
        limit,
    })
}

/// Reads a report: `STATE FROM SIZE`, a newline, and output from byte FROM.
pub(super) fn report(answer: &RawAnswer) -> Result<JobReport, String> {
    let said = String::from_utf8_lossy(&answer.stderr);
    let unreadable = || format!("no report, exit status {}: {}", answer.status, said.trim());
    let line = answer.stdout.iter().position(|&byte| byte == b'\n').ok_or_else(unreadable)?;
    let (head, bytes) = answer.stdout.split_at(line);
    let bytes = &bytes[1..];
    let head = std::str::from_utf8(head).map_err(|_| unreadable())?;
    let mut words = head.split(' ');
    let state = match words.next() {
        Some("running") => JobState::Running,
        Some("lost") => JobState::Lost,
        Some("absent") => JobState::Absent,
        Some(other) => JobState::Finished(
            other.strip_prefix("finished:").and_then(|status| status.parse().ok()).ok_or_else(unreadable)?,
        ),
        None => return Err(unreadable()),
    };
    let mut number = || words.next().and_then(|word| word.parse::<u64>().ok());
    let (from, size) = number().zip(number()).ok_or_else(unreadable)?;
    let all = from + bytes.len() as u64 >= size;
    // A character is reported whole or not yet, unless nothing more can come.
    let whole = if all && state != JobState::Running { bytes.len() } else { whole_characters(bytes) };
    Ok(JobReport {
        // There is more to read: the end of the job comes after it.
        state: if all { state } else { JobState::Running },
        output: String::from_utf8_lossy(&bytes[..whole]).into_owned(),
        offset: from + whole as u64,
    })
}

/// The length without a character that is cut at the end.
fn whole_characters(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(4) {
        let place = bytes.len() - back;
        let width = match bytes[place] {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        return if width > back { place } else { bytes.len() };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(stdout: &[u8]) -> RawAnswer {
        RawAnswer { stdout: stdout.to_vec(), ..RawAnswer::default() }
    }

    #[test]
    fn a_character_is_never_split() {
        let text = "aé€😀";
        for cut in 0..=text.len() {
            let mut wire = format!("running 0 {}\n", text.len()).into_bytes();
            wire.extend_from_slice(&text.as_bytes()[..cut]);
            let report = report(&answer(&wire)).unwrap();
            assert!(text.starts_with(&report.output), "{report:?}");
            assert!(cut - report.output.len() < 4);
            assert_eq!(report.offset, report.output.len() as u64);
        }
    }

    #[test]
    fn the_end_is_told_after_all_output() {
        let more = report(&answer(b"finished:3 0 9\nabc")).unwrap();
        assert_eq!((more.state, more.offset), (JobState::Running, 3));
        let end = report(&answer(b"finished:3 3 9\ndefghi")).unwrap();
        assert_eq!((end.state, end.offset), (JobState::Finished(3), 9));
        // Bytes that are no text do not hold it up.
        let odd = report(&answer(b"finished:0 0 1\n\xe2")).unwrap();
        assert_eq!((odd.state, odd.offset), (JobState::Finished(0), 1));
    }

    #[test]
    fn ids_that_could_leave_the_folder_are_refused() {
        for id in ["", "..", "a/b", "-x", "a b", "a'b", "a$b", ".a"] {
            assert!(matches!(poll(id, 0), Err(TransportError::Local(_))), "{id}");
        }
        assert!(poll("homeprov-home-snap.x-1a", 0).is_ok());
    }
}
