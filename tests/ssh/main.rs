//! The OpenSSH transport against a real server on loopback.

mod api;
mod errors;
mod exec;
mod forward;
mod host_keys;
mod hostile;
mod jobs;
#[allow(dead_code, reason = "runs of the engine are refused elsewhere")]
#[path = "../faults/row.rs"]
mod row;
mod scripts;
mod sshd;
mod sudo;
mod switch;
