//! What a node does.

use crate::diagnostic::Problem;
use crate::document::Report;
use crate::document::suggest::nearest;
use crate::document::{At, Field};
use crate::inventory::file::{File, NodeTable};
use crate::inventory::model::Role;

/// Every role is one there is.
pub(super) fn known(file: &File, report: &mut Report) {
    for role in file.nodes().iter().filter_map(|node| node.role.given()) {
        report.check(parse(role));
    }
}

/// A node's role, a control plane when it says nothing; none when what it says cannot be understood.
pub(in crate::inventory) fn of(node: &NodeTable) -> Option<Role> {
    match &node.role {
        Field::Absent => Some(Role::ControlPlane),
        Field::Faulty => None,
        Field::Given(text) => parse(text).ok(),
    }
}

fn parse(text: &At<String>) -> Result<Role, Problem> {
    let meant = match text.value.as_str() {
        "control-plane" => return Ok(Role::ControlPlane),
        "worker" => return Ok(Role::Worker),
        "master" | "server" | "controller" | "control" => Some("control-plane"),
        "agent" | "node" => Some("worker"),
        other => nearest(other, ["control-plane", "worker"]),
    };
    let label = meant.map_or_else(|| "no such role".to_owned(), |meant| format!("did you mean \"{meant}\"?"));
    Err(Problem::error(format!("`{}` is not a role", text.value.escape_debug()))
        .at(text.span.clone(), label)
        .help("a node is a \"control-plane\" (it runs workloads too) or a \"worker\""))
}
