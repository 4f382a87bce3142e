//! Who keeps the volumes.

use crate::diagnostic::Problem;
use crate::document::suggest::nearest;
use crate::document::{At, Field, Report};
use crate::inventory::file::File;
use crate::inventory::storage::{Engine, engine_for};

const ENGINES: [Engine; 4] = [Engine::Jiva, Engine::Hostpath, Engine::ExistingClass, Engine::None];

/// The engine is one there is.
pub(super) fn known(file: &File, report: &mut Report) {
    if let Some(engine) = file.storage.given().and_then(|table| table.engine.given()) {
        report.check(parse(engine));
    }
}

/// Two nodes without a word about storage get folders on one node: who has two nodes should know.
pub(super) fn chosen(file: &File, report: &mut Report) {
    let named = match &file.storage {
        Field::Absent => false,
        Field::Faulty => true,
        Field::Given(table) => !matches!(table.engine, Field::Absent),
    };
    let [_, second] = file.nodes() else { return };
    if named {
        return;
    }
    let span = file.storage.given().map_or_else(|| second.header.clone(), |table| table.header.clone());
    report.push(
        Problem::warning("with two nodes volumes are stored on one of them, not replicated")
            .at(span, "two nodes, and no engine named")
            .why("a replicated volume takes writes while more than half of its replicas are there: of two that is both, so losing either node would stop it")
            .help("add a third node; or write [storage] engine = \"hostpath\" to say that this is meant, or engine = \"jiva\" for two copies that become read-only when a node is down"),
    );
}

/// The engine of a file, by the number of its nodes when it names none; none when what it says cannot be understood.
pub(in crate::inventory) fn of(file: &File) -> Option<Engine> {
    let default = || Some(engine_for(file.nodes().len()));
    match &file.storage {
        Field::Absent => default(),
        Field::Faulty => None,
        Field::Given(table) => match &table.engine {
            Field::Absent => default(),
            Field::Faulty => None,
            Field::Given(text) => parse(text).ok(),
        },
    }
}

fn parse(text: &At<String>) -> Result<Engine, Problem> {
    let named = ENGINES.into_iter().find(|engine| engine.name() == text.value);
    named.ok_or_else(|| {
        let meant = match text.value.to_lowercase().as_str() {
            "openebs" | "openebs-jiva" => Some("jiva"),
            "local" | "microk8s-hostpath" => Some("hostpath"),
            "longhorn" | "mayastor" | "ceph" | "rook-ceph" | "nfs" | "existing" => Some("existing-class"),
            "off" | "no" | "false" => Some("none"),
            other => nearest(other, ENGINES.map(Engine::name)),
        };
        let label = meant.map_or_else(|| "no such engine".to_owned(), |meant| format!("did you mean \"{meant}\"?"));
        Problem::error(format!("`{}` is not a storage engine", text.value.escape_debug()))
            .at(text.span.clone(), label)
            .help("\"jiva\" keeps each volume on several nodes, \"hostpath\" in a folder of one node, \"existing-class\" uses a class that is there already, \"none\" leaves storage alone")
    })
}
