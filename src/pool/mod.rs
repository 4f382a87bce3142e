//! Whether the addresses of the pool are nobody else's: what was heard on the nodes' network, and what follows from it.

mod judge;
mod network;

use std::net::Ipv4Addr;

use serde::Serialize;

pub use judge::{Sight, judge};
pub use network::{Heard, Home};

use crate::status::Conclusion;

/// The version of the JSON format of [`Report`].
pub const SCHEMA: u32 = 1;

/// What a verification of the pool came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Format version: [`SCHEMA`].
    pub schema: u32,
    /// The cluster's name in the inventory.
    pub cluster: String,
    /// The ranges of the pool.
    pub ranges: Vec<String>,
    /// What the router gives away, where the inventory says it.
    pub dhcp_range: Option<String>,
    /// How many addresses were asked for.
    pub addresses: usize,
    /// The nodes that asked.
    pub asked_from: Vec<String>,
    /// When.
    pub at: jiff::Timestamp,
    /// Whether nothing is known to be wrong.
    pub holds: bool,
    /// The addresses that Services of the cluster have.
    pub in_use: Vec<InUse>,
    /// What else was found, by address.
    pub findings: Vec<Finding>,
    /// What could not be tried, a line each.
    pub not_tried: Vec<String>,
}

/// An address of the pool that a Service has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InUse {
    /// The address.
    pub address: Ipv4Addr,
    /// The Service, as `namespace/name`.
    pub service: String,
    /// The node that was heard to announce it; absent where only that node could have asked.
    pub node: Option<String>,
    /// The MAC address it was found at.
    pub mac: Option<String>,
}

/// What is found at an address, or wrong with the pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// The address; absent where it is about ranges.
    pub address: Option<Ipv4Addr>,
    /// The MAC addresses that answered, or are remembered.
    pub macs: Vec<String>,
    /// The nodes that heard it.
    pub heard_by: Vec<String>,
    /// `no`: it is wrong. `unknown`: it may be.
    pub verdict: Conclusion,
    /// What was seen, in one sentence.
    pub text: String,
    /// What to do.
    pub remedy: String,
}

impl Finding {
    /// Whether it is known to be wrong.
    pub fn wrong(&self) -> bool {
        self.verdict == Conclusion::No
    }
}

/// The kinds of finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Another device answers for an address of the pool.
    Collision,
    /// A node answers for it, or has it, without a Service.
    NodeAddress,
    /// It is the router's.
    Gateway,
    /// The router gives it away.
    DhcpRange,
    /// A Service has it, and nobody answers for it.
    Silent,
    /// Nobody answers now, and a node remembers a device there.
    Remembered,
}
