//! `homeprov playbooks`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueHint};

use super::{files, output};
use crate::error::{ExitCode, Failure};
use crate::facts::probe;
use crate::playbook::{self, ExportError, On, Recipe};
use crate::report::face::Verbosity;
use crate::report::words;
use crate::ssh::script;

/// List the playbooks or write them to a folder, to change them
#[derive(Debug, Args)]
#[command(help_template = super::HELP, before_help = "\
Examples:
  homeprov playbooks list
  homeprov playbooks export my-playbooks
  homeprov up --playbooks my-playbooks home.toml")]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List every step in its order
    #[command(help_template = super::HELP)]
    List {
        /// Read the playbooks in this folder instead of homeprov's own
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        playbooks: Option<PathBuf>,
    },
    /// Print the script one observation of a node runs there, as root and read-only
    #[command(help_template = super::HELP)]
    Observation {
        /// The inventory file
        #[arg(value_hint = ValueHint::FilePath)]
        inventory: PathBuf,
        /// The node's name
        node: String,
        /// Read the playbooks in this folder instead of homeprov's own
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        playbooks: Option<PathBuf>,
    },
    /// Write homeprov's playbooks to a folder
    #[command(help_template = super::HELP)]
    Export {
        /// The folder; it is made where it is not there
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        folder: PathBuf,
        /// Overwrite files that differ
        #[arg(long)]
        force: bool,
    },
}

impl Arguments {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        match &self.command {
            Command::List { playbooks } => output::result(&list(&files::recipe(playbooks.as_deref())?))?,
            Command::Observation { inventory, node, playbooks } => {
                output::result(&observation(inventory, node, playbooks.as_deref())?)?;
            }
            Command::Export { folder, force } => {
                let written = playbook::export(folder, *force).map_err(failure)?;
                for path in written {
                    output::result(&format!("{}\n", path.display()))?;
                }
            }
        }
        Ok(ExitCode::Done)
    }
}

/// The text that travels to the node; only the marker that frames the answers is another one in each run.
fn observation(inventory: &Path, node: &str, playbooks: Option<&Path>) -> Result<String, Failure> {
    let inventory = files::inventory(inventory, Verbosity::Quiet)?;
    let recipe = files::recipe(playbooks)?;
    let Some(node) = inventory.node(node) else {
        let names: Vec<&str> = inventory.nodes.iter().map(|node| node.name.as_str()).collect();
        return Err(Failure::new(ExitCode::Usage, format!("there is no node {node} in the inventory"))
            .help(format!("its nodes are {}", names.join(", "))));
    };
    let invalid = |error: &dyn std::fmt::Display| Failure::new(ExitCode::Invalid, error.to_string());
    let script = probe::observation(&inventory, &recipe, node).map_err(|error| invalid(&error))?;
    let text = script::render(&script, "homeprov-answers").map_err(|error| invalid(&error))?;
    Ok(text.to_string())
}

fn failure(error: ExportError) -> Failure {
    match error {
        ExportError::Differs(_) => Failure::new(ExitCode::Usage, format!("nothing was written: {error}"))
            .help("choose another folder, or add --force to overwrite them"),
        ExportError::Io { path, error } => Failure::named(format!("cannot write {}", path.display()), &error),
    }
}

/// Every step by playbook: where, what, and its id.
fn list(recipe: &Recipe) -> String {
    let paint = output::stdout_paint();
    let width = recipe.steps.iter().map(|step| step.id.len()).max().unwrap_or(0);
    let mut lines = vec![];
    let mut playbook = "";
    for step in &recipe.steps {
        if step.playbook != playbook {
            playbook = &step.playbook;
            lines.push(paint.bold(playbook));
        }
        let on = match step.on {
            On::All => "all",
            On::ControlPlane => "control-plane",
            On::Workers => "workers",
            On::Seed => "seed",
            On::Cluster => "cluster",
        };
        lines.push(format!("  {:width$}  {on:13}  {}", step.id, step.title));
    }
    lines.push(paint.dim(&words::count(recipe.steps.len(), "step")));
    lines.join("\n") + "\n"
}
