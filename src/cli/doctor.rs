//! `homeprov doctor`

use clap::Args;

use super::run::{Manner, Prints, RunArguments};
use crate::engine;
use crate::error::{ExitCode, Failure};
use crate::report::doctor as view;
use crate::report::face::Verbosity;

/// Hold the known traps against what is there; ends with 7 when one is found
#[derive(Debug, Args)]
#[command(help_template = super::HELP, before_help = "\
Examples:
  homeprov doctor home.toml
  homeprov doctor --json home.toml | jq -r '.findings[] | .check, .remedy'")]
pub(super) struct Arguments {
    #[command(flatten)]
    run: RunArguments,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) async fn run(&self, verbosity: Verbosity) -> Result<ExitCode, Failure> {
        let manner = Manner { prints: Prints::Result, json: self.json, yes: false, verbosity };
        let run = self.run.begin(&manner)?;
        let looked = Box::pin(engine::diagnose(&run.session, &self.run.typed())).await;
        run.end_with(looked, view::json, view::text).await
    }
}
