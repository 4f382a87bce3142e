//! Flux: the repository it follows.

use super::text::Text;
use crate::facts::flux::{FLUX, FluxFacts, Resource};

pub(super) fn write(flux: Option<&FluxFacts>, text: &mut Text) {
    let Some(flux) = flux else {
        text.comment("Flux is not installed. With a Git repository here homeprov installs it, and writes what runs in the cluster:");
        text.aside(|text| {
            text.header("[flux]");
            text.key("repository", "ssh://git@github.com/alice/home");
        });
        text.gap();
        return;
    };
    match (flux.source(), flux.source().and_then(|source| source.url.as_deref())) {
        (Some(source), Some(url)) => follows(flux, source, url, text),
        _ => others(flux, text),
    }
    text.gap();
}

/// The source of `flux bootstrap`, which homeprov keeps, too.
fn follows(flux: &FluxFacts, source: &Resource, url: &str, text: &mut Text) {
    text.comment("Flux follows this repository. homeprov pushes to it with your own git credentials.");
    text.header("[flux]");
    text.key("repository", url);
    if let Some(branch) = &source.branch {
        text.key("branch", branch.as_str());
    }
    match flux.kustomization().and_then(|applied| applied.path.as_deref()).map(|path| path.trim_start_matches("./")) {
        Some("" | ".") => text.comment(
            "Flux applies the whole repository; homeprov writes into a folder of its own, clusters/ and the cluster's name, unless `path` \
             says otherwise.",
        ),
        Some(path) => text.key("path", path),
        None => text.comment("Which folder Flux applies could not be read."),
    }
    if let Some(version) = &flux.version {
        text.key("version", version.as_str());
    }
    let Some(secret) = &source.secret else { return };
    text.comment(&format!("The cluster reads it with what is in the Secret {FLUX}/{secret}, which is not read here."));
    if url.starts_with("https://") {
        text.instead("username = \"alice\"");
        text.instead("password_file = \"~/.config/homeprov/git-token\"");
    } else {
        text.comment("Without a file homeprov makes a key of its own and shows its public half.");
        text.instead("deploy_key = \"~/.ssh/home-flux\"");
    }
}

fn others(flux: &FluxFacts, text: &mut Text) {
    text.comment(&format!(
        "Flux is installed{}, and has no GitRepository {FLUX}/{FLUX} with a Git repository, which is the one homeprov keeps.",
        flux.version.as_ref().map(|version| format!(" ({version})")).unwrap_or_default()
    ));
    for (name, source) in &flux.sources {
        text.comment(&format!("  {name}: {}", source.url.as_deref().unwrap_or("no URL")));
    }
    text.aside(|text| {
        text.header("[flux]");
        text.key("repository", "ssh://git@github.com/alice/home");
    });
}
