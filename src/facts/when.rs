//! The facts a playbook's `when` may name.

use super::Facts;
use crate::inventory::model::Node;

/// Whether the named fact is true of a node. A name that is not known is never true; the playbook loader refuses it.
pub fn holds(name: &str, facts: &Facts, node: &Node) -> bool {
    let Some(seen) = facts.node(&node.name) else { return false };
    match name {
        "member" => facts.is_member(node),
        "login-is-not-root" => seen.login != "root",
        "cloud-init" => seen.cloud_init,
        _ => false,
    }
}
