//! The proof: bytes written through a fresh volume are found on the disks of the nodes that should hold them.
//!
//! It believes no object's word. A pod writes marked blocks through a claim; then the nodes' mounts, the replicas'
//! files and another node are looked at. What keeps the bytes makes no difference to the questions, only to where
//! the answers are looked for.

pub mod canary;
pub mod cause;
pub mod chain;
pub mod diagnose;
pub mod evidence;
pub mod jiva;
pub mod judge;
pub mod means;
pub mod objects;
pub mod pod;
pub mod proof;
pub mod seen;

pub use cause::Cause;
pub use proof::{Access, Claim, ClassProof, Evidence, Keeper, Proof};
