//! The impure shell around a [`World`](crate::world::World): namespaces, real files, real OpenSSH servers, stand-in
//! programs, sockets and addresses.

pub mod api;
pub mod arguments;
pub mod commands;
pub mod control;
pub mod daemon;
pub mod disk;
pub mod disk_files;
pub mod git;
pub mod homelab;
pub mod http;
pub mod inventory;
pub mod isolate;
pub mod listeners;
pub mod mail;
pub mod network;
pub mod node;
pub mod node_init;
pub mod pool;
pub mod relay;
pub mod requirements;
pub mod snapshot;
pub mod stand_in;
pub mod storage;
pub mod tls;
pub mod unit_commands;
pub mod units;
mod vigil;
pub mod wire;

/// Where the lab keeps everything: a tmpfs that only its own mount namespace sees.
pub const BASE: &str = "/mnt";
/// Where a node keeps what belongs to the lab: the stand-in program and its sockets.
pub const INSIDE: &str = "/usr/lib/homelab";
/// The controller's address on the lab's network.
pub const CONTROLLER: &str = "10.77.0.1";
