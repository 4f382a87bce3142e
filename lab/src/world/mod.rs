//! The simulated homelab: a pure state machine with a virtual clock.

mod command;
mod config;
mod faults;
mod files;
mod pki;
mod roles;

pub use command::{CommandId, Exec, Output, Progress};
pub use config::{Channel, Config, MachineSpec, Os};
pub use faults::{Fault, FaultKind, Notice};
pub use files::{Files, MemoryFiles};
pub use roles::{Role, Roles};

/// Virtual milliseconds since the world began.
pub type Millis = u64;
