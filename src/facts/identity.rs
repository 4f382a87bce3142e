//! The cluster identity: the fingerprint of the cluster's certificate authority.
//!
//! Every fresh `MicroK8s` is a healthy one-node cluster, so only a recorded identity says which cluster is meant.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest, Sha256};

use super::{Facts, Observation};

/// What homeprov wrote down about the cluster: on each of its nodes in `/var/lib/homeprov/identity`, and on the
/// controller in its state folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityRecord {
    /// The cluster's name.
    pub cluster: String,
    /// SHA-256 of the certificate authority, hex.
    pub ca: String,
}

impl IdentityRecord {
    /// Reads the two lines `cluster=NAME` and `ca=HEX`.
    pub fn parse(text: &str) -> Option<Self> {
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        let (cluster, ca) = (value("cluster")?, value("ca")?);
        (ca.len() == 64 && ca.chars().all(|c| c.is_ascii_hexdigit()))
            .then(|| Self { cluster: cluster.to_owned(), ca: ca.to_owned() })
    }
}

impl fmt::Display for IdentityRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "cluster={}\nca={}", self.cluster, self.ca)
    }
}

/// Which cluster is meant, as far as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Nothing is recorded anywhere: a first run.
    None,
    /// All records agree on this certificate authority; or nothing is recorded and it is that of the cluster the inventory
    /// describes.
    Known(String),
    /// Records differ: who recorded what.
    Conflict(BTreeMap<String, String>),
}

impl Facts {
    /// What the records of the controller and of all nodes that answered say together.
    pub fn identity(&self) -> Identity {
        let mut readings: BTreeMap<String, String> = self
            .nodes
            .iter()
            .filter_map(|(name, observation)| match observation {
                Observation::Seen(seen) => Some((name.clone(), seen.facts.identity.as_ref()?.ca.clone())),
                Observation::Unreachable { .. } => None,
            })
            .collect();
        if let Some(record) = &self.recorded_here {
            readings.insert("this machine".to_owned(), record.ca.clone());
        }
        let mut distinct: Vec<&String> = readings.values().collect();
        distinct.sort();
        distinct.dedup();
        match distinct.as_slice() {
            [] => self.unrecorded.clone().map_or(Identity::None, Identity::Known),
            [ca] => Identity::Known((*ca).clone()),
            _ => Identity::Conflict(readings),
        }
    }
}

/// The SHA-256 of a certificate in PEM, hex; absent when the text holds none.
pub fn fingerprint(pem: &str) -> Option<String> {
    let body: String = pem
        .lines()
        .skip_while(|line| !line.starts_with("-----BEGIN CERTIFICATE"))
        .skip(1)
        .take_while(|line| !line.starts_with("-----END"))
        .map(str::trim)
        .collect();
    (!body.is_empty()).then(|| hex(&Sha256::digest(body.as_bytes())))
}

/// Lower-case hex of bytes.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// The first twelve digits: enough to tell clusters apart in a message.
pub fn short(ca: &str) -> &str {
    ca.get(..12).unwrap_or(ca)
}
