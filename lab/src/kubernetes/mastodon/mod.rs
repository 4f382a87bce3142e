//! Mastodon in the cluster: what its chart renders to, and how the programs in its images behave.
//!
//! [`render`] stands for `helm template` of mastodon/chart 6.9.3 with its three dependencies of Bitnami's. The programs are
//! simulated in here and never run as processes of their own: `PostgreSQL` initialises and recovers, Rails waits for a migrated
//! schema, `tootctl` makes accounts.

mod accounts;
mod answer;
mod chart;
mod commands;
mod connect;
mod container;
mod exec;
mod files;
mod hindrance;
mod kubelet;
mod postgres;
mod probes;
mod program;
mod progress;
mod pulls;
mod redis;
mod shell;
mod sql;
mod state;
mod tools;
mod tootctl;
mod types;

pub use chart::{Hook, Rendered, defaults, render};
pub(super) use state::Programs;
pub use types::Executed;
