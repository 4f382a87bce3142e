//! The OpenSSH transport against a real server on loopback.

mod api;
mod errors;
mod exec;
mod forward;
mod host_keys;
mod jobs;
mod scripts;
mod sshd;
mod sudo;
