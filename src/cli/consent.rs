//! What a command that asks before it changes something can be told beforehand.

use std::sync::Arc;

use clap::Args;

use super::prompt;
use crate::report::terminal::Screen;
use crate::steps::repair::Ask;

// No documentation here: clap would take it for that of the command.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Consent {
    /// Answer every question with yes, unknown host keys too
    #[arg(short, long)]
    pub(super) yes: bool,
    /// Take the lock from whoever holds it
    #[arg(long)]
    pub(super) break_lock: bool,
}

impl Consent {
    /// Whether questions are answered: beforehand, or by somebody at a terminal.
    pub(super) fn possible(self) -> bool {
        self.yes || prompt::possible()
    }

    /// The way the engine asks.
    pub(super) fn ask(self, screen: &Screen) -> Ask {
        let screen = screen.clone();
        Arc::new(move |question| self.yes || prompt::confirm(&screen, question))
    }
}
