//! source-controller's `GitRepository` (fluxcd/source-controller `internal/controller/gitrepository_controller.go`).

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::conditions::{conclude, is, mark, unmark};
use super::fetch::{Fetch, Reference, Tree};
use super::work::{Work, Works};
use super::{SOURCE, known, length, suspended, wish};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::controllers::{Note, is_leaving};
use crate::kubernetes::store::Key;
use crate::kubernetes::types::Millis;
use crate::kubernetes::value::{entries, number, remove, set, text};

/// How long the clone of a repository outside takes.
const FAR_CLONE: Millis = 1_500;

/// What a reconciliation waits for.
#[derive(Debug)]
pub(super) enum Stage {
    /// The answer to a fetch.
    Fetching(u64),
    /// The clone of a repository the lab knows by heart.
    Cloning,
}

/// Why there is no artifact: a reason and a message.
type Refusal = (&'static str, String);

impl Kubernetes {
    pub(super) fn run_git_repositories(&mut self) {
        let mut before = std::mem::take(&mut self.flux.git);
        let mut works = Works::new();
        for (key, object) in self.all_of(SOURCE, "gitrepositories") {
            let uid = text(&object, "/metadata/uid").to_owned();
            let mut work = before.remove(&uid).unwrap_or_default();
            self.git_repository(&key, &object, &uid, &mut work);
            works.insert(uid, work);
        }
        for work in before.into_values() {
            if let Some(Stage::Fetching(ticket)) = work.stage {
                self.flux.fetches.forget(ticket);
            }
        }
        let known: Vec<&String> = works.keys().collect();
        self.flux.trees.retain(|uid, _| known.contains(&uid));
        self.flux.git = works;
    }

    fn git_repository(&mut self, key: &Key, object: &Arc<Value>, uid: &str, work: &mut Work<Stage>) {
        if is_leaving(object) {
            self.remove_flux_finalizer(key);
            return;
        }
        if self.add_flux_finalizer(key, object) || suspended(object) {
            return;
        }
        let trigger = wish(object);
        let answer = match work.stage {
            None if work.is_due(self.now, &trigger) => {
                self.begin_fetch(key, object, trigger, work);
                return;
            }
            None => {
                if let Some(next) = work.next {
                    self.wake_at(next);
                }
                return;
            }
            Some(Stage::Cloning) => {
                if !self.due(uid, "clone", FAR_CLONE) {
                    return;
                }
                self.reset(uid, "clone");
                known::checkout(text(object, "/spec/url"), &Reference::of(object))
                    .map(Arc::new)
                    .map_err(|why| ("GitOperationFailed", why))
            }
            Some(Stage::Fetching(ticket)) => match self.flux.fetches.answer(ticket) {
                None => return,
                Some(Err(why)) if why == "git repository is empty" => Err(("EmptyGitRepository", why)),
                Some(answer) => answer
                    .map_err(|why| ("GitOperationFailed", format!("failed to checkout and determine revision: {why}"))),
            },
        };
        match answer {
            Ok(tree) => self.store_artifact(key, object, &tree, work),
            Err(refusal) => self.refuse_fetch(key, object, &refusal, work),
        }
    }

    fn begin_fetch(&mut self, key: &Key, object: &Arc<Value>, trigger: String, work: &mut Work<Stage>) {
        let stamp = self.stamp();
        let (generation, observed) =
            (number(object, "/metadata/generation"), number(object, "/status/observedGeneration"));
        let message = if generation == observed {
            "reconciliation in progress".to_owned()
        } else {
            format!("processing object: new generation {observed} -> {generation}")
        };
        if generation != observed || !is(object, "Ready") {
            self.edit(key, |object| {
                mark(object, "Reconciling", "True", "Progressing", &message, &stamp);
                mark(object, "Ready", "Unknown", "Progressing", "reconciliation in progress", &stamp);
            });
        }
        let url = text(object, "/spec/url").to_owned();
        if known::knows(&url) {
            work.begin(self.now, trigger, Stage::Cloning);
            let uid = text(object, "/metadata/uid").to_owned();
            self.due(&uid, "clone", FAR_CLONE);
            return;
        }
        match self.credentials(key, object) {
            Ok(secret) => {
                let timeout = length(object, "/spec/timeout", 60_000);
                let fetch = Fetch { ticket: 0, url, reference: Reference::of(object), secret, timeout };
                let ticket = self.flux.fetches.ask(fetch);
                work.begin(self.now, trigger, Stage::Fetching(ticket));
            }
            Err(refusal) => {
                work.begin(self.now, trigger, Stage::Cloning);
                self.refuse_fetch(key, object, &refusal, work);
            }
        }
    }

    /// The data of the Secret, as far as the URL's scheme needs it (fluxcd/pkg `git/options.go`).
    fn credentials(&self, key: &Key, object: &Value) -> Result<BTreeMap<String, Vec<u8>>, Refusal> {
        let refused = |why: String| ("AuthenticationFailed", why);
        let name = text(object, "/spec/secretRef/name");
        let mut data = BTreeMap::new();
        if !name.is_empty() {
            let found = self.store.get(&Key::core("secrets", &key.namespace, name)).ok_or_else(|| {
                refused(format!("failed to get secret '{}/{name}': secrets \"{name}\" not found", key.namespace))
            })?;
            for (field, value) in entries(found, "/data") {
                let decoded = STANDARD.decode(value.as_str().unwrap_or_default()).unwrap_or_default();
                data.insert(field.clone(), decoded);
            }
        }
        if text(object, "/spec/url").starts_with("ssh://") {
            for field in ["identity", "known_hosts"] {
                if data.get(field).is_none_or(Vec::is_empty) {
                    return Err(refused(format!(
                        "failed to configure authentication options: invalid ssh auth option: '{field}' is required"
                    )));
                }
            }
        }
        Ok(data)
    }

    fn refuse_fetch(&mut self, key: &Key, object: &Arc<Value>, (reason, message): &Refusal, work: &mut Work<Stage>) {
        let stamp = self.stamp();
        self.edit(key, |object| {
            mark(object, "Reconciling", "True", "ProgressingWithRetry", "reconciliation in progress", &stamp);
            mark(object, "FetchFailed", "True", reason, message, &stamp);
            mark(object, "Ready", "False", reason, message, &stamp);
            conclude(object);
        });
        self.note(object, &Note { kind: "Warning", reason, message, component: "source-controller" });
        work.back_off(self.now);
        if let Some(next) = work.next {
            self.wake_at(next);
        }
    }

    fn store_artifact(&mut self, key: &Key, object: &Arc<Value>, tree: &Arc<Tree>, work: &mut Work<Stage>) {
        let stamp = self.stamp();
        let revision = Reference::of(object).revision(&tree.commit);
        let (artifact, size) = artifact(key, &revision, tree, &stamp);
        let fresh = text(object, "/status/artifact/digest") != text(&artifact, "/digest");
        let recovered = is(object, "FetchFailed");
        let message = format!("stored artifact for revision '{revision}'");
        self.flux.trees.insert(text(object, "/metadata/uid").to_owned(), Arc::clone(tree));
        self.edit(key, |object| {
            if fresh || super::revision(object) != revision {
                set(object, "/status/artifact", artifact);
                set(object, "/status/artifact/size", size);
            }
            unmark(object, "FetchFailed");
            mark(object, "Ready", "True", "Succeeded", &message, &stamp);
            mark(object, "ArtifactInStorage", "True", "Succeeded", &message, &stamp);
            remove(object, "/status/observedIgnore");
            conclude(object);
        });
        if fresh || recovered {
            let reason = if fresh { "NewArtifact" } else { "Succeeded" };
            let message = format!("stored artifact for commit '{}'", tree.subject);
            self.note(object, &Note { kind: "Normal", reason, message: &message, component: "source-controller" });
        }
        work.succeed(self.now, length(object, "/spec/interval", 60_000));
        if let Some(next) = work.next {
            self.wake_at(next);
        }
    }
}

/// `status.artifact` without its size, and the size.
fn artifact(key: &Key, revision: &str, tree: &Tree, stamp: &str) -> (Value, usize) {
    let parts: Vec<&[u8]> =
        tree.files.iter().flat_map(|(path, content)| [path.as_bytes(), content.as_slice()]).collect();
    let path = format!("gitrepository/{}/{}/{}.tar.gz", key.namespace, key.name, tree.commit);
    let artifact = json!({"digest": format!("sha256:{}", crate::kubernetes::names::digest_hex(&parts)), "lastUpdateTime": stamp,
        "path": path, "revision": revision, "url": format!("http://source-controller.flux-system.svc.cluster.local./{path}")});
    (artifact, tree.files.values().map(Vec::len).sum())
}
