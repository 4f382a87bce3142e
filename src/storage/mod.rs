//! The proof: bytes written through a fresh volume are found on the disks of the nodes that should hold them.
//!
//! It believes no object's word. A pod writes marked blocks through a claim; then the nodes' mounts, the replicas'
//! files and another node are looked at. What keeps the bytes makes no difference to the questions, only to where
//! the answers are looked for.

pub mod belongings;
mod canaries;
mod canary;
pub mod cause;
mod chain;
mod class;
mod clean;
mod diagnose;
mod drill;
mod evidence;
mod gather;
mod jiva;
mod judge;
pub mod means;
mod objects;
mod pod;
pub mod proof;
mod prove;
mod prove_class;
mod ready;
mod rehearsal;
mod seen;
pub mod wanted;

pub use cause::Cause;
pub use clean::ask as ask_to_clean;
pub use means::{Means, ProofNode, Trouble};
pub use proof::{Access, Claim, ClassProof, Evidence, Keeper, Proof};
pub use prove::prove;
pub use rehearsal::{Rehearsal, end as end_rehearsal};
pub use wanted::Wanted;
