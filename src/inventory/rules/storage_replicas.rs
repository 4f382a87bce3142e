//! How many copies of a volume there are. A Jiva volume takes writes while more than half of its replicas are readable and
//! writable (openebs/jiva `controller/control.go`), and no two of them lie on one node.

use crate::diagnostic::Problem;
use crate::document::{Field, Report};
use crate::inventory::file::{File, StorageTable};
use crate::inventory::storage::Engine;

/// No volume wants more nodes than there are.
pub(super) fn enough_nodes(file: &File, report: &mut Report) {
    let Some((table, nodes)) = jiva(file) else { return };
    let Some(replicas) = table.replicas.given().filter(|replicas| replicas.value as usize > nodes) else { return };
    let count = if nodes == 1 { "one node".to_owned() } else { format!("{nodes} nodes") };
    report.push(
        Problem::error(format!("{} replicas do not fit on {count}", replicas.value))
            .at(replicas.span.clone(), format!("more than {count}"))
            .why("no two replicas of a volume lie on one node: the ones too many would wait for ever, and no volume would be whole")
            .help(format!("write replicas = {nodes}, or add nodes")),
    );
}

/// One replica is no copy, and two stop at the loss of either.
pub(super) fn quorum(file: &File, report: &mut Report) {
    let Some((table, nodes)) = jiva(file) else { return };
    let (replicas, span) = match &table.replicas {
        Field::Given(number) => (number.value as usize, number.span.clone()),
        Field::Faulty => return,
        Field::Absent => {
            let Some(engine) = table.engine.given() else { return };
            (nodes.min(3), engine.span.clone())
        }
    };
    let problem = match replicas {
        1 if nodes > 1 => Problem::warning("one replica is no copy: volumes are stored, not replicated")
            .at(span, "one disk holds everything")
            .help("write replicas = 3 where there are three nodes"),
        2 if nodes > 1 => Problem::warning("with two replicas a volume becomes read-only as soon as one node is down")
            .at(span, "two copies of each volume")
            .why("a volume takes writes while more than half of its replicas are there, and of two that is both: no data is lost with a node, but nothing goes on without it")
            .help("three nodes with replicas = 3 keep writing while one of them is down"),
        _ => return,
    };
    report.push(problem);
}

/// The table and the number of nodes, when Jiva is the engine.
fn jiva(file: &File) -> Option<(&StorageTable, usize)> {
    let table = file.storage.given()?;
    let nodes = file.nodes.given()?.len();
    (nodes > 0 && super::storage_engine::of(file) == Some(Engine::Jiva)).then_some((table, nodes))
}
