//! What was read of Flux: its controllers, and what its objects say of themselves.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::identity::hex;

/// The namespace of Flux and of the objects that make it follow the repository, and their name.
pub const FLUX: &str = "flux-system";

/// Flux in the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FluxFacts {
    /// The release its controllers say they are of, without a `v`.
    pub version: Option<String>,
    /// Its controllers by name, with whether each is available.
    pub deployments: BTreeMap<String, bool>,
    /// Whether the API versions that homeprov writes are served.
    pub established: bool,
    /// The Secret it reads the repository with.
    pub secret: Option<AccessSecret>,
    /// The `GitRepositories` by `namespace/name`.
    pub sources: BTreeMap<String, Resource>,
    /// The Kustomizations by `namespace/name`.
    pub kustomizations: BTreeMap<String, Resource>,
    /// The `HelmReleases` by `namespace/name`.
    pub helm_releases: BTreeMap<String, Resource>,
}

/// The Secret `flux-system`, without its values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessSecret {
    /// Of all it has, as [`fingerprint`] makes it.
    pub fingerprint: String,
    /// Whether it has what a repository over SSH takes: `identity` and `known_hosts`.
    pub key: bool,
}

/// What an object of Flux says of itself (fluxcd/pkg `apis/meta`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
// Each switch is a field of the object.
#[allow(clippy::struct_excessive_bools)]
pub struct Resource {
    /// `metadata.generation`
    pub generation: i64,
    /// `status.observedGeneration`
    pub observed: i64,
    /// The condition `Ready`; absent while it is unknown.
    pub ready: Option<bool>,
    /// Its reason.
    pub reason: String,
    /// Its message.
    pub message: String,
    /// The condition `Stalled` is true: it is not tried again by itself.
    pub stalled: bool,
    /// The condition `Reconciling` is true with the reason `Progressing`: it is being worked on. With `ProgressingWithRetry` it
    /// only waits to be tried again (fluxcd/pkg `apis/meta/conditions.go`).
    pub progressing: bool,
    /// `spec.suspend`
    pub suspended: bool,
    /// The revision it is at: `status.artifact.revision` or `status.lastAppliedRevision`.
    pub revision: Option<String>,
    /// `status.lastAttemptedRevision`
    pub attempted: Option<String>,
    /// The annotation `reconcile.fluxcd.io/requestedAt`.
    pub requested: Option<String>,
    /// `status.lastHandledReconcileAt`
    pub handled: Option<String>,
    /// `spec.url`
    pub url: Option<String>,
    /// `spec.ref.branch`
    pub branch: Option<String>,
    /// `spec.path`
    pub path: Option<String>,
    /// `spec.secretRef.name`
    pub secret: Option<String>,
    /// Whether a Kustomization removes what is no longer in the repository: `spec.prune`.
    pub prunes: bool,
    /// The Kustomization that would remove it, when it may be removed: [`pruned_by`].
    pub pruned_by: Option<String>,
    /// Of a `HelmRelease` what makes helm uninstall it when it fails: `spec.install.remediation`, `spec.upgrade.remediation`.
    pub uninstalled_by: Vec<String>,
    /// Of a `HelmRelease` the attempts it remembers, the newest first: `deployed`, `failed`, `superseded`.
    pub history: Vec<String>,
}

impl Resource {
    /// Whether what it says is of its newest specification and of the newest request.
    pub fn current(&self) -> bool {
        self.observed == self.generation && (self.requested.is_none() || self.requested == self.handled)
    }

    /// Whether it is Ready, and says so of its newest specification and request.
    pub fn done(&self) -> bool {
        self.current() && self.ready == Some(true)
    }

    /// Whether it has failed at its newest specification and request.
    pub fn failed(&self) -> bool {
        self.current() && (self.stalled || self.ready == Some(false))
    }

    /// The commit it is at: that of `main@sha1:4f2d…`.
    pub fn commit(&self) -> Option<&str> {
        self.revision.as_deref().map(commit)
    }
}

/// The commit a revision names: `main@sha1:4f2d…`, and `main/4f2d…` as Flux wrote it before 2.0.
pub fn commit(revision: &str) -> &str {
    revision.rsplit([':', '/']).next().unwrap_or(revision)
}

/// The Kustomization that has applied an object and may remove it again, as `namespace/name`; none for an object that is exempt
/// (fluxcd/kustomize-controller `internal/controller/kustomization_controller.go`, `prune`: the label or annotation is looked at).
pub fn pruned_by(labels: &BTreeMap<String, String>, annotations: &BTreeMap<String, String>) -> Option<String> {
    let key = |name: &str| format!("kustomize.toolkit.fluxcd.io/{name}");
    let disabled = |name: &str| {
        let said = [labels, annotations].into_iter().filter_map(|all| all.get(&key(name)));
        said.into_iter().any(|value| value.eq_ignore_ascii_case("disabled"))
    };
    let (namespace, name) = (labels.get(&key("namespace"))?, labels.get(&key("name"))?);
    (!disabled("prune") && !disabled("reconcile")).then(|| format!("{namespace}/{name}"))
}

/// A fingerprint of a Secret's keys and values.
pub fn fingerprint<'a>(data: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> String {
    let sorted: BTreeMap<&str, &[u8]> = data.into_iter().collect();
    let mut digest = Sha256::new();
    for part in sorted.into_iter().flat_map(|(key, value)| [key.as_bytes(), value]) {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    hex(&digest.finalize())
}

impl FluxFacts {
    /// The `GitRepository` that Flux follows.
    pub fn source(&self) -> Option<&Resource> {
        self.sources.get(&format!("{FLUX}/{FLUX}"))
    }

    /// The Kustomization that applies what is in it.
    pub fn kustomization(&self) -> Option<&Resource> {
        self.kustomizations.get(&format!("{FLUX}/{FLUX}"))
    }
}

/// Whether one release of Flux is newer than another; false when one of them is no version.
pub fn newer(one: &str, other: &str) -> bool {
    let numbers = |version: &str| -> Option<Vec<u64>> {
        let plain = version.trim_start_matches('v').split(['-', '+']).next()?;
        plain.split('.').map(|part| part.parse().ok()).collect()
    };
    numbers(one).zip(numbers(other)).is_some_and(|(one, other)| one > other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_revisions() {
        assert!(newer("2.10.0", "2.9.4") && newer("v2.9.5", "2.9.4"));
        assert!(!newer("2.9.4", "2.9.4") && !newer("2.9.4", "2.10.0") && !newer("main", "2.9.4"));
        assert_eq!(commit("main@sha1:4f2d"), "4f2d");
        assert_eq!(commit("main/4f2d"), "4f2d");
    }

    #[test]
    fn what_flux_applied_it_removes_again_unless_it_is_exempt() {
        let all = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let key = |name: &str| format!("kustomize.toolkit.fluxcd.io/{name}");
            pairs.iter().map(|(name, value)| (key(name), (*value).to_owned())).collect()
        };
        let labels = all(&[("name", "mastodon"), ("namespace", "flux-system")]);
        assert_eq!(pruned_by(&labels, &BTreeMap::new()).as_deref(), Some("flux-system/mastodon"));
        assert_eq!(pruned_by(&labels, &all(&[("prune", "Disabled")])), None);
        assert_eq!(pruned_by(&labels, &all(&[("reconcile", "disabled")])), None);
        assert_eq!(pruned_by(&BTreeMap::new(), &BTreeMap::new()), None, "somebody else made it");
    }

    #[test]
    fn an_old_word_does_not_count() {
        let ready = Resource { generation: 2, observed: 2, ready: Some(true), ..Resource::default() };
        assert!(ready.done() && !ready.failed());
        assert!(!Resource { generation: 3, ..ready.clone() }.done());
        let asked = Resource { requested: Some("b".into()), handled: Some("a".into()), ..ready };
        assert!(!asked.done());
        assert!(!Resource { ready: Some(false), ..asked.clone() }.failed());
        assert!(Resource { handled: Some("b".into()), stalled: true, ..asked }.failed());
    }
}
