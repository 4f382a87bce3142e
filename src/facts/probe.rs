//! The script of one observation: the fact probe and every check of the recipe, in one exec.

use std::time::Duration;

use super::when;
use crate::inventory::model::{Inventory, Node};
use crate::playbook::model::{Action, On, Recipe};
use crate::playbook::render::{RenderContext, RenderError, render};
use crate::ssh::{Program, Purpose, Script, Section};

/// The section that holds the fact probe's answer.
pub const FACTS: &str = "facts";

const PROBE: &str = include_str!("probe.sh");
const PROBE_LIMIT: Duration = Duration::from_secs(20);
const CHECK_LIMIT: Duration = Duration::from_secs(10);

/// The observation of one node: facts, and all checks that could ever apply to it. Whether a check matters is
/// decided from the facts, which come out of the same exec.
pub fn observation(inventory: &Inventory, recipe: &Recipe, node: &Node) -> Result<Script, RenderError> {
    let addresses: Vec<String> = inventory.control_planes().map(|node| node.address.to_string()).collect();
    let probe = format!("control_planes='{}'\n{PROBE}", addresses.join(" "));
    let mut sections = vec![Section { id: FACTS.to_owned(), program: Program::Shell(probe), limit: PROBE_LIMIT }];
    let context = RenderContext::new(inventory, Some(node));
    for step in &recipe.steps {
        let unwanted = step.when.as_ref().is_some_and(|name| when::wanted(name, inventory) == Some(false));
        if let (Action::Script { check, .. }, true) = (&step.action, could_apply(step.on, node) && !unwanted) {
            let program = Program::Shell(render(check, &context)?);
            sections.push(Section { id: step.id.clone(), program, limit: CHECK_LIMIT });
        }
    }
    Ok(Script { purpose: Purpose::Observe, sections })
}

fn could_apply(on: On, node: &Node) -> bool {
    match on {
        On::All => true,
        On::ControlPlane | On::Seed => node.role == crate::inventory::model::Role::ControlPlane,
        On::Workers => node.role == crate::inventory::model::Role::Worker,
        On::Cluster => false,
    }
}
