//! `homeprov up`

use std::sync::Arc;

use clap::Args;

use super::prompt;
use super::run::{Manner, Prints, RunArguments};
use crate::engine;
use crate::error::{ExitCode, Failure};
use crate::report::face::Verbosity;
use crate::report::terminal::Screen;
use crate::steps::repair::Ask;

/// Bring the machines to what the inventory says
#[derive(Debug, Args)]
#[command(help_template = super::HELP, before_help = "\
Examples:
  homeprov up home.toml
  homeprov up --json home.toml | jq -r 'select(.event == \"step-holds\").title'
  homeprov up home.toml              # again: continues, or finds nothing to do")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag one can type")]
pub(super) struct Arguments {
    #[command(flatten)]
    run: RunArguments,
    /// Write files a person edited in the repository anew
    #[arg(long)]
    overwrite: bool,
    /// Answer every question with yes, unknown host keys too
    #[arg(short, long)]
    yes: bool,
    /// Take out members that are not whole, after asking
    #[arg(long)]
    repair: bool,
    /// Take the lock from whoever holds it
    #[arg(long)]
    break_lock: bool,
    /// Print events as JSON, one object per line
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) async fn run(&self, verbosity: Verbosity) -> Result<ExitCode, Failure> {
        let manner = Manner { prints: Prints::Events, json: self.json, yes: self.yes, verbosity };
        if self.repair && !self.yes && !prompt::possible() {
            let message = "--repair asks before it takes anything out of the cluster: use a terminal, or add --yes";
            return Err(Failure::new(ExitCode::Usage, message));
        }
        let mut run = self.run.begin(&manner)?;
        run.session.break_lock = self.break_lock;
        run.session.overwrite = self.overwrite;
        run.session.repair = self.repair.then(|| self.ask(&run.screen));
        run.session.takeover = (self.yes || prompt::possible()).then(|| self.ask(&run.screen));
        let outcome = engine::up(&run.session).await;
        run.end().await;
        Ok(outcome.code)
    }

    fn ask(&self, screen: &Screen) -> Ask {
        let (yes, screen) = (self.yes, screen.clone());
        Arc::new(move |question| yes || prompt::confirm(&screen, question))
    }
}
