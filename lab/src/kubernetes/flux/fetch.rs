//! What source-controller wants of Git servers, and what it gets.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::kubernetes::Kubernetes;
use crate::kubernetes::types::Millis;
use crate::kubernetes::value::text;

/// The files of one commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// The commit's SHA-1, 40 hexadecimal digits.
    pub commit: String,
    /// The first line of its message.
    pub subject: String,
    /// Content by path from the root, without a leading slash.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// What of a repository is wanted: `spec.ref` of a `GitRepository`, in the order in which source-controller looks at
/// it (fluxcd/source-controller `docs/spec/v1/gitrepositories.md`, "Reference").
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reference {
    /// A commit; beside it only the branch counts.
    pub commit: Option<String>,
    /// The full name of a reference, `refs/heads/main`.
    pub name: Option<String>,
    /// A range of versions that tags are compared with.
    pub semver: Option<String>,
    /// A tag.
    pub tag: Option<String>,
    /// A branch; `master` where nothing is said at all.
    pub branch: Option<String>,
}

impl Reference {
    pub(super) fn of(repository: &Value) -> Self {
        let field = |name: &str| {
            let found = text(repository, &format!("/spec/ref/{name}"));
            (!found.is_empty()).then(|| found.to_owned())
        };
        Self {
            commit: field("commit"),
            name: field("name"),
            semver: field("semver"),
            tag: field("tag"),
            branch: field("branch"),
        }
    }

    /// The branch that is fetched where nothing more exact is said.
    pub fn branch(&self) -> &str {
        self.branch.as_deref().unwrap_or("master")
    }

    /// The revision of an artifact made of a commit (fluxcd/pkg `git/git.go`).
    pub(super) fn revision(&self, commit: &str) -> String {
        let name = match self {
            Self { commit: Some(_), branch, .. } => branch.clone(),
            Self { name: Some(name), .. } => Some(name.clone()),
            Self { tag: Some(tag), .. } => Some(tag.clone()),
            _ => Some(self.branch().to_owned()),
        };
        name.map_or_else(|| format!("sha1:{commit}"), |name| format!("{name}@sha1:{commit}"))
    }
}

/// One fetch that a Git client is to do for source-controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Names this attempt in the answer.
    pub ticket: u64,
    /// `ssh://…` or `https://…`
    pub url: String,
    /// What of it.
    pub reference: Reference,
    /// The data of the Secret at `spec.secretRef`: `identity`, `known_hosts`, or `username`, `password`.
    pub secret: BTreeMap<String, Vec<u8>>,
    /// After how long source-controller gives up, in virtual milliseconds.
    pub timeout: Millis,
}

/// The open fetches and their answers.
#[derive(Debug, Default)]
pub(super) struct Fetches {
    latest: u64,
    open: BTreeMap<u64, Fetch>,
    answers: BTreeMap<u64, Result<Arc<Tree>, String>>,
}

impl Fetches {
    pub(super) fn ask(&mut self, mut fetch: Fetch) -> u64 {
        self.latest += 1;
        fetch.ticket = self.latest;
        self.open.insert(self.latest, fetch);
        self.latest
    }

    pub(super) fn answer(&mut self, ticket: u64) -> Option<Result<Arc<Tree>, String>> {
        self.answers.remove(&ticket)
    }

    /// Nobody waits for it any more.
    pub(super) fn forget(&mut self, ticket: u64) {
        self.open.remove(&ticket);
        self.answers.remove(&ticket);
    }
}

impl Kubernetes {
    /// The fetches that wait for an answer.
    pub fn wanted_fetches(&self) -> impl Iterator<Item = &Fetch> {
        self.flux.fetches.open.values()
    }

    /// A fetch is over: the commit's files, or what source-controller's Git client says against it.
    pub fn fetched(&mut self, now: Millis, ticket: u64, answer: Result<Arc<Tree>, String>) {
        self.now = self.now.max(now);
        if self.flux.fetches.open.remove(&ticket).is_some() {
            self.flux.fetches.answers.insert(ticket, answer);
            self.unseen.get_or_insert(self.now);
        }
    }
}
