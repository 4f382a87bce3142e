//! Sizes and ages.

use crate::diagnostic::Problem;
use crate::document::{At, Report};
use crate::inventory::file::File;
use crate::inventory::storage::quantity;

/// Below this a proof tells data from the file system's own; above it a homelab waits for nothing.
const PROOF_SIZES: std::ops::RangeInclusive<u64> = 1 << 20..=16 << 30;
/// Ages that make sense: a proof takes a minute.
const AGES: std::ops::RangeInclusive<u64> = 3600..=3650 * 24 * 3600;

/// Sizes can be read and are within reason.
pub(super) fn sizes(file: &File, report: &mut Report) {
    let Some(table) = file.storage.given() else { return };
    if let Some(reserve) = table.reserve.given() {
        report.check(size("reserve", reserve, "20GiB"));
    }
    if let Some(proof) = table.proof_size.given() {
        let checked = size("proof_size", proof, "64MiB").and_then(|bytes| {
            let problem = || {
                Problem::error("`proof_size` must be from 1MiB to 16GiB")
                    .at(proof.span.clone(), "out of these limits")
                    .why("a proof writes and reads this much through every kind of volume, on every replica")
                    .help("64MiB is plenty: proof_size = \"64MiB\"")
            };
            PROOF_SIZES.contains(&bytes).then_some(bytes).ok_or_else(problem)
        });
        report.check(checked);
    }
}

/// The bytes of a size.
pub(super) fn size(key: &str, text: &At<String>, example: &str) -> Result<u64, Problem> {
    quantity::bytes(&text.value).ok_or_else(|| {
        let meant = quantity::meant(&text.value).unwrap_or_else(|| example.to_owned());
        Problem::error(format!("`{key}` is not a size"))
            .at(text.span.clone(), "a whole number and KiB, MiB, GiB or TiB")
            .help(format!("such as {key} = \"{meant}\""))
    })
}

/// The age of a proof can be read and is within reason.
pub(super) fn age(file: &File, report: &mut Report) {
    let Some(text) = file.storage.given().and_then(|table| table.prove_every.given()) else { return };
    if quantity::span(&text.value).is_none_or(|age| !AGES.contains(&age.as_secs())) {
        report.push(
            Problem::error("`prove_every` is not an age from an hour to ten years")
                .at(text.span.clone(), "a whole number and h, d or w")
                .help("such as prove_every = \"30d\"; leave it out to prove again only when something has changed"),
        );
    }
}
