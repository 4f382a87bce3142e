//! Reads the files a command is given.

use std::io;
use std::path::Path;

use super::output;
use crate::error::{ExitCode, Failure};
use crate::inventory::{self, Inventory};
use crate::playbook::{self, Recipe};
use crate::report::face::{Surroundings, Verbosity};
use crate::{diagnostic, steps};

/// Reads the inventory; its warnings are shown.
pub(super) fn inventory(path: &Path, verbosity: Verbosity) -> Result<Inventory, Failure> {
    let colour = Surroundings::of(&io::stderr()).colour();
    let width = output::stderr_width();
    let loaded = inventory::load(path).map_err(|invalid| {
        let problems = invalid.render(colour, width);
        Failure::new(ExitCode::Invalid, format!("{} cannot be used\n\n{problems}", path.display()))
    })?;
    if !loaded.warnings.is_empty() && verbosity > Verbosity::Quiet {
        output::note(&diagnostic::render_all(&loaded.warnings, colour, width));
    }
    Ok(loaded.inventory)
}

/// Whether the templates beside the playbooks give manifests for this inventory.
pub(super) fn check_templates(recipe: &Recipe, inventory: &Inventory) -> Result<(), Failure> {
    recipe.templates.check(inventory).map_err(|error| {
        Failure::new(ExitCode::Invalid, format!("a template cannot be used\n\n{error}"))
            .help("`homeprov playbooks export DIR` writes homeprov's own templates to DIR/gitops")
    })
}

/// Reads the playbooks: those in the folder, or the program's own.
pub(super) fn recipe(folder: Option<&Path>) -> Result<Recipe, Failure> {
    let builtins: Vec<&str> = steps::names().collect();
    usable(match folder {
        Some(folder) => playbook::load_dir(folder, &builtins),
        None => playbook::load_embedded(&builtins),
    })
}

/// The same for another command than `up`, whose playbooks stand in a folder of its name.
pub(super) fn recipe_of(folder: Option<&Path>, command: &str) -> Result<Recipe, Failure> {
    let builtins: Vec<&str> = steps::names().collect();
    usable(match folder.map(|folder| folder.join(command)).filter(|folder| folder.is_dir()) {
        Some(folder) => playbook::load_dir(&folder, &builtins),
        None => playbook::load_embedded_of(command, &builtins),
    })
}

fn usable(recipe: Result<Recipe, playbook::InvalidPlaybooks>) -> Result<Recipe, Failure> {
    recipe.map_err(|invalid| {
        let colour = Surroundings::of(&io::stderr()).colour();
        let problems = invalid.render(colour, output::stderr_width());
        Failure::new(ExitCode::Invalid, format!("the playbooks cannot be used\n\n{problems}"))
    })
}
