//! `homeprov add`

use std::net::Ipv4Addr;

use clap::Args;

use super::change::{self, Held};
use super::grow::{Growth, grow};
use super::run::{Manner, Prints, RunArguments};
use crate::error::{ExitCode, Failure};
use crate::inventory::Role;
use crate::inventory::edit::{self, NewNode};
use crate::report::face::Verbosity;

/// Take a machine into the cluster: the inventory gets it, then it is joined
#[derive(Debug, Args)]
#[command(help_template = super::HELP, before_help = "\
Examples:
  homeprov add home.toml nuc3 192.168.1.14
  homeprov add home.toml pi1 192.168.1.15 --worker")]
pub(super) struct Arguments {
    #[command(flatten)]
    run: RunArguments,
    /// The node's name
    node: String,
    /// Its address in the cluster
    address: Ipv4Addr,
    /// It runs workloads only
    #[arg(long)]
    worker: bool,
    /// Answer every question with yes, unknown host keys too
    #[arg(short, long)]
    yes: bool,
    /// Print events as JSON, one object per line
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) async fn run(&self, verbosity: Verbosity) -> Result<ExitCode, Failure> {
        change::can_agree(self.yes, "homeprov add")?;
        let held = Held::read(&self.run.inventory)?;
        let role = if self.worker { Role::Worker } else { Role::ControlPlane };
        let change = match held.inventory.node(&self.node) {
            // An earlier run was interrupted: it goes on from there.
            Some(there) if there.address == self.address && there.role == role => None,
            Some(there) => {
                let message = format!(
                    "{} has a node {} already, at {} and with another address or role",
                    held.shown(),
                    there.name,
                    there.address
                );
                let help = format!(
                    "`homeprov replace {} {} {}` puts another machine in its place",
                    held.shown(),
                    self.node,
                    self.address
                );
                return Err(Failure::new(ExitCode::Usage, message).help(help));
            }
            None => {
                let node = NewNode { name: self.node.clone(), address: self.address, role };
                Some(held.changed(edit::add(&held.text, &held.inventory, &node))?)
            }
        };
        let (shown, address) = (held.shown(), self.address.to_string());
        let mut again = vec!["add", &shown, &self.node, &address];
        if self.worker {
            again.push("--worker");
        }
        let wanted = Growth {
            before: &held.inventory,
            wanted: change.as_ref().map_or(&held.inventory, |change| &change.inventory).clone(),
            change: change.as_ref(),
            node: &self.node,
            again: &again,
        };
        let manner = Manner { prints: Prints::Events, json: self.json, yes: self.yes, verbosity };
        Box::pin(grow(&self.run, &manner, wanted)).await
    }
}
