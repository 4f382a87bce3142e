//! `homeprov repair`

use clap::Args;

use super::consent::Consent;
use super::output;
use super::run::{Manner, Prints, RunArguments};
use super::{files, run};
use crate::engine;
use crate::error::{ExitCode, Failure};
use crate::report::face::Verbosity;
use crate::report::repair as view;

/// Find what is stuck, and mend it on proof, one after another, asking before each
#[derive(Debug, Args)]
#[command(help_template = super::HELP, before_help = "\
Examples:
  homeprov repair home.toml
  homeprov repair --json home.toml | jq -r '.left[] | .seen, .would_prove'")]
pub(super) struct Arguments {
    #[command(flatten)]
    run: RunArguments,
    #[command(flatten)]
    consent: Consent,
    /// Print what came of it as JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) async fn run(&self, verbosity: Verbosity) -> Result<ExitCode, Failure> {
        let manner = Manner { prints: Prints::ProgressAndResult, json: self.json, yes: self.consent.yes, verbosity };
        let mut inventory = files::inventory(&self.run.inventory, verbosity)?;
        // What runs on the cluster is not its concern.
        inventory.flux = None;
        inventory.mastodon = None;
        let shown = self.run.inventory.display().to_string();
        let mut run: run::Run =
            self.run.begin_with(&manner, inventory, self.run.recipe_of("repair")?, &["repair", &shown])?;
        run.session.break_lock = self.consent.break_lock;
        run.session.repair = self.consent.possible().then(|| self.consent.ask(&run.screen));
        let asked = run.session.repair.is_some();
        let ended = Box::pin(engine::repair(&run.session)).await;
        let left_alone = !asked && matches!(&ended, Ok((report, _)) if !report.left.is_empty());
        let code = run.end_with(ended, view::json, view::text).await?;
        if left_alone && verbosity > Verbosity::Quiet {
            output::note("nothing was mended: it asks before each; use a terminal, or add --yes\n");
        }
        Ok(code)
    }
}
