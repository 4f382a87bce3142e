//! Consumers of events: terminal, plain lines, JSON, journal. They see events and nothing else, and whatever they
//! do, the engine never waits for them.

pub mod app;
pub mod backup;
pub mod board;
pub mod bundle;
pub mod clean;
pub mod counts;
mod diff;
pub mod doctor;
pub mod drill;
pub mod face;
pub mod journal;
pub mod json;
pub mod lines;
mod margins;
pub mod paint;
pub mod plain;
pub mod plan;
pub mod pool;
pub mod proof;
pub mod relay;
pub mod repair;
pub mod replay;
mod site;
pub mod status;
mod storage;
pub mod summary;
pub mod terminal;
pub mod words;

use jiff::Timestamp;

use crate::engine::event::Event;

pub use crate::redact;
pub use relay::Relay;

/// Consumes the events of one run.
pub trait Reporter: Send {
    /// Takes one event; `at` is when it was received.
    fn event(&mut self, at: Timestamp, event: &Event);

    /// Time has passed: ten times a second at the most, and not at all while events come in.
    fn tick(&mut self, _at: Timestamp) {}

    /// No more events will come.
    fn finish(&mut self) {}
}
