//! Records: what was once proven and cannot be read off the world at each turn.
//!
//! They live in the `ConfigMap` `homeprov` of namespace `kube-system`. A record holds as long as the fingerprint of
//! what it vouches for is the same.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::identity::hex;

/// The namespace and the name of the `ConfigMap`.
pub const PLACE: (&str, &str) = ("kube-system", "homeprov");

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Of what it vouches for.
    pub fingerprint: String,
    /// When it was made.
    pub at: jiff::Timestamp,
    /// What was seen, a line each.
    pub evidence: Vec<String>,
    /// What could not be tried, a line each.
    #[serde(default)]
    pub not_tried: Vec<String>,
}

/// A fingerprint of an ordered list of parts.
pub fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_be_bytes());
        digest.update(part.as_bytes());
    }
    hex(&digest.finalize())[..32].to_owned()
}
