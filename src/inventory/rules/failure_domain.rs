//! The numbers of failure domains: nodes that name none get their place in the file, counted from one.

use crate::diagnostic::Problem;
use crate::document::{Field, Report};
use crate::inventory::file::{File, NodeTable};
use crate::inventory::model::Role;

/// A number somebody wrote is not by accident the one another node gets. Workers have no part in the data store.
pub(super) fn not_by_accident(file: &File, report: &mut Report) {
    for (index, node) in file.nodes().iter().enumerate() {
        let Some(domain) = node.failure_domain.given() else { continue };
        let place = usize::try_from(domain.value).ok().and_then(|place| place.checked_sub(1));
        let Some((place, other)) = place.and_then(|place| Some((place, file.nodes().get(place)?))) else { continue };
        let implicit = matches!(other.failure_domain, Field::Absent);
        if place == index || !implicit || !in_data_store(node) || !in_data_store(other) {
            continue;
        }
        let number = domain.value;
        report.push(
            Problem::warning(format!("{} and {} share the failure domain {number}", node.called(), other.called()))
                .at(domain.span.clone(), "given here")
                .at(other.header.clone(), format!("{number} by its place in the file"))
                .why("the data store takes them for machines that fail together, and nobody has said so of both")
                .help("give every control plane a `failure_domain`, or none of them"),
        );
    }
}

fn in_data_store(node: &NodeTable) -> bool {
    super::role::of(node) == Some(Role::ControlPlane)
}
