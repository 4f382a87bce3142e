//! The addresses that Services of type `LoadBalancer` have.

use std::net::Ipv4Addr;

/// A Service that has an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balanced {
    /// Namespace and name, as `namespace/name`.
    pub service: String,
    /// An address of `status.loadBalancer`.
    pub address: Ipv4Addr,
}
