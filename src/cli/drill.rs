//! `homeprov drill`

use clap::{Args, ValueEnum};

use super::consent::Consent;
use super::run::{Manner, Prints, RunArguments};
use super::{change, files, run};
use crate::drill;
use crate::engine;
use crate::error::{ExitCode, Failure};
use crate::report::drill as view;
use crate::report::face::Verbosity;
use crate::steps::drill::Prospect;

/// Take a node away, measure what becomes of the site, and bring the node back
#[derive(Debug, Args)]
#[command(help_template = super::HELP, before_help = "\
Examples:
  homeprov drill home.toml nuc2                  MicroK8s is stopped there
  homeprov drill home.toml nuc2 --how network    cut off for four minutes
  homeprov drill home.toml nuc2 --how power      somebody presses its button")]
pub(super) struct Arguments {
    #[command(flatten)]
    run: RunArguments,
    /// The node's name
    node: String,
    /// How it is taken away
    #[arg(long, value_enum, default_value_t = How::Stop)]
    how: How,
    #[command(flatten)]
    consent: Consent,
    /// Print what was measured as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum How {
    Stop,
    Power,
    Network,
}

impl From<How> for drill::How {
    fn from(how: How) -> Self {
        match how {
            How::Stop => Self::Stop,
            How::Power => Self::Power,
            How::Network => Self::Network,
        }
    }
}

impl Arguments {
    pub(super) async fn run(&self, verbosity: Verbosity) -> Result<ExitCode, Failure> {
        let inventory = files::inventory(&self.run.inventory, verbosity)?;
        if inventory.node(&self.node).is_none() {
            let names: Vec<&str> = inventory.nodes.iter().map(|node| node.name.as_str()).collect();
            let message =
                format!("{} has no node {}; it has {}", self.run.inventory.display(), self.node, names.join(", "));
            return Err(Failure::new(ExitCode::Usage, message));
        }
        change::can_agree(self.consent.yes, "homeprov drill")?;
        let manner = Manner { prints: Prints::ProgressAndResult, json: self.json, yes: self.consent.yes, verbosity };
        let shown = run::shown(&self.run.inventory);
        let mut run = self.run.begin_with(&manner, inventory, self.run.recipe()?, &["up", &shown])?;
        run.session.break_lock = self.consent.break_lock;
        let ask = self.consent.ask(&run.screen);
        let prospect = Prospect { node: self.node.clone(), how: self.how.into() };
        let ended = Box::pin(engine::drill(&run.session, &prospect, &ask)).await;
        run.end_with(ended, view::json, view::text).await
    }
}
