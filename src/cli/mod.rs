//! The commands: what can be typed, one file for each.

mod add;
mod adopt;
mod backup;
mod bundle;
mod change;
mod completions;
mod consent;
mod doctor;
mod drill;
mod files;
mod grow;
mod init;
mod interrupt;
mod kubeconfig;
mod log;
mod man;
mod output;
mod panic;
mod plan;
mod playbooks;
mod prompt;
mod reach;
mod remove;
mod repair;
mod replace;
mod reset;
mod restore;
mod run;
mod schema;
mod status;
mod up;
mod upgrade;
mod verify;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::error::{ExitCode, Failure};
use crate::report::face::Verbosity;

/// The order of a help text: what it is, examples, how it is called, what can be said.
const HELP: &str = "\
{about-with-newline}
{before-help}{usage-heading} {usage}

{all-args}{after-help}";

/// The command line.
#[derive(Debug, Parser)]
#[command(about = "Turns a few machines at home into a highly available MicroK8s cluster", long_about = None)]
#[command(name = "homeprov", version, help_template = HELP, disable_help_subcommand = true)]
#[command(before_help = "\
Examples:
  homeprov init home.toml              write a first inventory
  homeprov plan home.toml              what would change; nothing is touched
  homeprov up home.toml                make it so; again: nothing to do
  homeprov status home.toml            nodes, data store, address pool
  homeprov verify storage home.toml    find data on the nodes' disks
  homeprov verify pool home.toml       look who has its addresses
  homeprov verify app home.toml        ask the site, and all behind it
  homeprov backup home.toml DIR        save the site into a folder
  homeprov restore home.toml DIR/DATE  put it back
  homeprov doctor home.toml            look for what is known to go wrong
  homeprov repair home.toml            mend what is stuck, asking before each
  homeprov drill home.toml NODE        rehearse the loss of a node")]
#[command(after_help = "\
Exit status:
  0  done, or nothing to do          6  a step failed
  1  a fault of homeprov itself      7  a check, proof or drill failed
  2  wrong usage                     8  another run holds the lock
  3  invalid inventory or playbook   9  a node is unreachable
  4  changes pending (--exit-code)   130  interrupted
  5  refused: it would make things worse, or is not agreed to")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    volume: Volume,
}

#[derive(Debug, Subcommand)]
#[command(help_template = HELP)]
enum Command {
    Init(init::Arguments),
    Adopt(adopt::Arguments),
    Up(up::Arguments),
    Plan(plan::Arguments),
    Status(status::Arguments),
    Verify(verify::Arguments),
    Add(add::Arguments),
    Remove(remove::Arguments),
    Replace(replace::Arguments),
    Kubeconfig(kubeconfig::Arguments),
    Upgrade(upgrade::Arguments),
    Reset(reset::Arguments),
    Backup(backup::Arguments),
    Restore(restore::Arguments),
    Doctor(doctor::Arguments),
    Repair(repair::Arguments),
    Drill(drill::Arguments),
    Log(log::Arguments),
    Playbooks(playbooks::Arguments),
    Schema(schema::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

#[derive(Debug, Clone, Copy, Args)]
struct Volume {
    /// Show what steps print, too
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,
    /// Show failures, results and the end only
    #[arg(short, long, global = true)]
    quiet: bool,
}

impl Volume {
    fn verbosity(self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        }
    }
}

impl Cli {
    /// The command line as data, for help texts and completions.
    pub fn definition() -> clap::Command {
        Self::command()
    }
}

/// Runs the program with the arguments it was started with.
pub fn main() -> std::process::ExitCode {
    panic::speak_safely();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help that nobody reads any more is no error.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::Usage } else { ExitCode::Done }.into();
        }
    };
    match std::panic::catch_unwind(|| cli.run()) {
        Ok(Ok(code)) => code.into(),
        Ok(Err(failure)) => {
            output::failure(&failure);
            failure.code.into()
        }
        // It has been told where it happened.
        Err(_) => ExitCode::Internal.into(),
    }
}

impl Cli {
    fn run(&self) -> Result<ExitCode, Failure> {
        let verbosity = self.volume.verbosity();
        match &self.command {
            Command::Init(arguments) => arguments.run(),
            Command::Adopt(arguments) => wait(arguments.run(verbosity)),
            Command::Up(arguments) => wait(arguments.run(verbosity)),
            Command::Plan(arguments) => wait(arguments.run(verbosity)),
            Command::Status(arguments) => wait(arguments.run(verbosity)),
            Command::Verify(arguments) => wait(arguments.run(verbosity)),
            Command::Add(arguments) => wait(arguments.run(verbosity)),
            Command::Remove(arguments) => wait(arguments.run(verbosity)),
            Command::Replace(arguments) => wait(arguments.run(verbosity)),
            Command::Kubeconfig(arguments) => wait(arguments.run(verbosity)),
            Command::Upgrade(arguments) => wait(arguments.run(verbosity)),
            Command::Reset(arguments) => wait(arguments.run(verbosity)),
            Command::Backup(arguments) => wait(arguments.run(verbosity)),
            Command::Restore(arguments) => wait(arguments.run(verbosity)),
            Command::Doctor(arguments) => wait(arguments.run(verbosity)),
            Command::Repair(arguments) => wait(arguments.run(verbosity)),
            Command::Drill(arguments) => wait(arguments.run(verbosity)),
            Command::Log(arguments) => arguments.run(verbosity),
            Command::Playbooks(arguments) => arguments.run(),
            Command::Schema(arguments) => arguments.run(),
            Command::Completions(arguments) => arguments.run(),
            Command::Man(arguments) => arguments.run(),
        }
    }
}

/// Runs a command that talks to machines.
fn wait(command: impl Future<Output = Result<ExitCode, Failure>>) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io("cannot start", &error))?;
    let result = runtime.block_on(command);
    // A question nobody answered must not keep the program from ending.
    runtime.shutdown_background();
    result
}
