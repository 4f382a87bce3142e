//! The Flux release and what it needs.

use crate::diagnostic::Problem;
use crate::document::{At, Report};
use crate::inventory::file::File;

/// `RetryOnFailure`, which the site's release relies on, came with Flux 2.7 (fluxcd/helm-controller `CHANGELOG.md`, 1.4.0).
const OLDEST: (u32, u32) = (2, 7);
/// The oldest Kubernetes that Flux 2.9 runs on (fluxcd/flux2 `cmd/flux/check.go`).
const KUBERNETES: (u32, u32) = (1, 33);

/// The release is one there can be, and new enough.
pub(super) fn version(file: &File, report: &mut Report) {
    let Some(version) = file.flux.given().and_then(|flux| flux.version.given()) else { return };
    let example = "such as version = \"2.9.4\"; https://github.com/fluxcd/flux2/releases lists them";
    let problem = match numbers(&version.value) {
        None => Problem::error("this is not a Flux release")
            .at(version.span.clone(), "three numbers with points between them, without a `v`")
            .help(example),
        Some((major, minor)) if (major, minor) < OLDEST || major > OLDEST.0 => {
            let (oldest_major, oldest) = OLDEST;
            Problem::error(format!("homeprov works with Flux {oldest_major}.{oldest} and later {oldest_major}.x"))
                .at(version.span.clone(), "another generation")
                .why(
                    "older ones undo a failed installation by removing it, with its data, and later ones are not known",
                )
                .help(example)
        }
        Some(_) => return,
    };
    report.push(problem);
}

/// The channel's Kubernetes is new enough for Flux.
pub(super) fn kubernetes(file: &File, report: &mut Report) {
    let (Some(flux), Some(cluster)) = (file.flux.given(), file.cluster.given()) else { return };
    let Some(channel) = cluster.channel.given() else { return };
    let track = channel.value.split('/').next().unwrap_or_default();
    // Tracks may have a suffix, such as 1.32-strict, and one is called latest.
    let track = track.split('-').next().unwrap_or_default();
    let Some((major, minor)) = track.split_once('.') else { return };
    let (Ok(major), Ok(minor)) = (major.parse::<u32>(), minor.parse::<u32>()) else { return };
    if (major, minor) < KUBERNETES {
        report.push(
            Problem::error(format!("Flux needs Kubernetes {}.{} or newer", KUBERNETES.0, KUBERNETES.1))
                .at(channel.span.clone(), format!("this is {major}.{minor}"))
                .at(flux.header.clone(), "Flux is wanted here")
                .help("choose a newer channel, such as channel = \"1.35/stable\""),
        );
    }
}

/// The components manifest is in a file here or at a URL, and its sum can be one.
pub(super) fn components(file: &File, report: &mut Report) {
    let Some(flux) = file.flux.given() else { return };
    if let Some(text) = flux.components.given() {
        let label = match text.value.split_once("://") {
            Some(("http" | "https", rest)) if rest.contains('/') && !rest.contains(char::is_whitespace) => None,
            Some(("http" | "https", _)) => Some("not the whole URL of a file"),
            Some(_) => Some("only http:// and https:// are understood"),
            None if text.value.trim().is_empty() => Some("empty"),
            None => None,
        };
        if let Some(label) = label {
            report.push(
                Problem::error("`components` is not a manifest that can be used").at(text.span.clone(), label).help(
                    "the release's install.yaml in a file here or at a URL, such as components = \"./flux-2.9.4.yaml\"",
                ),
            );
        }
    }
    if let Some(sum) = flux.checksum.given().filter(|sum| !is_sum(sum)) {
        report.push(
            Problem::error("`checksum` is not a SHA-256")
                .at(sum.span.clone(), "64 hexadecimal digits")
                .help("`sha256sum install.yaml` prints it"),
        );
    }
}

fn is_sum(text: &At<String>) -> bool {
    text.value.len() == 64 && text.value.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Major and minor of a version of three numbers.
pub(super) fn numbers(text: &str) -> Option<(u32, u32)> {
    let parts: Vec<&str> = text.split('.').collect();
    let [major, minor, patch] = parts.as_slice() else { return None };
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u32>().ok())?;
    number(patch)?;
    Some((number(major)?, number(minor)?))
}
