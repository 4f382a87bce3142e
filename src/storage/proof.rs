//! The result: what was found, per class, an evidence a line.

use jiff::Timestamp;
use serde::Serialize;

use super::cause::Cause;

/// The version of the JSON format of a proof.
pub const SCHEMA: u32 = 1;

/// (1) The pod's mount on its node is the volume and not the root disk.
pub const MOUNT: u8 = 1;
/// (2) The volume object says the wanted number of replicas, all readable and writable.
pub const VOLUME: u8 = 2;
/// (3) The bytes lie in the replica files on that many nodes' disks, and nowhere else.
pub const DISKS: u8 = 3;
/// (4) Another node reads the same bytes.
pub const ELSEWHERE: u8 = 4;
/// (5) The bytes are read while a replica is lost, and the replica comes back.
pub const DRILL: u8 = 5;

/// What a run of the proof found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Proof {
    /// [`SCHEMA`]
    pub schema: u32,
    /// When it ended, by the controller's clock.
    pub at: Timestamp,
    /// Bytes written through each class.
    pub size: u64,
    /// Whether every class is proven.
    pub holds: bool,
    /// The nodes that took part, with their kubelet's version.
    pub nodes: Vec<NodeVersion>,
    /// One entry a class.
    pub classes: Vec<ClassProof>,
    /// What could not be removed again, a line each; the next run begins with it.
    pub left_behind: Vec<String>,
}

/// A node and what runs on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeVersion {
    /// The node's name.
    pub name: String,
    /// `status.nodeInfo.kubeletVersion` of its Node object.
    pub version: String,
}

/// What was found of one class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassProof {
    /// The `StorageClass`.
    pub class: String,
    /// What keeps the bytes.
    pub keeper: Keeper,
    /// How the claim was made.
    pub access: Access,
    /// The volume made for the proof, when there was one.
    pub pv: Option<String>,
    /// Replicas wanted.
    pub replicas: u32,
    /// What it comes to when everything holds.
    pub claim: Claim,
    /// What was seen, in the order of the numbers.
    pub evidence: Vec<Evidence>,
    /// What could not be tried, a line each.
    pub not_tried: Vec<String>,
    /// Why it is not proven; absent when it is.
    pub cause: Option<Cause>,
}

/// One thing seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// 1 to 5: [`MOUNT`], [`VOLUME`], [`DISKS`], [`ELSEWHERE`], [`DRILL`].
    pub number: u8,
    /// The node it was seen on; absent for what the API says.
    pub node: Option<String>,
    /// The path on that node, or the object in the API.
    pub path: Option<String>,
    /// What was seen.
    pub text: String,
    /// Whether it is as it should be.
    pub holds: bool,
}

/// What keeps the bytes of a class, told from its provisioner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keeper {
    /// `OpenEBS` Jiva: sparse files on several nodes behind an iSCSI target.
    Jiva,
    /// A directory on one node.
    Hostpath,
    /// Something homeprov cannot look into: Longhorn, Mayastor, Ceph …
    Other,
}

/// How a claim is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Access {
    /// Mounted on one node at a time.
    ReadWriteOnce,
    /// Mounted on several nodes at once.
    ReadWriteMany,
}

/// What a passed proof says, and no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Claim {
    /// Found on the disks of several nodes.
    Replicated,
    /// Found on one node's disk.
    StoredNotReplicated,
    /// Read from two nodes; where the bytes lie was not looked at.
    ReadFromTwoNodes,
}

impl ClassProof {
    /// Whether all evidence is as it should be.
    pub fn holds(&self) -> bool {
        self.cause.is_none() && !self.evidence.is_empty() && self.evidence.iter().all(|evidence| evidence.holds)
    }

    /// What it comes to, in one line.
    pub fn conclusion(&self) -> String {
        if let Some(cause) = &self.cause {
            return format!("not proven: {}", cause.text());
        }
        match self.claim {
            Claim::Replicated => format!("replicated on {} nodes", self.replicas),
            Claim::StoredNotReplicated => "stored, not replicated".to_owned(),
            Claim::ReadFromTwoNodes => "read from two nodes; where its bytes lie was not looked at".to_owned(),
        }
    }
}

impl Evidence {
    /// Something seen on a node.
    pub fn on(number: u8, node: &str, path: &str, text: impl Into<String>, holds: bool) -> Self {
        Self { number, node: Some(node.to_owned()), path: Some(path.to_owned()), text: text.into(), holds }
    }

    /// Something the API says of an object.
    pub fn object(number: u8, path: impl Into<String>, text: impl Into<String>, holds: bool) -> Self {
        Self { number, node: None, path: Some(path.into()), text: text.into(), holds }
    }

    /// All of it in one line.
    pub fn line(&self) -> String {
        let node = self.node.as_ref().map(|node| format!("{node}: ")).unwrap_or_default();
        let path = self.path.as_ref().map(|path| format!(" [{path}]")).unwrap_or_default();
        format!("({}) {node}{}{path}", self.number, self.text)
    }
}

impl Access {
    /// As Kubernetes writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadWriteOnce => "ReadWriteOnce",
            Self::ReadWriteMany => "ReadWriteMany",
        }
    }

    /// As people say it, and as the proof's objects are named.
    pub fn short(self) -> &'static str {
        match self {
            Self::ReadWriteOnce => "rwo",
            Self::ReadWriteMany => "rwx",
        }
    }
}

impl Keeper {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jiva => "Jiva",
            Self::Hostpath => "a directory on one node",
            Self::Other => "an engine of its own",
        }
    }
}
