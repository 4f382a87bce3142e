//! `homeprov status`

use clap::Args;

use super::run::{Manner, Prints, RunArguments};
use crate::engine;
use crate::error::{ExitCode, Failure};
use crate::report::face::Verbosity;
use crate::report::status as view;

/// Show how the cluster stands
#[derive(Debug, Args)]
#[command(help_template = super::HELP, before_help = "\
Examples:
  homeprov status home.toml
  homeprov status --json home.toml | jq .high_availability")]
pub(super) struct Arguments {
    #[command(flatten)]
    run: RunArguments,
    /// Print the status as JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) async fn run(&self, verbosity: Verbosity) -> Result<ExitCode, Failure> {
        let manner = Manner { prints: Prints::Result, json: self.json, yes: false, verbosity };
        let run = self.run.begin(&manner)?;
        let observed = engine::status(&run.session).await;
        run.end_with(observed, view::json, view::text).await
    }
}
