//! How the site is reached.

use std::net::IpAddr;

use super::{address, pool_syntax, storage_scope};
use crate::diagnostic::Problem;
use crate::document::{Field, Report};
use crate::inventory::file::File;

/// One certificate, from one place; and a word when there is none.
pub(super) fn certificate(file: &File, report: &mut Report) {
    let Some(mastodon) = file.mastodon.given() else { return };
    let (secret, issuer) = match &mastodon.ingress {
        Field::Faulty => return,
        Field::Absent => (&Field::Absent, &Field::Absent),
        Field::Given(ingress) => (&ingress.tls_secret, &ingress.cluster_issuer),
    };
    match (secret, issuer) {
        (Field::Given(secret), Field::Given(issuer)) => report.push(
            Problem::error("`tls_secret` does not go with `cluster_issuer`")
                .at(secret.span.clone(), "a certificate that is there")
                .at(issuer.span.clone(), "one that is made")
                .why("cert-manager would write its certificate over yours")
                .help("remove one of the two"),
        ),
        (Field::Absent, Field::Absent) => report.push(
            Problem::warning("the site shows a certificate that no browser trusts")
                .at(mastodon.header.clone(), "neither tls_secret nor cluster_issuer")
                .why("without one the ingress controller shows its own; other servers refuse it, and the site talks to nobody")
                .help("add under [mastodon.ingress] tls_secret = \"…\", a Secret in the namespace mastodon, or cluster_issuer = \"…\" of cert-manager; with a proxy in front that has one, all is well"),
        ),
        _ => {}
    }
}

/// Names that Kubernetes takes.
pub(super) fn names(file: &File, report: &mut Report) {
    let Some(ingress) = file.mastodon.given().and_then(|mastodon| mastodon.ingress.given()) else { return };
    for (key, name) in
        [("class", &ingress.class), ("tls_secret", &ingress.tls_secret), ("cluster_issuer", &ingress.cluster_issuer)]
    {
        let Some(name) = name.given().filter(|name| !storage_scope::is_name(&name.value)) else { continue };
        report.push(
            Problem::error(format!("`{key}` is not a name Kubernetes takes"))
                .at(name.span.clone(), "lower-case letters, digits, `-` and `.`")
                .help("`microk8s kubectl get ingressclass,clusterissuer` lists what is there"),
        );
    }
}

/// The address is one of the pool.
pub(super) fn in_pool(file: &File, report: &mut Report) {
    let Some(ingress) = file.mastodon.given().and_then(|mastodon| mastodon.ingress.given()) else { return };
    let Some(text) = ingress.address.given() else { return };
    let wanted = match address::parse(text) {
        Ok(wanted) => wanted,
        Err(problem) => return report.push(problem),
    };
    let ranges = pool_syntax::ranges(file);
    // Ranges that could not be read have been reported, and so has a missing pool.
    if ranges.len() < file.pool().len() || ranges.is_empty() {
        return;
    }
    if !ranges.iter().any(|(_, range)| range.contains(IpAddr::V4(wanted))) {
        let pool: Vec<&str> = ranges.iter().map(|(text, _)| text.value.as_str()).collect();
        report.push(
            Problem::error("`address` is not in the pool")
                .at(text.span.clone(), "MetalLB does not have it to give")
                .at(ranges[0].0.span.clone(), "the pool")
                .help(format!("choose one of {}, or add it to the pool", pool.join(", "))),
        );
    }
}
