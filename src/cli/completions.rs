//! `homeprov completions`

use clap::Args;
use clap_complete::Shell;

use super::{Cli, output};
use crate::error::{ExitCode, Failure};

/// Print a shell's completions
#[derive(Debug, Args)]
#[command(help_template = super::HELP, before_help = "\
Examples:
  homeprov completions bash > ~/.local/share/bash-completion/completions/homeprov
  homeprov completions fish > ~/.config/fish/completions/homeprov.fish")]
pub(super) struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Arguments {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::definition(), "homeprov", &mut script);
        output::result(&String::from_utf8_lossy(&script))?;
        Ok(ExitCode::Done)
    }
}
