//! Traps of the site's data: what may wipe them, and what cannot be written.

use super::{Sight, Sighting, Trap};
use crate::inventory::storage::Engine;
use crate::inventory::storage::classes::RWX;
use crate::mastodon::NAMESPACE;
use crate::steps::storage::rwx_class::{owned, wrong_backend};

pub(super) const TRAPS: &[Trap] = &[
    Trap {
        name: "share-not-writable",
        symptom: "uploads fail with \"Permission denied\" below public/system",
        cause: "the root of an NFS share is root's unless its class says otherwise, and fsGroup changes nothing about that",
        link: "https://github.com/openebs-archive/dynamic-nfs-provisioner/blob/develop/docs/troubleshooting/non-root-application-accesing-nfs-volume.md",
        look: unwritable,
    },
    Trap {
        name: "volume-not-retained",
        symptom: "the site's media or its database are gone after a claim was deleted, by hand or with what it belonged to",
        cause: "the reclaim policy of the volume is Delete: it goes with its claim",
        link: "https://kubernetes.io/docs/concepts/storage/persistent-volumes/#reclaiming",
        look: deleted,
    },
    Trap {
        name: "data-pruned",
        symptom: "the site and its data are gone after a file was moved or removed in the Git repository",
        cause: "Flux removes what is no longer in the repository, and what holds the data does not say that it is exempt",
        link: "https://fluxcd.io/flux/components/kustomize/kustomizations/#prune",
        look: pruned,
    },
    Trap {
        name: "release-uninstalled",
        symptom: "claims and their data are gone after an installation or an upgrade that failed",
        cause: "the HelmRelease is told to uninstall what failed before it tries again, and helm deletes the claims of its chart then",
        link: "https://fluxcd.io/flux/components/helm/helmreleases/",
        look: uninstalled,
    },
];

fn unwritable(sight: &Sight<'_>) -> Vec<Sighting> {
    let wanted = sight.inventory.storage.engine == Engine::Jiva && sight.inventory.storage.rwx;
    let Some(storage) = sight.storage().filter(|_| wanted) else { return Vec::new() };
    // With the wrong class behind it, it has to be made anew as a whole, which another check says.
    let class = storage.classes.get(RWX).filter(|class| !owned(class) && wrong_backend(storage).is_none());
    class
        .map(|class| {
            let is: Vec<String> =
                class.openebs.permissions.iter().map(|(key, value)| format!("{key} {value}")).collect();
            let is = if is.is_empty() { "no owner".to_owned() } else { is.join(", ") };
            Sighting::of_cluster(
                format!("FilePermissions of class {RWX} names {is}; Mastodon writes as 991:991"),
                format!(
                    "{} puts the class right, for shares that are made from then on. One that is there, for each Deployment nfs-pvc-… of \
                     `microk8s kubectl -n openebs get deployments`: `microk8s kubectl -n openebs exec deploy/nfs-pvc-… -- sh -c 'chown 991:991 \
                     /nfsshare && chmod 0775 /nfsshare'`",
                    sight.homeprov(&["up"])
                ),
            )
        })
        .into_iter()
        .collect()
}

/// Only where homeprov makes the classes: of a class of the user's own the policy is theirs, and folders of a node have no other.
fn deleted(sight: &Sight<'_>) -> Vec<Sighting> {
    let Some(storage) = sight.storage().filter(|_| sight.inventory.storage.engine == Engine::Jiva) else {
        return Vec::new();
    };
    let volumes = storage.volumes.iter().filter(|(name, volume)| {
        volume.phase == "Bound" && volume.reclaim_policy == "Delete" && !storage.is_replica(name)
    });
    let of_site = volumes.filter_map(|(name, volume)| {
        let claim = storage.user_claim_of(name).filter(|claim| claim.namespace == NAMESPACE)?;
        let patch = r#"{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}"#;
        Some(Sighting::of_cluster(
            format!(
                "volume {name} of {NAMESPACE}/{}, class {}, has the reclaim policy Delete",
                claim.name, volume.class
            ),
            format!("`microk8s kubectl patch pv {name} -p '{patch}'`"),
        ))
    });
    of_site.collect()
}

fn pruned(sight: &Sight<'_>) -> Vec<Sighting> {
    let Some(cluster) = sight.cluster() else { return Vec::new() };
    let Some(flux) = &cluster.flux else { return Vec::new() };
    let site = cluster.mastodon.as_ref();
    let namespace =
        site.and_then(|site| Some((format!("namespace {NAMESPACE}"), site.namespace_pruned_by.as_deref()?)));
    let claims = cluster.storage.claims.iter().filter(|claim| claim.namespace == NAMESPACE);
    let claims =
        claims.filter_map(|claim| Some((format!("-n {NAMESPACE} pvc {}", claim.name), claim.pruned_by.as_deref()?)));
    let releases = flux.helm_releases.iter().filter_map(|(name, release)| {
        let name = name.strip_prefix(NAMESPACE)?.strip_prefix('/')?;
        Some((format!("-n {NAMESPACE} helmrelease {name}"), release.pruned_by.as_deref()?))
    });
    let all = namespace.into_iter().chain(claims).chain(releases);
    let by_one_that_does = all.filter(|(_, by)| flux.kustomizations.get(*by).is_some_and(|found| found.prunes));
    by_one_that_does
        .map(|(object, by)| {
            Sighting::of_cluster(
                format!("`{object}` goes when its manifest does: Kustomization {by} has spec.prune = true, and it is not exempt"),
                format!(
                    "write the annotation `kustomize.toolkit.fluxcd.io/prune: disabled` into its manifest and push it; until that is applied: \
                     `microk8s kubectl annotate {object} kustomize.toolkit.fluxcd.io/prune=disabled`"
                ),
            )
        })
        .collect()
}

fn uninstalled(sight: &Sight<'_>) -> Vec<Sighting> {
    let flux = sight.cluster().and_then(|cluster| cluster.flux.as_ref());
    let releases = flux.into_iter().flat_map(|flux| &flux.helm_releases);
    let of_site = releases.filter(|(name, _)| name.starts_with(&format!("{NAMESPACE}/")));
    of_site
        .filter(|(_, release)| !release.uninstalled_by.is_empty())
        .map(|(name, release)| {
            Sighting::of_cluster(
                format!("helmrelease {name}: {}", release.uninstalled_by.join(" and ")),
                format!(
                    "write `strategy: {{name: RetryOnFailure}}` below spec.install and spec.upgrade of its manifest, without `remediation`, and push \
                     it; a manifest of homeprov's that somebody edited is written anew by {}",
                    sight.homeprov(&["up", "--overwrite"])
                ),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests;
