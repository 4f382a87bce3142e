//! `homeprov plan`

use clap::Args;

use super::output;
use super::run::{Manner, Prints, RunArguments};
use crate::engine;
use crate::error::{ExitCode, Failure};
use crate::plan::Plan;
use crate::report::face::Verbosity;
use crate::report::plan as view;

/// Show what `up` would change; nothing is touched
#[derive(Debug, Args)]
#[command(help_template = super::HELP, before_help = "\
Examples:
  homeprov plan home.toml
  homeprov plan --exit-code home.toml || echo 'there is something to do'")]
pub(super) struct Arguments {
    #[command(flatten)]
    run: RunArguments,
    /// Write files a person edited in the repository anew
    #[arg(long)]
    overwrite: bool,
    /// End with status 4 when something would change
    #[arg(long)]
    exit_code: bool,
    /// Print the plan as JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) async fn run(&self, verbosity: Verbosity) -> Result<ExitCode, Failure> {
        let manner = Manner { prints: Prints::Result, json: self.json, yes: false, verbosity };
        let mut run = self.run.begin(&manner)?;
        run.session.overwrite = self.overwrite;
        let inventory = run.session.inventory.clone();
        let planned = engine::plan(&run.session).await;
        run.end().await;
        let (plan, _) = planned.map_err(|outcome| Failure::new(outcome.code, outcome.summary))?;
        let text = if self.json {
            view::json(&plan, &inventory).map_err(|error| Failure::new(ExitCode::Internal, error.to_string()))? + "\n"
        } else {
            let up = self.run.command(if self.overwrite { &["up", "--overwrite"] } else { &["up"] });
            view::text(&plan, &inventory, &up, output::stdout_paint(), output::stdout_width())
        };
        output::result(&text)?;
        Ok(self.code(&plan))
    }

    fn code(&self, plan: &Plan) -> ExitCode {
        if plan.refusals().next().is_some() {
            ExitCode::Refused
        } else if !plan.unreachable.is_empty() {
            ExitCode::Unreachable
        } else if self.exit_code && !plan.is_empty() {
            ExitCode::Pending
        } else {
            ExitCode::Done
        }
    }
}
