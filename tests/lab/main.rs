//! homeprov end to end: the real program against the lab's machines, over real SSH. One module per capability.
//!
//! These tests need root, as the lab does; each starts a lab of its own, which ends with it.

mod connection;
mod convergence;
mod exit_codes;
mod faults;
mod harness;
mod kill;
mod logins;
mod mastodon;
mod observation;
mod plan_only;
#[allow(dead_code, reason = "shared: not every test binary refuses something")]
#[path = "../faults/row.rs"]
mod row;
mod storage;
mod storage_faults;
