//! A cluster and nodes have to be there.

use crate::diagnostic::Problem;
use crate::document::Field;
use crate::document::Report;
use crate::inventory::file::File;

/// There is a `[cluster]` table.
pub(super) fn cluster(file: &File, report: &mut Report) {
    if matches!(file.cluster, Field::Absent) {
        report.push(
            Problem::error("the [cluster] table is missing")
                .at(0..0, "no [cluster] in this file")
                .help("begin the file with\n[cluster]\nname = \"home\""),
        );
    }
}

/// There is at least one node.
pub(super) fn nodes(file: &File, report: &mut Report) {
    let none = match &file.nodes {
        Field::Absent => true,
        Field::Faulty => false,
        Field::Given(nodes) => nodes.is_empty(),
    };
    if none {
        report.push(
            Problem::error("there are no nodes")
                .at(0..0, "no [[nodes]] in this file")
                .why("a cluster is made of machines, and this file names none")
                .help("add one table for each machine:\n[[nodes]]\nname = \"nuc1\"\naddress = \"192.168.1.11\""),
        );
    }
}
