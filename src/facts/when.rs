//! The facts a playbook's `when` may name.

use super::Facts;
use crate::inventory::model::{Engine, Inventory, Node};

/// Whether the named fact is true of a node. A name that is not known is never true; the playbook loader refuses it.
pub fn holds(name: &str, inventory: &Inventory, facts: &Facts, node: &Node) -> bool {
    if let Some(decided) = wanted(name, inventory) {
        return decided;
    }
    let Some(seen) = facts.node(&node.name) else { return false };
    match name {
        "member" => facts.is_member(node),
        "login-is-not-root" => seen.login != "root",
        "cloud-init" => seen.cloud_init,
        _ => false,
    }
}

/// What the inventory alone says of a name: a step that it does not want is not even checked. None where that is for the
/// node's facts to say.
pub fn wanted(name: &str, inventory: &Inventory) -> Option<bool> {
    let jiva = inventory.storage.engine == Engine::Jiva;
    match name {
        "jiva" => Some(jiva),
        "rwx" => Some(jiva && inventory.storage.rwx),
        "elasticsearch" => Some(inventory.mastodon.as_ref().is_some_and(|mastodon| mastodon.elasticsearch)),
        _ => None,
    }
}
