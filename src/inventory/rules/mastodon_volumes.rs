//! Sizes, and how volumes are mounted.

use super::storage_quantity::size;
use crate::diagnostic::Problem;
use crate::document::{At, Field, Report};
use crate::inventory::file::File;
use crate::inventory::mastodon::table::QuantitiesTable;
use crate::inventory::storage::Engine;

/// Sizes and quantities can be read.
pub(super) fn sizes(file: &File, report: &mut Report) {
    let Some(mastodon) = file.mastodon.given() else { return };
    let postgresql = mastodon.postgresql.given().and_then(|table| table.size.given());
    let redis = mastodon.redis.given().and_then(|table| table.size.given());
    for (key, text, example) in [
        ("assets_size", mastodon.assets_size.given(), "10GiB"),
        ("system_size", mastodon.system_size.given(), "100GiB"),
        ("size", postgresql, "20GiB"),
        ("size", redis, "8GiB"),
    ] {
        let Some(text) = text else { continue };
        report.check(size(key, text, example).and_then(|bytes| positive(key, text, bytes)));
    }
    let Some(resources) = mastodon.resources.given() else { return };
    for table in [&resources.web, &resources.sidekiq, &resources.streaming, &resources.postgresql, &resources.redis] {
        if let Some(table) = table.given() {
            quantities(table, report);
        }
    }
}

fn positive(key: &str, text: &At<String>, bytes: u64) -> Result<(), Problem> {
    let problem = || Problem::error(format!("`{key}` is nothing")).at(text.span.clone(), "no volume is that small");
    if bytes == 0 { Err(problem().help(format!("such as {key} = \"10GiB\""))) } else { Ok(()) }
}

fn quantities(table: &QuantitiesTable, report: &mut Report) {
    for (key, text) in [("memory", &table.memory), ("memory_limit", &table.memory_limit)] {
        if let Some(text) = text.given() {
            report.check(size(key, text, "768MiB"));
        }
    }
    for (key, text) in [("cpu", &table.cpu), ("cpu_limit", &table.cpu_limit)] {
        let Some(text) = text.given().filter(|text| !is_cpu(&text.value)) else { continue };
        report.push(
            Problem::error(format!("`{key}` is not an amount of processor time"))
                .at(text.span.clone(), "cores, or thousandths of one with an m")
                .help(format!("such as {key} = \"250m\" for a quarter of a core")),
        );
    }
}

fn is_cpu(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.len() <= 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    match (text.strip_suffix('m'), text.split_once('.')) {
        (Some(thousandths), _) => digits(thousandths),
        (None, Some((cores, part))) => digits(cores) && digits(part) && part.len() <= 3,
        (None, None) => digits(text),
    }
}

/// The way volumes are mounted is one there is, and one that storage can do.
pub(super) fn access(file: &File, report: &mut Report) {
    let Some(access) = file.mastodon.given().and_then(|mastodon| mastodon.access.given()) else { return };
    let problem = match access.value.as_str() {
        "rwo" => return,
        "rwx" if has_rwx(file) => return,
        "rwx" => Problem::error("`access = \"rwx\"` needs a storage class for several nodes at once")
            .at(access.span.clone(), "there is none")
            .help("write access = \"rwo\", which keeps the pods together on one node; or see `rwx` and `rwx_class` under [storage]"),
        _ => Problem::error(format!("`{}` is no way to mount volumes", access.value.escape_debug()))
            .at(access.span.clone(), "not one of them")
            .help("\"rwx\" for pods on several nodes, \"rwo\" for pods kept together on one"),
    };
    report.push(problem);
}

/// Whether there is a class for volumes that several nodes mount at once; true where that is not to be told.
fn has_rwx(file: &File) -> bool {
    let table = file.storage.given();
    match super::storage_engine::of(file) {
        Some(Engine::Jiva) => table.and_then(|table| table.rwx.given()).is_none_or(|rwx| rwx.value),
        Some(Engine::ExistingClass) => table.is_some_and(|table| !matches!(table.rwx_class, Field::Absent)),
        Some(Engine::Hostpath | Engine::None) => false,
        None => true,
    }
}

/// With object storage there are no volumes for media.
pub(super) fn not_with_s3(file: &File, report: &mut Report) {
    let Some(mastodon) = file.mastodon.given() else { return };
    let Some(s3) = mastodon.s3.given() else { return };
    for (key, text) in
        [("assets_size", &mastodon.assets_size), ("system_size", &mastodon.system_size), ("access", &mastodon.access)]
    {
        let Some(text) = text.given() else { continue };
        report.push(
            Problem::error(format!("`{key}` does not go with [mastodon.s3]"))
                .at(text.span.clone(), "there will be no such volume")
                .at(s3.header.clone(), "media are kept here")
                .help(format!("remove `{key}`, or [mastodon.s3]")),
        );
    }
}
