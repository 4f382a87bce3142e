//! A journal read back: the events of an earlier run, with the times they came at.

use std::fs;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;

use super::journal::FILE;
use crate::engine::event::Event;

/// An event and when it came.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// When the journal was given it.
    pub at: Timestamp,
    /// The event, as far as the journal tells: secrets are not in it.
    pub event: Event,
}

/// The journal of a run.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    /// What could be read, in order.
    pub events: Vec<Recorded>,
    /// How many lines could not: written by another version, or cut off with their run.
    pub unread: usize,
}

#[derive(Deserialize)]
struct Time {
    time: Timestamp,
}

/// Reads the lines of a journal.
pub fn read(text: &str) -> Recording {
    let mut recording = Recording::default();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let time = serde_json::from_str::<Time>(line);
        match (time, serde_json::from_str(line)) {
            (Ok(Time { time: at }), Ok(event)) => recording.events.push(Recorded { at, event }),
            _ => recording.unread += 1,
        }
    }
    recording
}

impl Recording {
    /// Whether the run came to its end.
    pub fn is_whole(&self) -> bool {
        self.events.iter().any(|recorded| matches!(recorded.event, Event::RunFinished { .. }))
    }
}

/// The ids of the runs that have a journal in a state folder, the oldest first: their ids are in the order of time.
pub fn runs(state: &Path) -> io::Result<Vec<String>> {
    let folder = match fs::read_dir(state.join("runs")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        folder => folder?,
    };
    let mut runs = Vec::new();
    for entry in folder {
        let entry = entry?;
        if entry.path().join(FILE).is_file() {
            runs.extend(entry.file_name().into_string());
        }
    }
    runs.sort();
    Ok(runs)
}

/// Reads the journal of a run.
pub fn of_run(state: &Path, run: &str) -> io::Result<String> {
    let bytes = fs::read(state.join("runs").join(run).join(FILE))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
