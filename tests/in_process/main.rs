//! homeprov's engine on the simulated homelab, in one process: no ssh, no namespaces, and tokio's paused clock, so that
//! an hour of the homelab is a moment here.

mod adapter;
mod adopt;
mod backup;
mod changes;
mod connection;
mod converge;
mod doctor;
mod drill;
mod faults;
mod homelab;
mod hostile;
mod jobs;
mod kill;
mod kubernetes;
mod lease;
mod lock;
mod losses;
mod nodes;
mod plan;
mod playbook_steps;
mod pool;
mod probe;
mod property;
mod reboot;
mod repair;
mod resets;
#[path = "../faults/row.rs"]
mod row;
mod rust_steps;
mod session;
mod shell;
mod site;
mod storage;
mod stuck;
mod surroundings;
mod upgrades;
mod verify;
mod web;
