//! What ends a drill before its time: the user asks to stop, or another run takes the lock away.

use tokio::sync::watch;

use crate::engine::lock::{Held, taken_away};
use crate::engine::outcome::{self, Outcome};
use crate::engine::stop::Stop;
use crate::error::ExitCode;

/// Tells whether the drill is to end. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Halt {
    stop: Stop,
    lost: watch::Receiver<Option<Held>>,
}

/// Why a drill ends before its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    /// The user asked for it.
    Asked,
    /// Another run took the lock away: what is in the cluster is that run's to change.
    Lost(Held),
}

impl Halt {
    pub(super) fn new(stop: &Stop, lost: watch::Receiver<Option<Held>>) -> Self {
        Self { stop: stop.clone(), lost }
    }

    /// Why it is to end; none as long as it may go on.
    pub(super) fn cause(&self) -> Option<Cause> {
        let held = self.lost.borrow().clone();
        held.map(Cause::Lost).or_else(|| self.stop.asked().then_some(Cause::Asked))
    }

    /// Whether another run holds the lock.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.borrow().is_some()
    }

    /// Waits until another run takes the lock away.
    pub(super) async fn lost(&self) -> Held {
        taken_away(self.lost.clone()).await
    }

    /// Waits until it is to end.
    pub(super) async fn wait(&self) -> Cause {
        tokio::select! {
            held = self.lost() => Cause::Lost(held),
            () = self.stop.wait() => Cause::Asked,
        }
    }
}

impl Cause {
    /// How a drill ends that has taken nothing away.
    pub(super) fn before(&self) -> Outcome {
        match self {
            Self::Asked => outcome::interrupted(),
            Self::Lost(held) => outcome::locked(held),
        }
    }

    /// How one ends whose node is back.
    pub(super) fn after(&self, node: &str) -> Outcome {
        match self {
            Self::Asked => Outcome::new(ExitCode::Interrupted, format!("interrupted; {node} is back")),
            Self::Lost(held) => {
                Outcome::new(ExitCode::Locked, format!("broken off, and {node} is back: {}", held.text()))
            }
        }
    }

    /// What the cluster remembers of it.
    pub(super) fn result(&self) -> &'static str {
        match self {
            Self::Asked => "it was interrupted",
            Self::Lost(_) => "it was broken off: another run took the lock",
        }
    }
}
