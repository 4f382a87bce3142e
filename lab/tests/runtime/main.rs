//! The runtime as its user has it: the built program, real namespaces, real OpenSSH. Needs root.

mod faults;
mod git;
mod ingress;
mod lab;
mod leftovers;
mod logins;
mod machines;
mod power;
mod stand_ins;
mod storage;
mod storage_nodes;
mod units;
