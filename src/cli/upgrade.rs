//! `homeprov upgrade`

use clap::Args;

use super::change::{self, Held};
use super::consent::Consent;
use super::output;
use super::run::{Manner, Prints, RunArguments};
use crate::engine;
use crate::error::{ExitCode, Failure};
use crate::inventory::edit;
use crate::report::face::Verbosity;
use crate::report::plan as view;
use crate::report::words;
use crate::steps::upgrade::told;

/// Bring MicroK8s to the next minor version, one node at a time; the inventory gets the channel last
#[derive(Debug, Args)]
#[command(help_template = super::HELP, before_help = "\
Examples:
  homeprov upgrade home.toml --channel 1.36/stable    again: goes on where it stopped")]
pub(super) struct Arguments {
    #[command(flatten)]
    run: RunArguments,
    /// The channel to follow, one minor version further at the most
    #[arg(long, value_name = "CHANNEL")]
    channel: String,
    #[command(flatten)]
    consent: Consent,
    /// Print events as JSON, one object per line
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) async fn run(&self, verbosity: Verbosity) -> Result<ExitCode, Failure> {
        change::can_agree(self.consent.yes, "homeprov upgrade")?;
        let held = Held::read(&self.run.inventory)?;
        let change = held.changed(edit::channel(&held.text, &self.channel))?;
        let shown = held.shown();
        let again = ["upgrade", shown.as_str(), "--channel", self.channel.as_str()];
        let manner = Manner { prints: Prints::Events, json: self.json, yes: self.consent.yes, verbosity };
        let mut inventory = change.inventory.clone();
        // What runs on the cluster is not its concern.
        inventory.flux = None;
        inventory.mastodon = None;
        let mut run = self.run.begin_with(&manner, inventory, self.run.recipe_of("upgrade")?, &again)?;
        run.session.break_lock = self.consent.break_lock;
        let agreed = match Box::pin(engine::preview(&run.session)).await {
            Err(outcome) => Err(Failure::new(outcome.code, outcome.summary)),
            Ok((plan, _)) if plan.refusals().next().is_some() => {
                let refusals: Vec<String> = plan.refusals().map(|refusal| refusal.verdict.text()).collect();
                Err(change::before_anything(&refusals))
            }
            Ok((plan, _)) if plan.is_empty() => Ok(()),
            Ok((plan, facts)) => {
                let typed = words::command(std::iter::once("homeprov").chain(again));
                if verbosity > Verbosity::Quiet {
                    let text = view::text(
                        &plan,
                        &run.session.inventory,
                        &typed,
                        output::stderr_paint(),
                        output::stderr_width(),
                    );
                    let told: Vec<String> = told(&run.session.inventory, &facts);
                    let told: Vec<String> = told.iter().map(|line| format!("{line}\n")).collect();
                    run.screen.suspend(|| output::note(&format!("{text}{}", told.concat())));
                }
                change::agreed(
                    self.consent.yes,
                    &run.screen,
                    &format!("Refresh one node after another to {}?", self.channel),
                )
            }
        };
        if let Err(failure) = agreed {
            run.end().await;
            return Err(failure);
        }
        let outcome = Box::pin(engine::converge(&run.session, "upgrade")).await;
        run.end().await;
        if outcome.code == ExitCode::Done {
            change.write()?;
        }
        Ok(outcome.code)
    }
}
