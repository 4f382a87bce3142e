//! How the site stands.

use std::net::IpAddr;

use serde::Serialize;

use super::{Conclusion, Probe};

/// Mastodon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SiteStatus {
    /// Its URL.
    pub url: String,
    /// The release wanted.
    pub version: String,
    /// The address it is at, once there is one.
    pub address: Option<IpAddr>,
    /// Whether everything of it runs.
    pub running: Conclusion,
    /// What is waited for, or what is in the way, when not.
    pub waiting: Option<String>,
    /// The record of the last time it answered; absent when there is none for these pods and this address.
    pub answered: Option<Probe>,
    /// The record of what it needs from outside; absent when that was not asked for.
    pub outside: Option<Probe>,
}
