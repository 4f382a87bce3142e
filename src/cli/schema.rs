//! `homeprov schema`

use clap::Args;

use super::output;
use crate::error::{ExitCode, Failure};
use crate::inventory;

/// Print the JSON Schema of an inventory, for editors
#[derive(Debug, Args)]
#[command(help_template = super::HELP, before_help = "\
Examples:
  homeprov schema > schema.json
  An inventory that begins with `#:schema ./schema.json` is completed and checked by editors.")]
pub(super) struct Arguments {}

impl Arguments {
    #[expect(clippy::unused_self, reason = "every command is run alike")]
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        output::result(&inventory::schema())?;
        Ok(ExitCode::Done)
    }
}
