//! What the site stands on.

use crate::diagnostic::Problem;
use crate::document::{Field, Report};
use crate::inventory::file::File;
use crate::inventory::flux::plain;
use crate::inventory::storage::Engine;

/// Flux deploys the site, it has an address of the pool, and its data a place.
pub(super) fn foundations(file: &File, report: &mut Report) {
    let Some(mastodon) = file.mastodon.given() else { return };
    let mut missing = |what: &str, why: &str, help: &str| {
        report.push(
            Problem::error(format!("[mastodon] needs {what}"))
                .at(mastodon.header.clone(), "the site")
                .why(why)
                .help(help),
        );
    };
    if matches!(file.flux, Field::Absent) {
        let help = "add\n[flux]\nrepository = \"ssh://git@github.com/alice/home\"";
        missing("[flux]", "the site is deployed by Flux, from a Git repository", help);
    }
    if matches!(file.metallb, Field::Absent) {
        let help = "add\n[metallb]\npool = \"192.168.1.240-192.168.1.250\"";
        missing("[metallb]", "the site gets an address of the pool, where any node can answer", help);
    }
    if super::storage_engine::of(file) == Some(Engine::None) {
        let help = "choose another engine, such as engine = \"jiva\"";
        missing(
            "storage",
            "its database has to lie somewhere, and with engine = \"none\" homeprov knows no place",
            help,
        );
    }
}

/// The site's folder and that of Flux are beside each other: Flux applies all that is below its own, and the site's would be
/// applied twice, each time by another hand.
pub(super) fn folders_apart(file: &File, report: &mut Report) {
    let (Some(mastodon), Some(flux), Some(cluster)) = (file.mastodon.given(), file.flux.given(), file.cluster.given())
    else {
        return;
    };
    let Some(name) = cluster.name.given() else { return };
    let text = |field: &Field<crate::document::At<String>>, default: String| match field {
        Field::Given(text) => Some(plain(&text.value)),
        Field::Absent => Some(default),
        Field::Faulty => None,
    };
    let own = text(&mastodon.path, crate::inventory::mastodon::PATH.to_owned());
    let whole = text(&flux.path, format!("clusters/{}", name.value));
    let (Some(own), Some(whole)) = (own, whole) else { return };
    let below = |inner: &str, outer: &str| inner == outer || inner.starts_with(&format!("{outer}/"));
    if own.is_empty() || whole.is_empty() || !(below(&own, &whole) || below(&whole, &own)) {
        return;
    }
    let span = |field: &Field<crate::document::At<String>>, header: &std::ops::Range<usize>| {
        field.given().map_or_else(|| header.clone(), |text| text.span.clone())
    };
    report.push(
        Problem::error("the site's folder and the one of Flux are inside each other")
            .at(span(&mastodon.path, &mastodon.header), format!("the site's: {own}"))
            .at(span(&flux.path, &flux.header), format!("Flux's: {whole}"))
            .why("Flux applies everything below its folder: the site would be applied twice, by two that undo each other's work")
            .help("put them beside each other, such as clusters/home and mastodon"),
    );
}
