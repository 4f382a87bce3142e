//! `homeprov restore`

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::consent::Consent;
use super::files;
use super::reach::Reach;
use super::run::{Manner, Prints, RunArguments, shown};
use crate::engine;
use crate::error::{ExitCode, Failure};
use crate::report::face::Verbosity;

/// Put a backup of the site back; run again, it goes on where it stopped
#[derive(Debug, Args)]
#[command(help_template = super::HELP, before_help = "\
Examples:
  homeprov backup --verify /srv/backups/2026-11-21T0300Z
  homeprov restore home.toml /srv/backups/2026-11-21T0300Z --rehearse
  homeprov restore home.toml /srv/backups/2026-11-21T0300Z")]
pub(super) struct Arguments {
    /// The inventory file
    #[arg(value_hint = ValueHint::FilePath)]
    inventory: PathBuf,
    /// The folder of one backup
    #[arg(value_name = "BACKUP", value_hint = ValueHint::DirPath)]
    backup: PathBuf,
    /// Decrypt its Secrets, if need be, with this key
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    age_identity: Option<PathBuf>,
    /// Only try it, in a namespace of its own; the site is left alone
    #[arg(long)]
    rehearse: bool,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    consent: Consent,
    /// Print events as JSON, one object per line
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) async fn run(&self, verbosity: Verbosity) -> Result<ExitCode, Failure> {
        if !self.rehearse && !self.consent.possible() {
            let message = "a restore replaces the site's data, and asks before it does: use a terminal, or add --yes";
            return Err(Failure::new(ExitCode::Usage, message));
        }
        let manner = Manner { prints: Prints::Events, json: self.json, yes: self.consent.yes, verbosity };
        let (inventory, backup) = (shown(&self.inventory), shown(&self.backup));
        let mut again = vec!["restore", inventory.as_str(), backup.as_str()];
        again.extend(self.rehearse.then_some("--rehearse"));
        let recipe = files::recipe_of(None, if self.rehearse { "rehearse" } else { "restore" })?;
        let wanted = files::inventory(&self.inventory, verbosity)?;
        let mut run = RunArguments::new(self.inventory.clone(), self.reach.clone())
            .begin_with(&manner, wanted, recipe, &again)?;
        let question = format!("This puts {} in the place of the site's present data. Go on?", self.backup.display());
        if !self.rehearse && !self.consent.ask(&run.screen)(&question) {
            run.end().await;
            return Err(Failure::new(ExitCode::Interrupted, "nothing was changed"));
        }
        run.session.break_lock = self.consent.break_lock;
        let identity = self.age_identity.clone();
        let outcome = if self.rehearse {
            engine::rehearse(&run.session, &self.backup, identity).await
        } else {
            engine::restore(&run.session, &self.backup, identity).await
        };
        run.end().await;
        Ok(outcome.code)
    }
}
