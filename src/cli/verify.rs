//! `homeprov verify`

use clap::{Args, Subcommand};

use super::run::{Manner, Prints, RunArguments};
use crate::engine::{self, StorageQuestion};
use crate::error::{ExitCode, Failure};
use crate::inventory::storage;
use crate::report::app;
use crate::report::face::Verbosity;
use crate::report::{pool, proof as view};

/// Prove that it really is so, whatever was proven before
#[derive(Debug, Args)]
#[command(help_template = super::HELP, before_help = "\
Examples:
  homeprov verify storage home.toml
  homeprov verify storage --drill home.toml
  homeprov verify pool home.toml
  homeprov verify app home.toml")]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Storage(Storage),
    Pool(Pool),
    App(App),
}

/// Ask for every address of the pool by ARP from two nodes; nothing is changed
#[derive(Debug, Args)]
#[command(help_template = super::HELP, before_help = "\
Examples:
  homeprov verify pool home.toml
  homeprov verify pool --json home.toml | jq -r '.findings[].text'")]
struct Pool {
    #[command(flatten)]
    run: RunArguments,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

/// Ask the site through its address, and everything behind it, part by part
#[derive(Debug, Args)]
#[command(help_template = super::HELP, before_help = "\
Examples:
  homeprov verify app home.toml
  homeprov verify app --json home.toml | jq '.findings[] | select(.verdict != \"yes\")'")]
struct App {
    #[command(flatten)]
    run: RunArguments,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

/// Write through fresh volumes and find the bytes on the nodes' disks; what was made is removed again
#[derive(Debug, Args)]
#[command(help_template = super::HELP, before_help = "\
Examples:
  homeprov verify storage home.toml
  homeprov verify storage --drill home.toml
  homeprov verify storage --class openebs-rwx --size 1GiB home.toml
  homeprov verify storage --json home.toml | jq '.classes[].evidence[]'")]
struct Storage {
    #[command(flatten)]
    run: RunArguments,
    /// Take the replica of a node away meanwhile and wait until it is back; other volumes on that node keep theirs
    #[arg(long)]
    drill: bool,
    /// Prove this class only
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    /// Write so much instead of the inventory's `proof_size`
    #[arg(long, value_name = "SIZE", value_parser = size)]
    size: Option<u64>,
    /// Take the lock from whoever holds it
    #[arg(long)]
    break_lock: bool,
    /// Print the proof as JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) async fn run(&self, verbosity: Verbosity) -> Result<ExitCode, Failure> {
        match &self.what {
            What::Storage(storage) => storage.run(verbosity).await,
            What::Pool(pool) => pool.run(verbosity).await,
            What::App(app) => app.run(verbosity).await,
        }
    }
}

impl Pool {
    async fn run(&self, verbosity: Verbosity) -> Result<ExitCode, Failure> {
        let manner = Manner { prints: Prints::ProgressAndResult, json: self.json, yes: false, verbosity };
        let run = self.run.begin(&manner)?;
        let verified = Box::pin(engine::verify_pool(&run.session)).await;
        run.end_with(verified, pool::json, pool::text).await
    }
}

impl App {
    async fn run(&self, verbosity: Verbosity) -> Result<ExitCode, Failure> {
        let manner = Manner { prints: Prints::ProgressAndResult, json: self.json, yes: false, verbosity };
        let run = self.run.begin(&manner)?;
        let verified = Box::pin(engine::verify_app(&run.session)).await;
        run.end_with(verified, app::json, app::text).await
    }
}

impl Storage {
    async fn run(&self, verbosity: Verbosity) -> Result<ExitCode, Failure> {
        let manner = Manner { prints: Prints::ProgressAndResult, json: self.json, yes: false, verbosity };
        let mut run = self.run.begin(&manner)?;
        run.session.break_lock = self.break_lock;
        let question = StorageQuestion { drill: self.drill, class: self.class.clone(), size: self.size };
        let verified = Box::pin(engine::verify_storage(&run.session, &question)).await;
        run.end_with(verified, view::json, view::text).await
    }
}

fn size(text: &str) -> Result<u64, String> {
    let bytes = storage::bytes(text).filter(|bytes| *bytes > 0);
    bytes.ok_or_else(|| "a size is a number with KiB, MiB, GiB or TiB, such as 64MiB".to_owned())
}
