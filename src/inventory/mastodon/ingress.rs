//! `[mastodon.ingress]`: how the site is reached.

use std::net::Ipv4Addr;

/// How the site is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingress {
    /// The ingress class; `public` is that of the MicroK8s addon (canonical/microk8s-core-addons `addons/ingress`).
    pub class: String,
    /// Where the certificate is from.
    pub tls: Tls,
    /// The address in the pool that the site gets; MetalLB chooses when absent.
    pub address: Option<Ipv4Addr>,
}

/// Where the site's certificate is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// From a Secret of type `kubernetes.io/tls` in the namespace mastodon.
    Secret(String),
    /// From this `ClusterIssuer` of cert-manager.
    ClusterIssuer(String),
    /// The ingress controller's own, which no browser trusts.
    Default,
}

impl Ingress {
    /// The Secret of the certificate, where there is one.
    pub fn tls_secret(&self) -> Option<&str> {
        match &self.tls {
            Tls::Secret(name) => Some(name),
            Tls::ClusterIssuer(_) => Some("mastodon-tls"),
            Tls::Default => None,
        }
    }

    /// The `ClusterIssuer` that makes it, where there is one.
    pub fn cluster_issuer(&self) -> Option<&str> {
        match &self.tls {
            Tls::ClusterIssuer(name) => Some(name),
            Tls::Secret(_) | Tls::Default => None,
        }
    }
}
