//! The OpenSSH transport against a real server on loopback.

mod api;
mod endings;
mod errors;
mod exec;
mod forward;
mod host_keys;
mod hostile;
mod jobs;
#[allow(dead_code, reason = "shared: not every test binary refuses something")]
#[path = "../faults/row.rs"]
mod row;
mod scripts;
mod sshd;
mod sudo;
mod switch;
