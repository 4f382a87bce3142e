//! `homeprov up`

use clap::Args;

use super::consent::Consent;
use super::run::{Manner, Prints, RunArguments};
use crate::engine;
use crate::error::{ExitCode, Failure};
use crate::report::face::Verbosity;

/// Bring the machines to what the inventory says
#[derive(Debug, Args)]
#[command(help_template = super::HELP, before_help = "\
Examples:
  homeprov up home.toml
  homeprov up --json home.toml | jq -r 'select(.event == \"step-holds\").title'
  homeprov up home.toml              # again: continues, or finds nothing to do")]
pub(super) struct Arguments {
    #[command(flatten)]
    run: RunArguments,
    /// Write files a person edited in the repository anew
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    consent: Consent,
    /// Take out members that are not whole, after asking
    #[arg(long)]
    repair: bool,
    /// Print events as JSON, one object per line
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) async fn run(&self, verbosity: Verbosity) -> Result<ExitCode, Failure> {
        let manner = Manner { prints: Prints::Events, json: self.json, yes: self.consent.yes, verbosity };
        if self.repair && !self.consent.possible() {
            let message = "--repair asks before it takes anything out of the cluster: use a terminal, or add --yes";
            return Err(Failure::new(ExitCode::Usage, message));
        }
        let mut run = self.run.begin(&manner)?;
        run.session.break_lock = self.consent.break_lock;
        run.session.overwrite = self.overwrite;
        run.session.repair = self.repair.then(|| self.consent.ask(&run.screen));
        run.session.takeover = self.consent.possible().then(|| self.consent.ask(&run.screen));
        let outcome = engine::up(&run.session).await;
        run.end().await;
        Ok(outcome.code)
    }
}
