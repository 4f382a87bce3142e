//! What a verification of the site came to.

use std::net::IpAddr;

use serde::Serialize;

use super::finding::Finding;

/// The version of the JSON format of [`Report`].
pub const SCHEMA: u32 = 1;

/// Every part of the site with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Format version: [`SCHEMA`].
    pub schema: u32,
    /// The site's URL.
    pub site: String,
    /// The address it is at, once there is one.
    pub address: Option<IpAddr>,
    /// The release of Mastodon wanted.
    pub version: String,
    /// When it was verified.
    pub at: jiff::Timestamp,
    /// Whether no part is known to be wrong.
    pub holds: bool,
    /// The parts in the order in which one needs the other.
    pub findings: Vec<Finding>,
}
