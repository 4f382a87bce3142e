//! A homelab inside this machine.
//!
//! [`world`] is the simulated homelab as a pure state machine with a virtual clock: machines, snapd, the `MicroK8s`
//! scripts and the dqlite data store behind them. [`kubernetes`] is the API server and the controllers of one
//! cluster, just as pure. The program `homeprov-lab` puts namespaces, real files, real OpenSSH servers and a TLS
//! front around them.

pub mod kubernetes;
pub mod runtime;
pub mod server;
mod tar;
pub mod world;
