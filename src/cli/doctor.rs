//! `homeprov doctor`

use clap::Args;

use super::output;
use super::run::{Manner, Prints, RunArguments};
use crate::engine;
use crate::error::{ExitCode, Failure};
use crate::report::doctor as view;
use crate::report::face::Verbosity;

/// Hold every known trap against what is there; ends with 7 when one is found
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
        run.end().await;
        let (diagnosis, outcome) = looked.map_err(|outcome| Failure::new(outcome.code, outcome.summary))?;
        let text = if self.json {
            view::json(&diagnosis).map_err(|error| Failure::new(ExitCode::Internal, error.to_string()))? + "\n"
        } else {
            view::text(&diagnosis, output::stdout_paint(), output::stdout_width())
        };
        output::result(&text)?;
        Ok(outcome.code)
    }
}
