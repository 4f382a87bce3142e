//! homeprov end to end: the real program against the lab's machines, over real SSH. One module per capability.
//!
//! These tests need root, as the lab does; each starts a lab of its own, which ends with it.

mod connection;
mod convergence;
mod doctor;
mod drill;
mod exit_codes;
mod faults;
mod harness;
mod hostile;
mod kill;
mod logins;
mod look;
mod manual;
mod mastodon;
mod nodes;
mod observation;
mod paths;
mod plan_only;
mod repair;
mod reset;
#[allow(dead_code, reason = "runs of the engine are refused elsewhere")]
#[path = "../faults/row.rs"]
mod row;
mod storage;
mod storage_faults;
mod surroundings;
mod tools;
mod upgrade;
