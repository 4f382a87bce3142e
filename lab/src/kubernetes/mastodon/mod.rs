//! Mastodon in the cluster: what its chart renders to, and how the programs in its images behave.
//!
//! [`render`] stands for `helm template` of mastodon/chart 6.9.3 with its three dependencies of Bitnami's. The programs are
//! simulated in here and never run as processes of their own: PostgreSQL initialises and recovers, Rails waits for a migrated
//! schema, `tootctl` makes accounts.

mod chart;
mod types;

pub use chart::{Hook, Rendered, defaults, render};
pub use types::{Executed, HttpAnswer};
