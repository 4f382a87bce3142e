//! `homeprov repair`

use std::sync::Arc;

use clap::Args;

use super::output;
use super::prompt;
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
    /// Answer every question with yes, unknown host keys too
    #[arg(short, long)]
    yes: bool,
    /// Take the lock from whoever holds it
    #[arg(long)]
    break_lock: bool,
    /// Print what came of it as JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) async fn run(&self, verbosity: Verbosity) -> Result<ExitCode, Failure> {
        let manner = Manner { prints: Prints::ProgressAndResult, json: self.json, yes: self.yes, verbosity };
        let mut inventory = files::inventory(&self.run.inventory, verbosity)?;
        // What runs on the cluster is not its concern.
        inventory.flux = None;
        inventory.mastodon = None;
        let shown = self.run.inventory.display().to_string();
        let mut run: run::Run =
            self.run.begin_with(&manner, inventory, self.run.recipe_of("repair")?, &["repair", &shown])?;
        run.session.break_lock = self.break_lock;
        if self.yes || prompt::possible() {
            let (yes, screen) = (self.yes, run.screen.clone());
            run.session.repair = Some(Arc::new(move |question| yes || prompt::confirm(&screen, question)));
        }
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
