//! `homeprov replace`

use std::net::Ipv4Addr;

use clap::Args;

use super::change::{self, Held};
use super::grow::{Growth, grow};
use super::remove::{Taking, take_out};
use super::run::{Manner, Prints, RunArguments};
use crate::error::{ExitCode, Failure};
use crate::facts::Departing;
use crate::inventory::edit;
use crate::report::face::Verbosity;

/// Put another machine in a node's place, under its name: the old one is taken out, the new one joined
#[derive(Debug, Args)]
#[command(help_template = super::HELP, before_help = "\
Examples:
  homeprov replace home.toml nuc1 192.168.1.15   again: goes on where it stopped")]
pub(super) struct Arguments {
    #[command(flatten)]
    run: RunArguments,
    /// The node's name
    node: String,
    /// The new machine's address
    address: Ipv4Addr,
    /// Answer every question with yes, unknown host keys too
    #[arg(short, long)]
    yes: bool,
    /// Print events as JSON, one object per line
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) async fn run(&self, verbosity: Verbosity) -> Result<ExitCode, Failure> {
        change::can_agree(self.yes, "homeprov replace")?;
        let held = Held::read(&self.run.inventory)?;
        let manner = Manner { prints: Prints::Events, json: self.json, yes: self.yes, verbosity };
        let (shown, address) = (held.shown(), self.address.to_string());
        let again = ["replace", shown.as_str(), self.node.as_str(), address.as_str()];
        let Some(node) = held.inventory.node(&self.node) else {
            let message = format!("{shown} has no node {}", self.node);
            let help = format!("`homeprov add {shown} {} {}` takes in a new one", self.node, self.address);
            return Err(Failure::new(ExitCode::Usage, message).help(help));
        };
        let mut wanted = held.inventory.clone();
        if node.address != self.address {
            let change = held.changed(edit::readdress(&held.text, &node.name, self.address))?;
            let departing = Departing { name: node.name.clone(), address: Some(node.address), dead: false };
            let taking = Taking {
                departing,
                before: &held.inventory,
                after: &change.inventory,
                change: Some(&change),
                again: &again,
                gone: true,
            };
            let code = Box::pin(take_out(&self.run, &manner, taking, false)).await?;
            if code != ExitCode::Done {
                return Ok(code);
            }
            wanted = change.inventory.clone();
        }
        let growth = Growth { before: &held.inventory, wanted, change: None, node: &self.node, again: &again };
        Box::pin(grow(&self.run, &manner, growth)).await
    }
}
