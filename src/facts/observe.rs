//! One look at one node.

use super::probe::{self, FACTS};
use super::{Observation, Seen, parse};
use crate::inventory::model::{Inventory, Node};
use crate::playbook::model::Recipe;
use crate::redact;
use crate::ssh::Transport;

/// Observes a node with one exec. Anything that keeps it from being seen, an unreadable answer too, is a reason,
/// not a guess.
pub async fn observe(transport: &dyn Transport, inventory: &Inventory, recipe: &Recipe, node: &Node) -> Observation {
    let script = match probe::observation(inventory, recipe, node) {
        Ok(script) => script,
        Err(error) => return Observation::Unreachable { reason: error.to_string(), passes: false },
    };
    let mut answer = match transport.run(&node.name, &script).await {
        Ok(answer) => answer,
        Err(error) => {
            let reason = format!("{error}\n{}", error.remedy());
            return Observation::Unreachable { reason, passes: error.passes() };
        }
    };
    let Some(text) = answer.sections.remove(FACTS).filter(crate::ssh::SectionAnswer::succeeded) else {
        let reason = format!("{}: the fact probe did not finish; see what `sh` says on the node", node.name);
        return Observation::Unreachable { reason, passes: true };
    };
    let mut facts = parse::node_facts(&text.stdout);
    facts.clock_offset = answer.clock_offset;
    if let Some(config) = &facts.kubeconfig {
        redact::learn_kubeconfig(config);
    }
    Observation::Seen(Box::new(Seen { facts, checks: answer.sections }))
}
