//! Backups of a site: one dated folder each, written as a whole or not at all, with a manifest that says what is in it.
//!
//! What is worth keeping, in this order: the database, the Secrets it is read with, the users' files; and the cluster's data
//! store (mastodon/documentation `content/en/admin/backups.md`). Nothing in here believes an exit status alone: each stream is
//! hashed where it begins and where it ends, since `kubectl exec` is known to lose the end of long ones
//! (<https://github.com/kubernetes/kubernetes/issues/60140>).

mod data_store;
pub mod folder;
pub mod look;
pub mod manifest;
pub mod pod;
pub mod save;
pub mod stream;
pub mod timer;

pub use look::{Looked, look};
pub use manifest::{Kind, Manifest, Part};
pub use save::{Options, Saved};
