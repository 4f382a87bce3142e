//! What was run on the nodes, and when: for tests that ask whether anything was run twice at once.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::json;

/// The simulated programs that were run, in the order of their beginning.
#[derive(Debug)]
pub struct Commands {
    began: Instant,
    all: Arc<Mutex<Vec<Entry>>>,
}

#[derive(Debug)]
struct Entry {
    machine: String,
    argv: Vec<String>,
    /// Milliseconds since the lab's start, by the real clock.
    began: u128,
    ended: Option<u128>,
}

/// A program that runs, until this is dropped.
#[derive(Debug)]
pub struct Running {
    started: Instant,
    all: Arc<Mutex<Vec<Entry>>>,
    index: usize,
}

impl Default for Commands {
    fn default() -> Self {
        Self { began: Instant::now(), all: Arc::default() }
    }
}

fn locked(all: &Mutex<Vec<Entry>>) -> MutexGuard<'_, Vec<Entry>> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Commands {
    /// A program begins on a machine.
    pub fn begins(&self, machine: &str, argv: &[String]) -> Running {
        let mut all = locked(&self.all);
        let began = self.began.elapsed().as_millis();
        all.push(Entry { machine: machine.to_owned(), argv: argv.to_vec(), began, ended: None });
        Running { started: self.began, all: Arc::clone(&self.all), index: all.len() - 1 }
    }

    /// All of them, a JSON object a line; the end of one that runs is null.
    pub fn listing(&self) -> String {
        let mut text = String::new();
        for Entry { machine, argv, began, ended } in &*locked(&self.all) {
            let line = json!({ "machine": machine, "argv": argv, "began": began, "ended": ended });
            writeln!(text, "{line}").expect("text");
        }
        text
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let now = self.started.elapsed().as_millis();
        if let Some(entry) = locked(&self.all).get_mut(self.index) {
            entry.ended = Some(now);
        }
    }
}
