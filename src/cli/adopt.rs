//! `homeprov adopt`

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueHint};
use tokio::sync::mpsc;

use super::reach::Reach;
use super::{interrupt, output};
use crate::adopt::{Asked, adopt};
use crate::diagnostic;
use crate::engine::stop;
use crate::error::{ExitCode, Failure};
use crate::inventory::{self, Inventory, Ssh};
use crate::redact;
use crate::report::face::{Surroundings, Verbosity};
use crate::report::terminal::Screen;

/// Write the inventory of a MicroK8s cluster that was made by hand; nothing on it is changed
#[derive(Debug, Args)]
#[command(help_template = super::HELP, before_help = "\
Examples:
  homeprov adopt 192.168.1.10 >home.toml
  homeprov adopt --user ubuntu 192.168.1.10 192.168.1.11 >home.toml
  homeprov plan home.toml            what differs; nothing is touched")]
pub(super) struct Arguments {
    /// Addresses of its machines; one control plane tells of the others
    #[arg(required = true, value_name = "ADDRESS")]
    addresses: Vec<Ipv4Addr>,
    /// The cluster's name
    #[arg(long)]
    name: Option<String>,
    /// The login on the machines
    #[arg(long)]
    user: Option<String>,
    /// The port of their SSH server
    #[arg(long)]
    port: Option<u16>,
    /// The private key file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    identity: Option<PathBuf>,
    /// An ssh config file instead of your own
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    #[command(flatten)]
    reach: Reach,
}

/// What messages call the inventory that is written.
const FILE: &str = "inventory.toml";

impl Arguments {
    pub(super) async fn run(&self, verbosity: Verbosity) -> Result<ExitCode, Failure> {
        let (redactor, screen) = (redact::of_this_process(), Screen::stderr());
        let (stopper, stop) = stop::channel();
        interrupt::heed(stopper, screen.clone())?;
        // Nobody listens: what is told of connections is of no use here.
        let (events, _) = mpsc::unbounded_channel();
        let connect =
            |inventory: &Arc<Inventory>| self.reach.transport(inventory, false, &screen, &redactor, events.clone());
        let asked = self.asked();
        let text = tokio::select! {
            text = Box::pin(adopt(&asked, &connect)) => text?,
            () = stop.wait() => {
                crate::ssh::abandon();
                return Err(Failure::new(ExitCode::Interrupted, "interrupted; nothing was changed"));
            }
        };
        output::result(&text)?;
        judge(text, verbosity)
    }

    fn asked(&self) -> Asked {
        let mut addresses = Vec::new();
        for address in &self.addresses {
            if !addresses.contains(address) {
                addresses.push(*address);
            }
        }
        // The inventory may be kept elsewhere.
        let whole = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let ssh = Ssh {
            user: self.user.clone(),
            port: self.port,
            identity: self.identity.as_ref().map(whole),
            config: self.config.as_ref().map(whole),
            ..Ssh::default()
        };
        Asked { addresses, ssh, name: self.name.clone() }
    }
}

/// Says what the inventory's author should know; a cluster may be such that no inventory describes it.
fn judge(text: String, verbosity: Verbosity) -> Result<ExitCode, Failure> {
    let colour = Surroundings::of(&std::io::stderr()).colour();
    match inventory::parse(Path::new(FILE), text) {
        Ok(loaded) => {
            if !loaded.warnings.is_empty() && verbosity > Verbosity::Quiet {
                output::note(&diagnostic::render_all(&loaded.warnings, colour, output::stderr_width()));
            }
            Ok(ExitCode::Done)
        }
        Err(invalid) => {
            let problems = invalid.render(colour, output::stderr_width());
            let text = format!(
                "the cluster was read, and homeprov cannot keep it as it is; correct what was written\n\n{problems}"
            );
            Err(Failure::new(ExitCode::Invalid, text))
        }
    }
}
