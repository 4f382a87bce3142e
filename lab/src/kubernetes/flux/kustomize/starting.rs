//! The start of a reconciliation: its source and what it depends on are there, or it is put off.

use std::sync::Arc;

use serde_json::Value;

use super::super::conditions::{is, mark};
use super::super::work::Work;
use super::super::{DEPENDENCY, KUSTOMIZE, duration, revision, source_key};
use super::{BUILDING, Stage, retry_interval, timeout};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::store::Key;
use crate::kubernetes::value::{list, number, text};

impl Kubernetes {
    pub(super) fn begin_kustomization(
        &mut self,
        key: &Key,
        object: &Arc<Value>,
        reference: &Key,
        source: Option<&Value>,
        work: &mut Work<Stage>,
    ) {
        let Some(source) = source else {
            let what = crate::kubernetes::status::qualified(&reference.group, &reference.resource);
            let why = format!("{what} \"{}\" not found", reference.name);
            self.fail_kustomization(key, object, &("ArtifactFailed", why), retry_interval(object), work);
            return;
        };
        if revision(source).is_empty() {
            let why = format!("Source artifact not found, retrying in {}", duration::show(DEPENDENCY));
            self.fail_kustomization(key, object, &("ArtifactFailed", why), DEPENDENCY, work);
            return;
        }
        if let Err(why) = self.dependencies(key, object, reference, revision(source)) {
            let message =
                format!("Dependencies do not meet ready condition, retrying in {}", duration::show(DEPENDENCY));
            self.say(object, "Normal", "DependencyNotReady", &message);
            self.fail_kustomization(key, object, &("DependencyNotReady", why), DEPENDENCY, work);
            return;
        }
        let progress = format!(
            "Fetching manifests for revision {} with a timeout of {}",
            revision(source),
            duration::show(timeout(object))
        );
        let stamp = self.stamp();
        self.edit(key, |object| {
            mark(object, "Reconciling", "True", "Progressing", &progress, &stamp);
            mark(object, "Ready", "Unknown", "Progressing", "Reconciliation in progress", &stamp);
        });
        self.due(text(object, "/metadata/uid"), "build", BUILDING);
        work.stage = Some(Stage::Building);
    }

    /// Whether all of `dependsOn` is ready, and at the same revision where it has the same source.
    fn dependencies(&self, key: &Key, object: &Value, source: &Key, revision: &str) -> Result<(), String> {
        for dependency in list(object, "/spec/dependsOn") {
            let namespace = match text(dependency, "/namespace") {
                "" => key.namespace.as_str(),
                other => other,
            };
            let name = text(dependency, "/name");
            let shown = format!("{namespace}/{name}");
            let found = self.store.get(&Key::new(KUSTOMIZE, "kustomizations", namespace, name));
            let found = found.ok_or_else(|| {
                format!(
                    "dependency '{shown}' not found: kustomizations.kustomize.toolkit.fluxcd.io \"{name}\" not found"
                )
            })?;
            if !is(found, "Ready")
                || number(found, "/metadata/generation") != number(found, "/status/observedGeneration")
            {
                return Err(format!("dependency '{shown}' is not ready"));
            }
            let same = source_key(&found["spec"]["sourceRef"], namespace) == *source;
            if same && text(found, "/status/lastAppliedRevision") != revision {
                return Err(format!("dependency '{shown}' revision is not up to date"));
            }
        }
        Ok(())
    }
}
