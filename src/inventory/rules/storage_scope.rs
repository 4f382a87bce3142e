//! Which keys go with which engine.

use std::ops::Range;

use crate::diagnostic::Problem;
use crate::document::{At, Field, Report};
use crate::inventory::file::{File, StorageTable};
use crate::inventory::storage::Engine;

/// A key, where it stands, and the engines it goes with.
type Scope<'a> = (&'a str, Option<Range<usize>>, &'a [Engine]);

/// No key is there that the engine would not look at: whoever writes it expects something from it.
pub(super) fn keys_of_the_engine(file: &File, report: &mut Report) {
    let (Some(table), Some(engine)) = (file.storage.given(), super::storage_engine::of(file)) else { return };
    let jiva = &[Engine::Jiva][..];
    let existing = &[Engine::ExistingClass][..];
    let proven = &[Engine::Jiva, Engine::Hostpath, Engine::ExistingClass][..];
    let text = |field: &Field<At<String>>| field.given().map(|text| text.span.clone());
    let given: [Scope<'_>; 10] = [
        ("replicas", table.replicas.given().map(|number| number.span.clone()), jiva),
        ("rwx", switched_on(table), &[Engine::Jiva, Engine::ExistingClass]),
        ("chart", text(&table.chart), jiva),
        ("nfs_chart", text(&table.nfs_chart), jiva),
        ("class", text(&table.class), existing),
        ("rwx_class", text(&table.rwx_class), existing),
        ("reserve", text(&table.reserve), proven),
        ("prove_every", text(&table.prove_every), proven),
        ("proof_size", text(&table.proof_size), proven),
        ("image", text(&table.image), proven),
    ];
    for (key, span, engines) in given {
        let Some(span) = span.filter(|_| !engines.contains(&engine)) else { continue };
        let names: Vec<String> = engines.iter().map(|engine| format!("\"{}\"", engine.name())).collect();
        let mut problem = Problem::error(format!("`{key}` does not go with engine = \"{}\"", engine.name()));
        problem = problem.at(span, format!("goes with {}", names.join(", ")));
        if let Some(named) = table.engine.given() {
            problem = problem.at(named.span.clone(), "the engine");
        }
        report.push(problem.why(why(key, engine)).help(format!("remove `{key}`, or choose another engine")));
    }
    if let (Engine::Jiva, Some(chart), Some(rwx)) = (engine, table.nfs_chart.given(), table.rwx.given())
        && !rwx.value
    {
        report.push(
            Problem::error("`nfs_chart` does not go with rwx = false")
                .at(chart.span.clone(), "nothing is installed from it")
                .at(rwx.span.clone(), "switched off")
                .help("remove one of the two"),
        );
    }
}

fn switched_on(table: &StorageTable) -> Option<Range<usize>> {
    table.rwx.given().filter(|switch| switch.value).map(|switch| switch.span.clone())
}

fn why(key: &str, engine: Engine) -> &'static str {
    match (key, engine) {
        (_, Engine::None) => "with this engine homeprov leaves storage alone",
        ("replicas", Engine::Hostpath) => "a folder on one node has no replicas",
        ("replicas", _) => "the number of replicas is a matter of that storage, not of homeprov",
        ("rwx", _) => "a folder on one node cannot be mounted by others",
        ("class" | "rwx_class", _) => "with this engine homeprov makes the classes itself",
        _ => "nothing is installed from a chart with this engine",
    }
}

/// An engine that uses classes that are there needs to know which.
pub(super) fn existing_classes(file: &File, report: &mut Report) {
    let Some(table) = file.storage.given() else { return };
    let Some(engine) = table.engine.given().filter(|_| super::storage_engine::of(file) == Some(Engine::ExistingClass))
    else {
        return;
    };
    if matches!(table.class, Field::Absent) {
        report.push(
            Problem::error("`class` is missing: which storage class is it?")
                .at(engine.span.clone(), "a class that is there already")
                .help("add a line such as: class = \"longhorn\"; `microk8s kubectl get storageclass` lists them"),
        );
    }
    match (table.rwx.given(), &table.rwx_class) {
        (Some(rwx), Field::Absent) if rwx.value => report.push(
            Problem::error("`rwx_class` is missing: which class is for several nodes at once?")
                .at(rwx.span.clone(), "wanted here")
                .help("add a line such as: rwx_class = \"longhorn-rwx\""),
        ),
        (Some(rwx), Field::Given(class)) if !rwx.value => report.push(
            Problem::error("`rwx_class` does not go with rwx = false")
                .at(class.span.clone(), "a class for several nodes at once")
                .at(rwx.span.clone(), "switched off")
                .help("remove one of the two"),
        ),
        _ => {}
    }
}

/// A class has a name Kubernetes takes: a DNS subdomain.
pub(super) fn class_names(file: &File, report: &mut Report) {
    let Some(table) = file.storage.given() else { return };
    for (key, class) in [("class", &table.class), ("rwx_class", &table.rwx_class)] {
        let Some(class) = class.given().filter(|class| !is_name(&class.value)) else { continue };
        report.push(
            Problem::error(format!("`{key}` is not the name of a storage class"))
                .at(class.span.clone(), "lower-case letters, digits, `-` and `.`")
                .help("`microk8s kubectl get storageclass` lists them"),
        );
    }
}

/// Whether Kubernetes takes a name: a DNS subdomain.
pub(super) fn is_name(name: &str) -> bool {
    let sane = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let part = |part: &str| {
        part.bytes().all(|byte| sane(byte) || byte == b'-') && !part.starts_with('-') && !part.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(|piece| !piece.is_empty() && part(piece))
}
