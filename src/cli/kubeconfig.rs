//! `homeprov kubeconfig`

use std::path::PathBuf;

use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use super::output;
use super::run::{Manner, Prints, RunArguments};
use crate::engine;
use crate::error::{ExitCode, Failure};
use crate::kube::config::{self, MergeError};
use crate::report::face::Verbosity;

/// Print the cluster's kubeconfig, or merge it into your own
#[derive(Debug, Args)]
#[command(help_template = super::HELP, before_help = "\
Examples:
  homeprov kubeconfig home.toml > home.kubeconfig
  homeprov kubeconfig home.toml --merge && kubectl --context home get nodes")]
pub(super) struct Arguments {
    #[command(flatten)]
    run: RunArguments,
    /// Merge it into the first file of $KUBECONFIG, or ~/.kube/config; the old file is kept beside it
    #[arg(long)]
    merge: bool,
}

impl Arguments {
    pub(super) async fn run(&self, verbosity: Verbosity) -> Result<ExitCode, Failure> {
        let manner = Manner { prints: Prints::Result, json: false, yes: false, verbosity };
        let run = self.run.begin(&manner)?;
        let looked = Box::pin(engine::preview(&run.session)).await;
        let inventory = run.session.inventory.clone();
        run.end().await;
        let (_, facts) = looked.map_err(|outcome| Failure::new(outcome.code, outcome.summary))?;
        let seed = facts.seed(&inventory).and_then(|seed| Some((seed, facts.node(&seed.name)?.kubeconfig.clone()?)));
        let Some((seed, own)) = seed else {
            return Err(Failure::new(ExitCode::Unreachable, "no control plane of this cluster answers")
                .help(self.run.command(&["status"])));
        };
        let name = &inventory.cluster.name;
        let theirs = config::of_cluster(own.expose_secret(), name, seed.address).map_err(|error| {
            Failure::new(ExitCode::StepFailed, format!("the kubeconfig of {} cannot be used: {error}", seed.name))
        })?;
        if !self.merge {
            print(&config::text(&theirs))?;
            return Ok(ExitCode::Done);
        }
        let path = file()?;
        let merged = config::merge_into(&path, &theirs, name).map_err(|error| match error {
            MergeError::Foreign => {
                Failure::new(ExitCode::Refused, format!("{} has a cluster, user or context {name} that is another cluster's; it stays as it is", path.display()))
                    .help(format!("give that one another name: `kubectl config rename-context {name} OTHER` where it is the context, in the file itself where it is a cluster or user; or remove it"))
            }
            other => Failure::new(ExitCode::Refused, format!("{} stays as it is: {other}", path.display())),
        })?;
        let kept = merged.map(|backup| format!("; the old file is {}", backup.display())).unwrap_or_default();
        output::result(&format!("{} has the context {name}{kept}\n", path.display()))?;
        Ok(ExitCode::Done)
    }
}

/// The kubeconfig is the result here: it is printed as it is, not as a secret is printed elsewhere.
fn print(text: &SecretString) -> Result<(), Failure> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.expose_secret().as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::io("cannot write to standard output", &error))
        }
        _ => Ok(()),
    }
}

/// The first file of `$KUBECONFIG`, as `kubectl` writes to it, or `~/.kube/config`.
fn file() -> Result<PathBuf, Failure> {
    let listed = std::env::var_os("KUBECONFIG").unwrap_or_default();
    if let Some(first) = std::env::split_paths(&listed).find(|path| !path.as_os_str().is_empty()) {
        return Ok(first);
    }
    let home = etcetera::home_dir().map_err(|error| {
        Failure::new(ExitCode::Usage, format!("cannot tell which folder is yours (set HOME): {error}"))
    })?;
    Ok(home.join(".kube/config"))
}
