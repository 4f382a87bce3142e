//! How many control planes there are. dqlite, the data store of MicroK8s, decides what a number is worth: below three
//! members there is one voter, from three on there are three (canonical/go-dqlite app/roles.go, targets of MicroK8s).

use crate::diagnostic::Problem;
use crate::document::Field;
use crate::document::Report;
use crate::inventory::file::{File, NodeTable};
use crate::inventory::model::Role;

/// The control planes; none when a node cannot be understood, as counting would be guessing.
fn control_planes(file: &File) -> Option<Vec<&NodeTable>> {
    let nodes = file.nodes.given()?;
    let roles = nodes.iter().map(super::role::of).collect::<Option<Vec<Role>>>()?;
    let nodes = nodes.iter().zip(roles);
    Some(nodes.filter(|(_, role)| *role == Role::ControlPlane).map(|(node, _)| node).collect())
}

/// There is at least one.
pub(super) fn one(file: &File, report: &mut Report) {
    if control_planes(file).is_none_or(|nodes| !nodes.is_empty()) {
        return;
    }
    let Some(first) = file.nodes().first() else {
        return;
    };
    let span = first.role.given().map(|role| role.span.clone());
    report.push(
        Problem::error("there is no control plane")
            .at(span.unwrap_or_else(|| first.header.clone()), "a worker, like all others")
            .why("workers run what a control plane tells them; alone they are no cluster")
            .help("write role = \"control-plane\" for one machine, or for three: control planes run workloads too"),
    );
}

/// There are not exactly two, unless that is wanted.
pub(super) fn not_two(file: &File, report: &mut Report) {
    let nodes = control_planes(file).unwrap_or_default();
    let [first, second] = nodes.as_slice() else {
        return;
    };
    let place = |node: &NodeTable| match &node.name {
        Field::Given(name) => name.span.clone(),
        Field::Absent | Field::Faulty => node.header.clone(),
    };
    let allowed = match &file.cluster {
        Field::Given(cluster) => &cluster.allow_two_control_planes,
        Field::Absent => &Field::Absent,
        Field::Faulty => &Field::Faulty,
    };
    // Whether two are wanted has been said, and could not be understood.
    if matches!(allowed, Field::Faulty) {
        return;
    }
    let allowed = allowed.given().filter(|switch| switch.value);
    let why = "with two members the data store has a single voter. Losing that machine loses the cluster, as with one control plane, but now there are two machines whose loss can do it, and nobody chose which: two are worse than one";
    let problem = match allowed {
        Some(switch) => Problem::warning("two control planes tolerate no failure, as allowed")
            .at(switch.span.clone(), "allowed here")
            .help("a third control plane makes the cluster highly available"),
        None => Problem::error("two control planes are worse than one")
            .at(place(second), "the second")
            .at(place(first), "the first")
            .help("add a third control plane, or make one of the two role = \"worker\". To go on all the same, perhaps while the third machine is on its way: allow_two_control_planes = true in [cluster]"),
    };
    report.push(problem.why(why));
}

/// An even number buys nothing over the odd one below.
pub(super) fn odd(file: &File, report: &mut Report) {
    let Some(nodes) = control_planes(file) else {
        return;
    };
    let number = nodes.len();
    let Some(last) = nodes.last().filter(|_| number >= 4 && number % 2 == 0) else {
        return;
    };
    report.push(
        Problem::warning(format!("{number} control planes are an even number"))
            .at(last.header.clone(), "one more than useful")
            .why(format!(
                "the data store keeps three voters, and the others only stand by to replace one: {number} survive no more machines lost at once than {}, and each control plane costs memory and traffic",
                number - 1
            ))
            .help("make one of them role = \"worker\""),
    );
}
