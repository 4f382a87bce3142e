//! Commands that change the inventory file: it is read, the change is tried on its text, and written when it is agreed.

use std::io;
use std::path::{Path, PathBuf};

use super::output;
use super::prompt;
use crate::error::{ExitCode, Failure};
use crate::inventory::edit::{self, EditError};
use crate::inventory::{self, Inventory};
use crate::report::face::Surroundings;
use crate::report::terminal::Screen;

/// An inventory file that is to be changed, as it is.
pub(super) struct Held {
    /// Where it is.
    pub(super) path: PathBuf,
    /// What it says.
    pub(super) text: String,
    /// The same, read.
    pub(super) inventory: Inventory,
}

/// What it is to say.
pub(super) struct Changed {
    path: PathBuf,
    before: String,
    after: String,
    /// The new text, read and found valid.
    pub(super) inventory: Inventory,
}

impl Held {
    /// Reads it; one that is invalid is not changed.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let inventory = inventory::load(path).map_err(|invalid| refused(path, "cannot be used", &invalid))?.inventory;
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::named(format!("cannot read {}", path.display()), &error))?;
        Ok(Self { path: path.to_owned(), text, inventory })
    }

    /// Tries a change; the file stays as it is.
    pub(super) fn changed(&self, after: Result<String, EditError>) -> Result<Changed, Failure> {
        let shown = self.path.display();
        let after = after.map_err(|error| {
            Failure::new(ExitCode::Invalid, format!("{shown} cannot be changed by homeprov: {error}"))
        })?;
        let read = inventory::parse(&self.path, after.clone());
        let loaded =
            read.map_err(|invalid| refused(&self.path, "stays as it is: changed so, it would be invalid", &invalid))?;
        Ok(Changed { path: self.path.clone(), before: self.text.clone(), after, inventory: loaded.inventory })
    }

    /// The command again, with the inventory as it was typed.
    pub(super) fn shown(&self) -> String {
        self.path.display().to_string()
    }
}

impl Changed {
    /// Writes it, whole or not at all, unless somebody else has changed the file since it was read.
    pub(super) fn write(&self) -> Result<(), Failure> {
        edit::replace(&self.path, &self.before, &self.after).map_err(|error| {
            let shown = self.path.display();
            Failure::new(ExitCode::Refused, format!("{shown} could not be written: {error}"))
                .help(format!("make the change by hand, or run the same command again:\n{}", self.difference()))
        })
    }

    /// What changes, in lines.
    pub(super) fn difference(&self) -> String {
        let diff = similar::TextDiff::from_lines(&self.before, &self.after);
        diff.unified_diff().context_radius(1).header("as it is", "as it is to be").to_string()
    }
}

/// The refusals of the pre-flight, as the command ends with them.
pub(super) fn before_anything(refusals: &[String]) -> Failure {
    Failure::new(ExitCode::Refused, format!("refused before anything was changed:\n{}", refusals.join("\n")))
}

fn refused(path: &Path, what: &str, invalid: &inventory::InvalidInventory) -> Failure {
    let colour = Surroundings::of(&io::stderr()).colour();
    let problems = invalid.render(colour, output::stderr_width());
    Failure::new(ExitCode::Invalid, format!("{} {what}\n\n{problems}", path.display()))
}

/// Whether the question before a change can be answered: asked before any machine is.
pub(super) fn can_agree(yes: bool, command: &str) -> Result<(), Failure> {
    if yes || prompt::possible() {
        return Ok(());
    }
    let message = format!("`{command}` asks before it changes anything: use a terminal, or add --yes");
    Err(Failure::new(ExitCode::Usage, message))
}

/// Asks, unless the answer is yes already.
pub(super) fn agreed(yes: bool, screen: &Screen, question: &str) -> Result<(), Failure> {
    if yes || prompt::confirm(screen, question) {
        return Ok(());
    }
    Err(Failure::new(ExitCode::Refused, "left as it is, as you said: nothing was changed"))
}
