//! Claims, volumes, replicas, mounts and the containers that use them.

mod bench;
mod claims;
mod containers;
mod faults;
mod jiva;
mod shares;
