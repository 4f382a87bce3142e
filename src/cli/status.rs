//! `homeprov status`

use clap::Args;

use super::output;
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
        run.end().await;
        let (status, outcome) = observed.map_err(|outcome| Failure::new(outcome.code, outcome.summary))?;
        let text = if self.json {
            view::json(&status).map_err(|error| Failure::new(ExitCode::Internal, error.to_string()))? + "\n"
        } else {
            view::text(&status, output::stdout_paint(), output::stdout_width())
        };
        output::result(&text)?;
        Ok(outcome.code)
    }
}
