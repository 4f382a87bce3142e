//! Inventories and playbooks that runs here are given.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use homeprov::inventory::{self, Inventory};
use homeprov::playbook::{self, Recipe};
use homeprov::steps;

/// The pool of the inventories here.
pub const POOL: &str = "10.77.0.200-10.77.0.210";
const NO_STORAGE: &str = "[storage]\nengine = \"none\"";

/// The same inventory text with another `[storage]` table; without one when it is empty.
pub fn with_storage(text: &str, table: &str) -> String {
    text.replace(NO_STORAGE, table)
}

/// The playbooks that are part of homeprov.
pub fn recipe() -> Recipe {
    playbook::load_embedded(&steps::names().collect::<Vec<_>>()).expect("the playbooks are valid")
}

/// The playbooks of another command.
pub fn recipe_of(command: &str) -> Recipe {
    playbook::load_embedded_of(command, &steps::names().collect::<Vec<_>>()).expect("the playbooks are valid")
}

/// The same without the proof of storage: the bytes of volumes are real in the lab alone.
pub fn without_proof() -> Recipe {
    let mut recipe = recipe();
    recipe.steps.retain(|step| step.id != "storage-proven");
    recipe
}

/// An inventory text: so many control planes and workers, nuc1, nuc2, …, and a pool.
pub fn text(control_planes: u8, workers: u8) -> String {
    let mut text = "[cluster]\nname = \"home\"\nchannel = \"1.35/stable\"\n\n".to_owned();
    for n in 1..=control_planes + workers {
        let role = if n <= control_planes { "control-plane" } else { "worker" };
        let _ = writeln!(text, "[[nodes]]\nname = \"nuc{n}\"\naddress = \"10.77.0.{}\"\nrole = \"{role}\"\n", 10 + n);
    }
    // Who is about storage says so: `with_storage`.
    let _ = writeln!(text, "[metallb]\npool = \"{POOL}\"\n\n{NO_STORAGE}");
    text
}

/// An inventory from its text.
pub fn inventory(text: &str) -> Arc<Inventory> {
    let loaded = inventory::parse(Path::new("home.toml"), text.to_owned()).unwrap_or_else(|error| panic!("{error}"));
    Arc::new(loaded.inventory)
}
