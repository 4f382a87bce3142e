//! What the programs are and know beside the objects: their processes, and the databases on the volumes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::connect::Env;
use super::files::Files;
use super::program::Program;
use crate::kubernetes::types::Millis;

/// All of it in one cluster.
#[derive(Debug, Default)]
pub(in crate::kubernetes) struct Programs {
    /// The processes, by their pod's uid.
    pub(super) processes: BTreeMap<String, Process>,
    /// The databases, by the name of the volume they are on, or the address of one outside.
    pub(super) databases: BTreeMap<String, Database>,
    /// The keys in Redis, by the name of the volume they are on.
    pub(super) keys: BTreeMap<String, BTreeSet<String>>,
    /// The files in the containers.
    pub(super) files: Files,
    /// Whether the fault has cut off a stream already.
    pub(in crate::kubernetes) stream_cut: bool,
    /// The tries to pull an image for a pod, by the pod's uid.
    pub(super) pulls: BTreeMap<String, Pull>,
    /// Until when the fault keeps the image of Redis from being pulled.
    pub(super) no_pull_until: Option<Millis>,
    /// Whether the fault that takes a key out of a Secret has happened.
    pub(super) key_lost: bool,
}

/// The process of a container.
#[derive(Debug, Clone)]
pub(super) struct Process {
    pub(super) container: String,
    pub(super) program: Program,
    /// The boot of the node it was started in.
    pub(super) boot: String,
    pub(super) started: Millis,
    pub(super) life: Life,
    /// How often the container was started anew.
    pub(super) restarts: u32,
    /// Its variables, as they were when it started.
    pub(super) env: Arc<Env>,
    /// What it wrote, and what the one before it wrote.
    pub(super) log: String,
    pub(super) previous: String,
    /// Whether it got past what it needs at its start.
    pub(super) booted: bool,
    pub(super) probes: Probes,
}

/// Whether a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Running,
    /// It ended and is started again at this moment.
    Waiting(Millis),
}

/// How far the probes of a container have come in its present run.
#[derive(Debug, Clone, Default)]
pub(super) struct Probes {
    pub(super) started: bool,
    /// When the startup probe will have seen it up.
    pub(super) start_seen: Option<Millis>,
    /// Since when the liveness probe fails.
    pub(super) dead_since: Option<Millis>,
    /// When the readiness probe will have seen it ready, or unready.
    pub(super) ready_seen: Option<Millis>,
    pub(super) unready_seen: Option<Millis>,
    pub(super) ready: bool,
}

/// A server's data, which outlives pods.
#[derive(Debug, Clone, Default)]
pub(super) struct Database {
    /// Whether there is a data directory.
    pub(super) initialised: bool,
    /// It was killed while it recovered, and cannot start any more.
    pub(super) corrupted: bool,
    /// The password of Mastodon's user, as it was at the initialisation; any is right where none was ever set.
    pub(super) password: Option<String>,
    /// What is in Mastodon's own database.
    pub(super) content: Content,
    /// Whether that database was dropped, or given another name.
    pub(super) dropped: bool,
    /// The other databases of the server, by name.
    pub(super) others: BTreeMap<String, Content>,
}

/// What is in one database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Content {
    /// Whether the schema is there.
    pub(super) migrated: bool,
    /// The accounts by their names in small letters.
    pub(super) accounts: BTreeMap<String, Account>,
    /// The rows of the other tables, a text each.
    pub(super) rows: BTreeMap<String, Vec<String>>,
    /// `COMMENT ON DATABASE`, which no dump has.
    #[serde(skip)]
    pub(super) comment: String,
}

impl Deref for Database {
    type Target = Content;

    fn deref(&self) -> &Content {
        &self.content
    }
}

impl DerefMut for Database {
    fn deref_mut(&mut self) -> &mut Content {
        &mut self.content
    }
}

/// A local account and its user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Account {
    pub(super) username: String,
    pub(super) email: String,
    /// The name of the role, if it has one.
    pub(super) role: Option<String>,
    pub(super) confirmed: bool,
    pub(super) approved: bool,
    pub(super) disabled: bool,
    pub(super) password: String,
}

/// The tries to pull an image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pull {
    pub(super) tried: Millis,
    /// The pause before the next try.
    pub(super) pause: Millis,
    /// Whether the pause has been told of.
    pub(super) told: bool,
}
