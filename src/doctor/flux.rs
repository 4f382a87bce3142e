//! Traps of the Git repository and of Flux.

use super::{Sight, Sighting, Trap};
use crate::facts::flux::{FluxFacts, Resource};
use crate::gitops::header::{self, Author};

pub(super) const TRAPS: &[Trap] = &[
    Trap {
        name: "repository-unreadable",
        symptom: "changes that are pushed never come to the cluster, and nothing says why",
        cause: "the Git server does not answer, or does not take the key or password",
        link: "https://fluxcd.io/flux/components/source/gitrepositories/",
        look: unreadable,
    },
    Trap {
        name: "edited-by-hand",
        symptom: "a change of the inventory does not come to the cluster",
        cause: "somebody edited a file that homeprov writes, and homeprov leaves what a person wrote alone",
        link: "https://fluxcd.io/flux/concepts/#gitops",
        look: edited,
    },
    Trap {
        name: "api-version-gone",
        symptom: "a reconciliation fails with \"no matches for kind\"",
        cause: "a manifest is of an API version that this Flux or Kubernetes no longer serves",
        link: "https://fluxcd.io/flux/installation/upgrade/",
        look: version_gone,
    },
    Trap {
        name: "reconciliation-fails",
        symptom: "the cluster stays as it was at an older commit",
        cause: "Flux could not fetch or apply what is in the repository",
        link: "https://fluxcd.io/flux/components/kustomize/kustomizations/",
        look: fails,
    },
    Trap {
        name: "release-fails",
        symptom: "a HelmRelease says InstallFailed or UpgradeFailed, and pods stay 0/1",
        cause: "helm waited for pods that wait for something, often for a migration that helm runs only after the wait",
        link: "https://github.com/mastodon/chart/issues/18",
        look: release_fails,
    },
    Trap {
        name: "suspended",
        symptom: "nothing that is pushed comes to the cluster any more",
        cause: "somebody, or a restore that was cut off, suspended it and did not resume it",
        link: "https://fluxcd.io/flux/cmd/flux_resume/",
        look: suspended,
    },
];

/// Every object of Flux with its kind, its plural and `namespace/name`.
fn objects<'a>(sight: &Sight<'a>) -> impl Iterator<Item = (&'static str, &'a str, &'a Resource)> {
    let kinds = |flux: &'a FluxFacts| {
        [
            ("gitrepository", &flux.sources),
            ("kustomization", &flux.kustomizations),
            ("helmrelease", &flux.helm_releases),
        ]
    };
    let flux = sight.cluster().and_then(|cluster| cluster.flux.as_ref());
    let kinds = flux.into_iter().flat_map(kinds);
    kinds.flat_map(|(kind, objects)| objects.iter().map(move |(name, object)| (kind, name.as_str(), object)))
}

/// `-n NAMESPACE KIND NAME`
fn addressed(kind: &str, name: &str) -> String {
    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
    format!("-n {namespace} {kind} {name}")
}

fn unreadable(sight: &Sight<'_>) -> Vec<Sighting> {
    let seen = sight.facts.repository.as_ref();
    let problems = seen.into_iter().flat_map(|seen| [&seen.problem, &seen.access_problem].into_iter().flatten());
    problems
        .map(|problem| {
            let (said, remedy) = problem.reason.split_once('\n').unwrap_or((&problem.reason, ""));
            let again = format!("`git ls-remote` on the same URL says more; then {}", sight.homeprov(&["plan"]));
            Sighting::of_cluster(said, if remedy.is_empty() { again } else { remedy.trim().to_owned() })
        })
        .collect()
}

fn edited(sight: &Sight<'_>) -> Vec<Sighting> {
    let seen = sight.facts.repository.iter().filter(|seen| !seen.overwrite);
    let files = seen.flat_map(|seen| &seen.files);
    // What is encrypted carries no sum, and what was there before homeprov no name of a cluster.
    let edited = files.filter(|(_, text)| {
        header::cluster(text).is_some_and(|cluster| cluster == sight.inventory.cluster.name)
            && header::author(text) == Author::Person
    });
    edited
        .map(|(path, _)| {
            Sighting::of_cluster(
                format!("{path}: its text is not the one whose sum stands in its header"),
                format!(
                    "move the change into the inventory; then {} writes the file anew",
                    sight.homeprov(&["up", "--overwrite"])
                ),
            )
        })
        .collect()
}

fn gone(object: &Resource) -> bool {
    object.message.contains("no matches for kind")
}

fn said(kind: &str, name: &str, object: &Resource) -> String {
    format!("{kind} {name}: {}: {}", object.reason, object.message)
}

fn version_gone(sight: &Sight<'_>) -> Vec<Sighting> {
    let failed = objects(sight).filter(|(_, _, object)| object.failed() && gone(object));
    failed
        .map(|(kind, name, object)| {
            let remedy = "write the manifest for a version that `microk8s kubectl api-versions` lists, and push it";
            Sighting::of_cluster(said(kind, name, object), remedy)
        })
        .collect()
}

fn fails(sight: &Sight<'_>) -> Vec<Sighting> {
    let failed = objects(sight).filter(|(kind, _, object)| *kind != "helmrelease" && object.failed() && !gone(object));
    failed
        .map(|(kind, name, object)| {
            let remedy = format!(
                "`microk8s kubectl describe {}` shows its events; Flux tries again by itself, and {} asks it to at once",
                addressed(kind, name),
                sight.homeprov(&["up"])
            );
            Sighting::of_cluster(said(kind, name, object), remedy)
        })
        .collect()
}

fn release_fails(sight: &Sight<'_>) -> Vec<Sighting> {
    let failed = objects(sight).filter(|(kind, _, object)| {
        let last = object.history.first().is_some_and(|status| status == "failed");
        *kind == "helmrelease" && !gone(object) && (object.failed() || (last && object.ready != Some(true)))
    });
    failed
        .map(|(kind, name, object)| {
            let remedy = format!(
                "`microk8s kubectl describe {}` shows why. Uninstall nothing: that deletes claims. {} goes on where it stands",
                addressed(kind, name),
                sight.homeprov(&["up"])
            );
            Sighting::of_cluster(said(kind, name, object), remedy)
        })
        .collect()
}

fn suspended(sight: &Sight<'_>) -> Vec<Sighting> {
    let suspended = objects(sight).filter(|(_, _, object)| object.suspended);
    suspended
        .map(|(kind, name, _)| {
            let patch = r#"{"spec":{"suspend":false}}"#;
            let remedy = format!(
                "when what it was for is over: `microk8s kubectl patch {} --type=merge -p '{patch}'`",
                addressed(kind, name)
            );
            Sighting::of_cluster(format!("{kind} {name} has spec.suspend = true"), remedy)
        })
        .collect()
}
